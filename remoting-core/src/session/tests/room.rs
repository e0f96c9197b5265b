//! Long calls that wait until there is room for them.

use std::task::Waker;
use std::time::Duration;

use super::long::{long, small_frames};
use super::support::{Pair, sent};
use crate::limits::Limits;
use crate::session::{SessionStats, Start};
use crate::wire::Target;

/// A client that has begun to send a long call, and has no room for another one.
fn with_a_long_call_under_way() -> (Pair, Target) {
    let client = Limits {
        unsent: 200_000,
        ..small_frames()
    };
    let mut pair = Pair::with(client, small_frames());
    let slot = Target::Slot(pair.connect("object"));
    sent(pair.client.call(slot, &long(150_000), pair.now));
    (pair, slot)
}

#[test]
fn many_long_calls_wait_for_each_other() {
    let (mut pair, slot) = with_a_long_call_under_way();
    let second = pair.client.call(slot, &long(150_000), pair.now);
    assert_eq!(second, Start::Full);
    sent(pair.client.call(slot, b"a small one goes on", pair.now));
    pair.pass();
    sent(pair.client.call(slot, &long(150_000), pair.now));
    pair.pass();
    pair.server.answer_all(pair.now);
    assert_ne!(pair.server.session.stats(), SessionStats::default());
}

#[test]
fn a_long_call_is_woken_when_there_is_room_for_it_and_not_before() {
    let (mut pair, slot) = with_a_long_call_under_way();
    let [second, third] = [1, 2].map(|_| {
        let start = pair.client.call(slot, &long(150_000), pair.now);
        assert_eq!(start, Start::Full);
        let later = pair.now + Duration::from_secs(30);
        pair.client.session.wait(Waker::noop(), later)
    });
    // Once, they gave the place that was of no use to them to each other, for ever.
    let leaves = pair.client.session.wait(Waker::noop(), pair.now);
    pair.client.session.leave(leaves, &mut pair.client.effects);
    let poll = |pair: &mut Pair, waiter| {
        let session = &mut pair.client.session;
        session.poll_wait(waiter, Waker::noop(), pair.now)
    };
    assert!(poll(&mut pair, second).is_pending());
    sent(pair.client.call(slot, b"a small one goes on", pair.now));
    pair.pass();
    assert!(poll(&mut pair, third).is_pending());
    assert!(poll(&mut pair, second).is_ready());
    sent(pair.client.call(slot, &long(150_000), pair.now));
    let fourth = pair.client.call(slot, &long(20_000), pair.now);
    assert_eq!(fourth, Start::Full, "the third was first");
}

#[test]
fn room_that_was_granted_is_not_for_who_comes_later() {
    let (mut pair, slot) = with_a_long_call_under_way();
    let start = pair.client.call(slot, &long(150_000), pair.now);
    assert_eq!(start, Start::Full);
    let later = pair.now + Duration::from_secs(30);
    let first = pair.client.session.wait(Waker::noop(), later);
    pair.pass();
    let newcomer = pair.client.call(slot, &long(150_000), pair.now);
    assert_eq!(newcomer, Start::Full);
    let session = &mut pair.client.session;
    let polled = session.poll_wait(first, Waker::noop(), pair.now);
    assert!(polled.is_ready());
    sent(pair.client.call(slot, &long(150_000), pair.now));
}
