//! How many calls and bytes may be under way, and who comes next.

use std::task::{Poll, Waker};
use std::time::Duration;

use super::support::{Pair, Side, sent};
use crate::error::ErrorKind;
use crate::id::Slot;
use crate::limits::Limits;
use crate::session::{Start, WaiterId};
use crate::wire::Target;

const SLOT: Target = Target::Slot(Slot(0));

fn wait(side: &mut Side, pair_now: std::time::Instant) -> WaiterId {
    side.session
        .wait(Waker::noop(), pair_now + Duration::from_secs(30))
}

#[test]
fn before_hello_only_a_few_calls_are_sent() {
    let mut pair = Pair::silent(Limits::default(), Limits::default());
    let resolve = sent(pair.client.resolve("object", pair.now));
    for _ in 0..7 {
        sent(pair.client.call(Target::Answer(resolve), b"", pair.now));
        assert!(pair.client.post(Target::Answer(resolve), b"", pair.now));
    }
    sent(pair.client.call(Target::Answer(resolve), b"", pair.now));
    assert_eq!(
        pair.client.call(Target::Answer(resolve), b"", pair.now),
        Start::Full
    );
    assert!(!pair.client.post(Target::Answer(resolve), b"", pair.now));
    pair.pass();
    assert_eq!(pair.server.end, None);
    sent(pair.client.call(Target::Answer(resolve), b"", pair.now));
}

#[test]
fn before_hello_only_a_few_bytes_are_sent() {
    let mut pair = Pair::silent(Limits::default(), Limits::default());
    let resolve = sent(pair.client.resolve("object", pair.now));
    sent(
        pair.client
            .call(Target::Answer(resolve), &[0; 9000], pair.now),
    );
    assert_eq!(
        pair.client
            .call(Target::Answer(resolve), &[0; 9000], pair.now),
        Start::Full
    );
    assert_eq!(
        pair.client
            .call(Target::Answer(resolve), &[0; 90_000], pair.now),
        Start::Full
    );
    let waiter = wait(&mut pair.client, pair.now);
    assert_eq!(
        pair.client
            .session
            .poll_wait(waiter, Waker::noop(), pair.now),
        Poll::Pending
    );
    pair.pass();
    assert_eq!(pair.server.end, None);
    assert_eq!(pair.client.effects.wakers.len(), 1);
    let polled = pair
        .client
        .session
        .poll_wait(waiter, Waker::noop(), pair.now);
    assert_eq!(polled, Poll::Ready(Ok(())));
    sent(
        pair.client
            .call(Target::Answer(resolve), &[0; 90_000], pair.now),
    );
    pair.pass();
    assert_eq!(pair.server.session.stats().incoming, 3);
}

#[test]
fn a_peer_that_sends_more_before_hello_has_broken_a_rule() {
    let mut pair = Pair::silent(Limits::default(), Limits::default());
    let hello = pair.server.session.take_output(Vec::new()).flat();
    pair.client.read(&hello, pair.now).unwrap();
    // The client has the server's HELLO now; the other server has not sent one.
    let mut other = Side::new(Limits::default(), pair.now);
    for _ in 0..17 {
        sent(pair.client.resolve("object", pair.now));
    }
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    assert!(other.read(&bytes, pair.now).is_err());
}

