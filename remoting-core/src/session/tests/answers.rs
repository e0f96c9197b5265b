//! Calls on the answer to a RESOLVE.

use std::time::Duration;

use super::support::{Pair, failed, result, sent};
use crate::error::{ErrorKind, Executed};
use crate::id::CallId;
use crate::limits::Limits;
use crate::session::{CancelReason, SessionStats, Start};
use crate::wire::Target;

#[test]
fn calls_on_an_unanswered_resolve_run_in_their_order_once_it_is_answered() {
    let mut pair = Pair::new();
    let resolve = sent(pair.client.resolve("object", pair.now));
    let calls =
        [b"1", b"2", b"3"].map(|n| sent(pair.client.call(Target::Answer(resolve), n, pair.now)));
    assert!(pair.client.post(Target::Answer(resolve), b"4", pair.now));
    pair.pass();
    let arrival = pair.server.arrivals.remove(0);
    assert!(pair.server.arrivals.is_empty());
    pair.server.answer(&arrival, pair.now);
    let order: Vec<_> = pair
        .server
        .arrivals
        .iter()
        .map(|call| call.payload.clone())
        .collect();
    assert_eq!(order, [b"1", b"2", b"3", b"4"]);
    // One that comes after the answer goes to the object at once.
    let late = sent(pair.client.call(Target::Answer(resolve), b"5", pair.now));
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    for (call, expected) in calls
        .into_iter()
        .chain([late])
        .zip([b"1", b"2", b"3", b"5"])
    {
        assert_eq!(result(pair.client.poll(call)), expected);
    }
    let slot = pair.client.slot(resolve);
    pair.client.session.release(slot, 1);
    pair.pass();
    assert_eq!(pair.client.session.stats(), SessionStats::default());
    assert_eq!(pair.server.session.stats(), SessionStats::default());
}

#[test]
fn calls_on_a_resolve_that_failed_get_its_error_and_are_not_executed() {
    let mut pair = Pair::new();
    let resolve = sent(pair.client.resolve("object", pair.now));
    let early = sent(pair.client.call(Target::Answer(resolve), b"1", pair.now));
    pair.pass();
    let key = pair.server.arrivals.remove(0).key;
    let fault = Err(&failed("no such luck"));
    pair.server
        .session
        .answer_resolve(key, fault, pair.now, &mut pair.server.effects);
    let late = sent(pair.client.call(Target::Answer(resolve), b"2", pair.now));
    pair.pass();
    for (call, executed) in [
        (early, Executed::No),
        (late, Executed::No),
        (resolve, Executed::Yes),
    ] {
        let error = pair.client.error(call);
        assert_eq!(
            (error.kind(), error.executed()),
            (ErrorKind::Internal, executed)
        );
        assert_eq!(error.message(), "no such luck");
    }
    assert!(pair.server.arrivals.is_empty());
    pair.pass();
    assert_eq!(pair.server.session.stats(), SessionStats::default());
    assert_eq!(pair.client.session.stats(), SessionStats::default());
}

#[test]
fn a_resolve_that_is_given_up_holds_nothing_in_the_end() {
    let mut pair = Pair::new();
    let resolve = sent(pair.client.resolve("object", pair.now));
    pair.pass();
    pair.client
        .session
        .abandon(resolve, pair.now, &mut pair.client.effects);
    let key = pair.server.arrivals[0].key;
    pair.pass();
    let reason = pair.server.session.attach(key, Default::default());
    assert_eq!(reason, Some(CancelReason::Caller));
    pair.server.answer_all(pair.now);
    assert_eq!(pair.server.session.stats().exports, 1);
    pair.pass();
    assert_eq!(pair.client.session.stats(), SessionStats::default());
    assert_eq!(pair.server.session.stats(), SessionStats::default());
}

#[test]
fn a_resolve_whose_answer_nobody_took_in_time_holds_nothing_in_the_end() {
    for answer_first in [false, true] {
        let mut pair = Pair::new();
        let resolve = sent(pair.client.resolve("object", pair.now));
        pair.pass();
        pair.wait(Duration::from_secs(30));
        if answer_first {
            pair.server.answer_all(pair.now);
            pair.pass();
        }
        assert_eq!(
            pair.client.error(resolve).kind(),
            ErrorKind::DeadlineExceeded
        );
        pair.server.answer_all(pair.now);
        pair.pass();
        assert_eq!(pair.client.session.stats(), SessionStats::default());
        assert_eq!(pair.server.session.stats(), SessionStats::default());
    }
}

#[test]
fn an_answer_that_was_taken_cannot_be_called_on() {
    let mut pair = Pair::new();
    pair.connect("object");
    let Start::Refused(error) = pair.client.call(Target::Answer(CallId(0)), b"", pair.now) else {
        panic!("it was sent");
    };
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::BadArguments, Executed::No)
    );
}

#[test]
fn a_call_that_waits_for_its_object_can_be_cancelled_and_can_be_late() {
    let mut pair = Pair::new();
    let resolve = sent(pair.client.resolve("object", pair.now));
    let wait = Duration::from_secs(3);
    let late = sent(
        pair.client
            .call_within(Target::Answer(resolve), b"1", wait, pair.now),
    );
    let dropped = sent(pair.client.call(Target::Answer(resolve), b"2", pair.now));
    let good = sent(pair.client.call(Target::Answer(resolve), b"3", pair.now));
    pair.pass();
    pair.client
        .session
        .abandon(dropped, pair.now, &mut pair.client.effects);
    pair.pass();
    assert_eq!(
        pair.client.session.stats().outgoing,
        3,
        "the cancelled one was answered"
    );
    pair.wait(wait);
    assert_eq!(pair.client.error(late).kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(
        pair.client.session.stats().outgoing,
        2,
        "the late one was answered"
    );
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(good)), b"3");
}

#[test]
fn what_waits_for_an_object_is_bounded_in_bytes() {
    let limits = Limits {
        assembly: 1000,
        ..Limits::default()
    };
    let mut pair = Pair::with(Limits::default(), limits);
    let resolve = sent(pair.client.resolve("object", pair.now));
    let calls = [400, 400, 400].map(|n| {
        sent(
            pair.client
                .call(Target::Answer(resolve), &vec![0; n], pair.now),
        )
    });
    pair.pass();
    let error = pair.client.error(calls[2]);
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::ResourceExhausted, Executed::No)
    );
    assert_eq!(pair.server.counters.assembly.get(), 1);
    pair.server.answer_all(pair.now);
    let next = sent(pair.client.resolve("other", pair.now));
    sent(pair.client.call(Target::Answer(next), &[0; 900], pair.now));
    pair.pass();
    assert_eq!(
        pair.server.counters.assembly.get(),
        1,
        "the room is free again"
    );
}

#[test]
fn an_object_too_many_is_refused_and_dropped_outside() {
    let limits = Limits {
        objects_per_session: 1,
        ..Limits::default()
    };
    let mut pair = Pair::with(Limits::default(), limits);
    pair.connect("first");
    pair.server.effects.rare().dropped.clear();
    let second = sent(pair.client.resolve("second", pair.now));
    let call = sent(pair.client.call(Target::Answer(second), b"", pair.now));
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(
        pair.client.error(second).kind(),
        ErrorKind::ResourceExhausted
    );
    assert_eq!(pair.client.error(call).executed(), Executed::No);
    assert_eq!(pair.server.effects.rare().dropped.len(), 1);
    assert_eq!(pair.server.counters.objects_per_session.get(), 1);
}
