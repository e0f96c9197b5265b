//! What a session says to those it has not begun with, when its host stops.

use std::time::Duration;

use super::kept::{asked, kinds};
use super::long::{long, pair};
use super::support::{Pair, result, sent};
use crate::error::{ErrorKind, Executed};
use crate::session::Lent;
use crate::wire::Target;

/// Stops what the server may stop.
fn stop(pair: &mut Pair) {
    let server = &mut pair.server;
    server.session.go_away(Duration::ZERO, "");
    let _running = server.session.stop_requests(pair.now, &mut server.effects);
    pair.pass();
}

#[test]
fn calls_that_wait_for_an_answer_are_told() {
    let (mut pair, slot, first) = asked();
    pair.client.lending = vec![Lent::Answer(first)];
    let with = sent(pair.client.call(slot, b"1", pair.now));
    pair.client.lending.clear();
    let next = sent(pair.client.call_kept(Target::Answer(first), b"2", pair.now));
    let last = sent(pair.client.call(Target::Answer(next), b"3", pair.now));
    pair.pass();
    stop(&mut pair);
    for call in [with, next, last] {
        let expected = (ErrorKind::Overloaded, Executed::No, None);
        assert_eq!(kinds(&pair.client.error(call)), expected);
    }
    // The one that runs goes on, if nobody may cut it.
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(first)), b"made");
}

#[test]
fn a_call_that_is_not_whole_is_told() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    let call = sent(pair.client.call(slot, &long(1_000_000), pair.now));
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    pair.server.read(&bytes, pair.now).unwrap();
    stop(&mut pair);
    let error = pair.client.error(call);
    let expected = (ErrorKind::Overloaded, Executed::No);
    assert_eq!((error.kind(), error.executed()), expected);
    assert!(pair.server.arrivals.is_empty() && pair.server.session.is_drained());
}