#[test]
fn no_more_calls_are_open_than_both_sides_allow_and_who_waits_comes_in_order() {
    let limits = Limits {
        calls_per_session: 3,
        ..Limits::default()
    };
    let mut pair = Pair::with(Limits::default(), limits);
    let slot = pair.connect("object");
    let target = Target::Slot(slot);
    let calls = [0; 3].map(|_| sent(pair.client.call(target, b"", pair.now)));
    assert_eq!(pair.client.call(target, b"", pair.now), Start::Full);
    assert_eq!(pair.client.counters.calls_per_session.get(), 1);
    let first = wait(&mut pair.client, pair.now);
    let second = wait(&mut pair.client, pair.now);
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    assert!(pair.client.poll(calls[0]).is_ready());
    // The place is the first one's, whoever else asks.
    assert_eq!(pair.client.call(target, b"", pair.now), Start::Full);
    let noop = Waker::noop();
    assert_eq!(
        pair.client.session.poll_wait(second, noop, pair.now),
        Poll::Pending
    );
    assert_eq!(
        pair.client.session.poll_wait(first, noop, pair.now),
        Poll::Ready(Ok(()))
    );
    sent(pair.client.call(target, b"", pair.now));
    // A place that is given back goes on to the next.
    assert!(pair.client.poll(calls[1]).is_ready());
    let third = wait(&mut pair.client, pair.now);
    pair.client.session.leave(second, &mut pair.client.effects);
    assert_eq!(
        pair.client.session.poll_wait(third, noop, pair.now),
        Poll::Ready(Ok(()))
    );
    sent(pair.client.call(target, b"", pair.now));
    assert_eq!(pair.client.session.stats().waiting, 0);
}

#[test]
fn a_place_that_a_refused_call_did_not_use_goes_to_the_next() {
    let now = std::time::Instant::now();
    let mut side = Side::greeted(Limits::default(), 1, now);
    let call = sent(side.call(SLOT, b"", now));
    let first = wait(&mut side, now);
    let second = wait(&mut side, now);
    side.session.abandon(call, now, &mut side.effects);
    assert!(side.effects.wakers.is_empty(), "the answer has not come");
    side.read(&[1, 0, 0, 2, 0], now).unwrap();
    assert_eq!(side.effects.wakers.len(), 1);
    assert_eq!(
        side.session.poll_wait(first, Waker::noop(), now),
        Poll::Ready(Ok(()))
    );
    assert!(matches!(
        side.call(SLOT, &vec![0; 5_000_000], now),
        Start::Refused(_)
    ));
    assert_eq!(side.effects.wakers.len(), 2);
    assert_eq!(
        side.session.poll_wait(second, Waker::noop(), now),
        Poll::Ready(Ok(()))
    );
}

#[test]
fn who_waits_too_long_gets_an_error() {
    let now = std::time::Instant::now();
    let mut side = Side::greeted(Limits::default(), 0, now);
    assert_eq!(side.call(SLOT, b"", now), Start::Full);
    let later = now + Duration::from_secs(2);
    let waiter = side.session.wait(Waker::noop(), later);
    assert!(side.session.poll_timeout().is_some_and(|due| due <= later));
    assert_eq!(
        side.session.handle_timeout(later, &mut side.effects),
        Ok(())
    );
    assert_eq!(side.effects.wakers.len(), 1);
    let Poll::Ready(Err(error)) = side.session.poll_wait(waiter, Waker::noop(), later) else {
        panic!("it still waits");
    };
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[test]
fn while_too_much_waits_to_be_written_callers_wait_too() {
    let now = std::time::Instant::now();
    let limits = Limits {
        unsent: 1000,
        ..Limits::default()
    };
    let mut side = Side::greeted(limits, 100, now);
    let hello = side.session.unsent();
    side.session.written(hello, now, &mut side.effects);
    sent(side.call(SLOT, &[0; 1000], now));
    assert_eq!(side.call(SLOT, b"", now), Start::Full);
    assert_eq!(side.counters.unsent.get(), 1);
    let first = wait(&mut side, now);
    let second = wait(&mut side, now);
    let bytes = side.session.take_output(Vec::new()).flat();
    assert_eq!(
        side.call(SLOT, b"", now),
        Start::Full,
        "taken is not written"
    );
    side.session.written(bytes.len(), now, &mut side.effects);
    assert_eq!(
        side.effects.wakers.len(),
        1,
        "each might send a whole frame"
    );
    assert_eq!(
        side.session.poll_wait(first, Waker::noop(), now),
        Poll::Ready(Ok(()))
    );
    sent(side.call(SLOT, b"", now));
    let bytes = side.session.take_output(Vec::new()).flat();
    side.session.written(bytes.len(), now, &mut side.effects);
    assert_eq!(
        side.session.poll_wait(second, Waker::noop(), now),
        Poll::Ready(Ok(()))
    );
}
