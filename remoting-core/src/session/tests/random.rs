//! Two sessions under random operations: whatever happens, each call ends in exactly
//! one way, what is said not to have been executed was not, and nothing is left over.

use std::collections::{HashMap, HashSet};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::operations::{Op, ops};
use super::support::{Side, failed};
use crate::error::{Executed, Fault};
use crate::id::{CallId, InterfaceId, Slot};
use crate::limits::Limits;
use crate::session::{End, ExportKey, Lent, SessionStats, Start, WaiterId};
use crate::wire::Target;

/// A side with what its callers know.
struct Peer {
    side: Side,
    /// Calls that have neither ended nor been given up, with the number each carries, and whether its answer
    /// is kept.
    open: Vec<(CallId, u32, bool)>,
    /// Calls that have ended and whose answer is kept.
    kept: Vec<CallId>,
    held: Vec<Slot>,
    waiting: Vec<WaiterId>,
    /// How each call has ended, by the number it carries; nothing if it was given up.
    ended: HashMap<u32, Option<Executed>>,
    started: HashSet<u32>,
    /// The numbers of the other side's requests that came to run here.
    ran: HashSet<u32>,
    arrived: usize,
}

impl Peer {
    /// Sends a call without an answer, if there is an object to call.
    fn post(&mut self, nth: usize, number: u32, now: Instant) {
        if let Some(target) = self.target(nth).filter(|_| self.side.session.can_call()) {
            self.side.post(target, number.to_string().as_bytes(), now);
        }
    }

    /// Gives up an open call.
    fn abandon(&mut self, at: usize, now: Instant) {
        let (call, number, _) = self.open.remove(at);
        self.side.session.abandon(call, now, &mut self.side.effects);
        assert_eq!(self.ended.insert(number, None), None);
    }

    /// Gives up waiting for a place.
    fn leave(&mut self, at: usize) {
        let waiter = self.waiting.remove(at);
        self.side.session.leave(waiter, &mut self.side.effects);
    }

    fn new(now: Instant) -> Self {
        let limits = Limits {
            calls_per_session: 6,
            unsent: 4000,
            max_frame: 16_384,
            max_message: 45_000,
            assembly: 60_000,
            objects_per_session: 5,
            ..Limits::default()
        };
        let mut side = Side::new(limits, now);
        side.lending.push(Lent::Own {
            object: "lent".into(),
            key: ExportKey {
                object: 1,
                interface: InterfaceId(9),
            },
        });
        Self {
            side,
            open: Vec::new(),
            kept: Vec::new(),
            held: Vec::new(),
            waiting: Vec::new(),
            ended: HashMap::new(),
            started: HashSet::new(),
            ran: HashSet::new(),
            arrived: 0,
        }
    }

    /// Lends the peer what it has lent here itself, as long as there is any.
    fn send_home(&mut self) {
        self.side.lending.truncate(1);
        let home = self.side.borrowed.last().map(|slot| Lent::Home(*slot));
        self.side.lending.extend(home);
    }

    fn start(&mut self, number: u32, start: Start) {
        if let Start::Sent(call) = start {
            let taken = self.open.iter().map(|(open, ..)| open).chain(&self.kept);
            assert!(
                taken.into_iter().all(|open| *open != call),
                "{call:?} is taken"
            );
            let kept = self.side.session.is_kept(call);
            self.open.push((call, number, kept));
            self.started.insert(number);
        }
    }

    /// The answers that calls may go to.
    fn answers(&self) -> Vec<CallId> {
        let open = self.open.iter().filter(|(.., kept)| *kept);
        let open = open.map(|(call, ..)| *call);
        let answers = open.chain(self.kept.iter().copied());
        answers
            .filter(|call| self.side.session.is_kept(*call))
            .collect()
    }

    /// The nth object or answer.
    fn target(&self, nth: usize) -> Option<Target> {
        let mut targets: Vec<_> = self.held.iter().map(|slot| Target::Slot(*slot)).collect();
        targets.extend(self.answers().into_iter().map(Target::Answer));
        pick(nth, targets.len()).map(|at| targets[at])
    }

    /// Makes a call, with the answer of another as an argument or without.
    fn call(
        &mut self,
        call: (bool, Target, Vec<u8>),
        lends: bool,
        wait: Duration,
        now: Instant,
    ) -> Start {
        let (keep, target, payload) = call;
        let answer = self.answers().last().copied().filter(|_| lends);
        let before = self.side.lending.len();
        self.side.lending.extend(answer.map(Lent::Answer));
        let start = self.side.call_keeping(keep, target, &payload, wait, now);
        self.side.lending.truncate(before);
        start
    }

    fn forget(&mut self, at: usize, now: Instant) {
        let call = self.kept.remove(at);
        self.side.session.abandon(call, now, &mut self.side.effects);
    }

    fn poll(&mut self, at: usize) {
        let (call, number, _) = self.open[at];
        let Poll::Ready(answer) = self.side.poll(call) else {
            return;
        };
        let (.., kept) = self.open.remove(at);
        let is_slot = matches!(&answer, Ok(reply) if reply.slot.is_some());
        if kept && !is_slot && self.side.session.is_kept(call) {
            self.kept.push(call);
        }
        let executed = match answer {
            Ok(reply) => {
                self.held.extend(reply.slot.map(|(slot, _)| slot));
                Executed::Yes
            }
            Err(Fault::App(_)) => Executed::Yes,
            Err(Fault::Error(error)) => error.executed(),
        };
        assert_eq!(
            self.ended.insert(number, Some(executed)),
            None,
            "{number} ended twice"
        );
    }

    fn note_arrivals(&mut self) {
        for arrival in self.side.arrivals.iter().skip(self.arrived) {
            let text = String::from_utf8_lossy(&arrival.payload);
            let number = text.trim_end_matches(' ').parse().unwrap();
            assert!(self.ran.insert(number), "{number} arrived twice");
        }
        self.arrived = self.side.arrivals.len();
    }

    fn answer(&mut self, at: usize, good: bool, now: Instant) {
        let arrival = self.side.arrivals.remove(at);
        self.arrived -= 1;
        if good {
            self.side.answer(&arrival, now);
        } else if arrival.target.is_some() {
            self.side.reply(arrival.key, Err(&failed("bad")), now);
        } else {
            let effects = &mut self.side.effects;
            self.side
                .session
                .answer_resolve(arrival.key, Err(&failed("bad")), now, effects);
        }
        self.note_arrivals();
    }
}

struct World {
    peers: [Peer; 2],
    now: Instant,
    number: u32,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            peers: [Peer::new(now), Peer::new(now)],
            now,
            number: 0,
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
                let Some(target) = peer.target(nth) else {
                    return;
                };
                let payload = format!("{number:<width$}");
                let wait = Duration::from_secs(seconds);
                let start = peer.call((keep, target, payload.into_bytes()), lends, wait, now);
                peer.start(number, start);
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
            Op::Release { nth } => {
                if let Some(at) = pick(nth, peer.held.len()) {
                    let slot = peer.held.remove(at);
                    peer.side.session.release(slot, 1);
                }
                if let Some(slot) = peer.side.borrowed.pop() {
                    peer.side.session.release(slot, 1);
                }
            }
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

/// The nth of so many, round and round.
fn pick(nth: usize, count: usize) -> Option<usize> {
    nth.checked_rem(count)
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
