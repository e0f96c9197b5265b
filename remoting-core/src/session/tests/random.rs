//! Two sessions under random operations: whatever happens, each call ends in exactly
//! one way, what is said not to have been executed was not, and nothing is left over.

mod cuts;
mod peer;

use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use self::peer::{Peer, pick};
use super::operations::{Op, ops};
use crate::error::Executed;
use crate::session::{End, SessionStats, Start};

struct World {
    peers: [Peer; 2],
    now: Instant,
    number: u32,
    /// How often the connection was made again, where it can be.
    reconnects: Option<u8>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            peers: [Peer::new(now), Peer::new(now)],
            now,
            number: 0,
            reconnects: None,
        }
    }

    fn apply(&mut self, at: usize, op: &Op) {
        let now = self.now;
        self.number += 1;
        let (number, peer) = (self.number, &mut self.peers[at]);
        peer.send_home();
        match *op {
            Op::Resolve => {
                let start = peer.side.resolve(&number.to_string(), now);
                peer.start(number, start);
            }
            Op::Call {
                nth,
                seconds,
                width,
                keep,
                lends,
            } => {
                let payload = format!("{number:<width$}").into_bytes();
                let wait = Duration::from_secs(seconds);
                if let Some(target) = peer.target(nth) {
                    let start = peer.call((keep, target, payload), lends, wait, now);
                    peer.start(number, start);
                }
            }
            Op::Forget { nth } => {
                if let Some(at) = pick(nth, peer.kept.len()) {
                    peer.forget(at, now);
                }
            }
            Op::Post { nth } => peer.post(nth, number, now),
            Op::Poll { nth } => {
                if let Some(at) = pick(nth, peer.open.len()) {
                    peer.poll(at);
                }
            }
            Op::Abandon { nth } => {
                if let Some(at) = pick(nth, peer.open.len()) {
                    peer.abandon(at, now);
                }
            }
            Op::Answer { nth, good } => {
                if let Some(at) = pick(nth, peer.side.arrivals.len()) {
                    peer.answer(at, good, now);
                }
            }
            Op::Release { nth } => peer.release(nth),
            Op::Write { bytes } => self.write(at, bytes),
            Op::Wait { nth } => self.wait_for_place(at, nth),
            Op::Leave { nth } => {
                if let Some(at) = pick(nth, peer.waiting.len()) {
                    peer.leave(at);
                }
            }
            Op::Time { millis } => self.pass_time(Duration::from_millis(millis)),
            Op::GoAway => peer.side.session.go_away(Duration::from_secs(5), "over"),
        }
    }

    /// Waits for a place, or uses one that was granted.
    fn wait_for_place(&mut self, at: usize, nth: usize) {
        let (now, number) = (self.now, self.number);
        let peer = &mut self.peers[at];
        let Some(chosen) = pick(nth, peer.waiting.len()).filter(|_| nth % 2 == 0) else {
            let deadline = now + Duration::from_secs(5);
            peer.waiting
                .push(peer.side.session.wait(Waker::noop(), deadline));
            return;
        };
        let waiter = peer.waiting[chosen];
        match peer.side.session.poll_wait(waiter, Waker::noop(), now) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                peer.waiting.remove(chosen);
                let start = peer.side.resolve(&number.to_string(), now);
                let greeted = peer.side.session.peer().is_some();
                assert!(
                    !greeted || matches!(start, Start::Sent(_)),
                    "a place is a place"
                );
                peer.start(number, start);
            }
            Poll::Ready(Err(_)) => {
                peer.waiting.remove(chosen);
                peer.side.session.leave(waiter, &mut peer.side.effects);
            }
        }
    }

    /// Moves bytes from one side to the other, frames cut anywhere.
    fn write(&mut self, at: usize, bytes: usize) {
        let now = self.now;
        let [first, second] = &mut self.peers;
        let (from, to) = if at == 0 {
            (first, second)
        } else {
            (second, first)
        };
        if from.side.leaving.is_empty() {
            from.side.leaving = from.side.session.take_output(Vec::new()).flat();
        }
        let count = bytes.min(from.side.leaving.len());
        let moved: Vec<u8> = from.side.leaving.drain(..count).collect();
        from.side
            .session
            .written(count, now, &mut from.side.effects);
        if to.side.end.is_none() {
            let _ = to.side.read(&moved, now);
            to.note_arrivals();
        }
    }

    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        for peer in &mut self.peers {
            let side = &mut peer.side;
            let due = side
                .session
                .poll_timeout()
                .is_some_and(|due| due <= self.now);
            if !due {
                continue;
            }
            if let Err(end) = side.session.handle_timeout(self.now, &mut side.effects) {
                if end.is_of_link() && self.reconnects.is_some() {
                    return self.come_back([0; 2], false);
                }
                side.close(end);
            }
        }
    }

    /// Lets everything that is under way come to its end.
    fn settle(&mut self) {
        for _ in 0..100 {
            for at in [0, 1] {
                self.write(at, usize::MAX);
                while !self.peers[at].side.arrivals.is_empty() {
                    self.peers[at].answer(0, true, self.now);
                }
                for call in (0..self.peers[at].open.len()).rev() {
                    self.peers[at].poll(call);
                }
                let peer = &mut self.peers[at];
                let borrowed = std::mem::take(&mut peer.side.borrowed);
                for slot in peer.held.drain(..).chain(borrowed) {
                    peer.side.session.release(slot, 1);
                }
                for at in (0..peer.kept.len()).rev() {
                    peer.forget(at, self.now);
                }
                for waiter in peer.waiting.drain(..) {
                    peer.side.session.leave(waiter, &mut peer.side.effects);
                }
            }
        }
    }

    fn check(&self) {
        for (at, peer) in self.peers.iter().enumerate() {
            assert_eq!(
                peer.side.session.stats(),
                SessionStats::default(),
                "side {at}"
            );
            assert!(
                peer.open.is_empty(),
                "side {at} has calls without an end: {:?}",
                peer.open
            );
            for number in &peer.started {
                let ended = peer.ended.get(number);
                let other = &self.peers[1 - at];
                let ran = other.ran.contains(number);
                match ended {
                    None => panic!("{number} has no end"),
                    Some(Some(Executed::No)) => assert!(!ran, "{number} ran after all"),
                    Some(Some(Executed::Yes)) => assert!(ran, "{number} never ran"),
                    Some(Some(Executed::Unknown) | None) => {}
                }
            }
        }
    }
}

fn run(ops: &[(bool, Op)]) -> World {
    let mut world = World::new();
    for (second, op) in ops {
        world.apply(usize::from(*second), op);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_call_ends_once_and_nothing_is_left_over(ops in ops()) {
        let mut world = run(&ops);
        world.settle();
        for peer in &world.peers {
            // Random time may end a session, a broken rule may not.
            let end = &peer.side.end;
            prop_assert!(!matches!(end, Some(End::Violation(_))), "{:?}", end);
        }
        if world.peers.iter().any(|peer| peer.side.end.is_some()) {
            world.peers.iter_mut().for_each(|peer| peer.side.close(End::PeerClosed));
            world.settle();
        }
        world.check();
    }

    #[test]
    fn each_call_ends_once_when_the_connection_breaks(ops in ops(), graceful: bool) {
        let mut world = run(&ops);
        let end = if graceful { End::Bye } else { End::Lost("cut".to_owned()) };
        world.peers[0].side.close(end);
        // What was on its way still arrives, and then the other side sees the end.
        world.write(0, usize::MAX);
        world.write(0, usize::MAX);
        world.peers[1].side.close(End::PeerClosed);
        world.settle();
        world.check();
    }
}
