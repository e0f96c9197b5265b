//! Streams of which both ends do whatever they like, in any order.

use std::task::{Poll, Waker};

use proptest::prelude::*;

use super::super::support::Pair;
use super::support::{narrow, open, read, send};
use crate::id::{Slot, StreamId};
use crate::limits::Limits;
use crate::session::StreamKey;

/// What the two ends of streams do, as numbers.
#[derive(Debug, Clone)]
enum Step {
    Open,
    Send(usize),
    Read(usize),
    End(usize),
    Leave(usize),
    Pass,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => Just(Step::Open),
        6 => (0usize..8).prop_map(Step::Send),
        4 => (0usize..8).prop_map(Step::Read),
        1 => (0usize..8).prop_map(Step::End),
        1 => (0usize..8).prop_map(Step::Leave),
        3 => Just(Step::Pass),
    ];
    prop::collection::vec(step, 0..200)
}

/// A stream in the model.
struct Known {
    stream: StreamId,
    key: StreamKey,
    sent: u8,
    read: u8,
    ended: bool,
    left: bool,
}

proptest! {
    #[test]
    fn whatever_both_ends_do_items_come_in_order_and_nothing_is_left(steps in steps()) {
        let mut pair = Pair::with(Limits::default(), narrow());
        let slot = pair.connect("river");
        let mut all: Vec<Known> = Vec::new();
        for step in steps {
            run(&mut pair, slot, &mut all, step);
        }
        for at in 0..all.len() {
            run(&mut pair, slot, &mut all, Step::End(at));
            run(&mut pair, slot, &mut all, Step::Leave(at));
        }
        pair.pass();
        for side in [&pair.client, &pair.server] {
            prop_assert_eq!(side.session.stats().streams, 0);
            prop_assert!(side.end.is_none(), "{:?}", side.end);
        }
    }
}

fn run(pair: &mut Pair, slot: Slot, all: &mut Vec<Known>, step: Step) {
    match step {
        Step::Open if all.len() < 8 => {
            pair.pass();
            let (stream, key) = open(pair, slot);
            let (sent, read, ended, left) = (0, 0, false, false);
            all.push(Known {
                stream,
                key,
                sent,
                read,
                ended,
                left,
            });
        }
        Step::Open => {}
        Step::Send(at) => {
            if let Some(known) = all.get_mut(at).filter(|known| !known.ended) {
                send_one(pair, known);
            }
        }
        Step::Read(at) => {
            if let Some(known) = all.get_mut(at).filter(|known| !known.left) {
                read_all(pair, known);
            }
        }
        Step::End(at) => {
            let Some(known) = all.get_mut(at).filter(|known| !known.ended) else {
                return;
            };
            known.ended = true;
            let (now, client) = (pair.now, &mut pair.client);
            let effects = &mut client.effects;
            client
                .session
                .end_stream(known.stream, None, &[], now, effects);
        }
        Step::Leave(at) => {
            let Some(known) = all.get_mut(at).filter(|known| !known.left) else {
                return;
            };
            known.left = true;
            let server = &mut pair.server;
            server.session.leave_stream(known.key, &mut server.effects);
        }
        Step::Pass => pair.pass(),
    }
}

fn send_one(pair: &mut Pair, known: &mut Known) {
    let room = pair.client.session.poll_room(known.stream, Waker::noop());
    if let Poll::Ready(Ok(_)) = room {
        send(&mut pair.client, known.stream, &[known.sent]).unwrap();
        known.sent = known.sent.wrapping_add(1);
    }
}

fn read_all(pair: &mut Pair, known: &mut Known) {
    let (items, ended) = read(&mut pair.server, known.key);
    for item in &items {
        assert_eq!(*item, known.read);
        known.read = known.read.wrapping_add(1);
    }
    if ended.is_some() {
        assert_eq!(known.read, known.sent);
        // Its key means nothing any more.
        known.left = true;
    }
    let used = items.len() as u32;
    if used > 0 {
        let session = &mut pair.server.session;
        session.grant(known.key, used, u64::from(used), pair.now);
    }
}
