//! Calls between two sessions.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::support::{Object, Pair, failed, result, sent};
use crate::error::{ErrorKind, Executed, Fault, GoneReason};
use crate::id::Slot;
use crate::limits::Limits;
use crate::payload::Payload;
use crate::session::{CancelReason, Cancellation, SessionStats, Start};
use crate::wire::Target;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_call_is_answered_and_leaves_nothing_behind() {
    let mut pair = Pair::new();
    let slot = pair.connect("counter");
    let call = sent(pair.client.call(Target::Slot(slot), b"in", pair.now));
    assert!(pair.client.poll(call).is_pending());
    pair.pass();
    let arrival = pair.server.arrivals.remove(0);
    assert_eq!(arrival.target.as_deref(), Some("counter"));
    assert_eq!(arrival.deadline, pair.now + 30 * SECOND);
    pair.server.reply(arrival.key, Ok(b"out"), pair.now);
    pair.server.reply(arrival.key, Ok(b"again"), pair.now);
    pair.pass();
    assert_eq!(
        pair.client.effects.wakers.len(),
        2,
        "that of the RESOLVE and that of the call"
    );
    assert_eq!(result(pair.client.poll(call)), b"out");

    pair.client.session.release(slot, 1);
    assert!(pair.client.session.output_len() > 0);
    pair.pass();
    assert_eq!(pair.client.session.stats(), SessionStats::default());
    assert_eq!(pair.server.session.stats(), SessionStats::default());
    // The one that the peer held.
    assert_eq!(
        pair.server.effects.rare().dropped,
        [Object::from("counter")]
    );
}

#[test]
fn both_sides_can_call() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let back = sent(pair.server.resolve("listener", pair.now));
    let call = sent(pair.client.call(Target::Slot(slot), b"x", pair.now));
    pair.pass();
    pair.client.answer_all(pair.now);
    pair.server.answer_all(pair.now);
    pair.pass();
    let listener = pair.server.slot(back);
    let event = sent(pair.server.call(Target::Slot(listener), b"event", pair.now));
    pair.pass();
    pair.client.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.server.poll(event)), b"event");
    assert_eq!(result(pair.client.poll(call)), b"x");
}

#[test]
fn a_users_error_arrives_as_data() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let call = sent(pair.client.call(Target::Slot(slot), b"x", pair.now));
    pair.pass();
    let key = pair.server.arrivals.remove(0).key;
    let fault = Fault::App(Payload::from(&b"too poor"[..]));
    pair.server.reply(key, Err(&fault), pair.now);
    pair.pass();
    let Poll::Ready(Err(Fault::App(data))) = pair.client.poll(call) else {
        panic!("no error")
    };
    assert_eq!(data.as_slice(), b"too poor");
}

#[test]
fn a_call_to_a_slot_that_is_not_held_is_not_executed() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    pair.client.session.release(slot, 1);
    pair.pass();
    for (slot, kind) in [
        (slot, ErrorKind::ObjectGone(GoneReason::Released)),
        (Slot(77), ErrorKind::NotFound),
    ] {
        let call = sent(pair.client.call(Target::Slot(slot), b"", pair.now));
        pair.pass();
        let error = pair.client.error(call);
        assert_eq!((error.kind(), error.executed()), (kind, Executed::No));
    }
    assert!(pair.server.arrivals.is_empty());
}

#[test]
fn a_call_that_is_given_up_keeps_its_number_until_its_answer_has_come() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let call = sent(pair.client.call(Target::Slot(slot), b"1", pair.now));
    pair.pass();
    let first = pair.server.arrivals.remove(0);
    let cancellation = Arc::new(Cancellation::new());
    assert_eq!(
        pair.server
            .session
            .attach(first.key, Arc::clone(&cancellation)),
        None
    );
    pair.client
        .session
        .abandon(call, pair.now, &mut pair.client.effects);
    let next = sent(pair.client.call(Target::Slot(slot), b"2", pair.now));
    assert_ne!(call, next);
    pair.pass();
    let (told, reason) = pair.server.effects.rare().cancelled.remove(0);
    assert!(Arc::ptr_eq(&told, &cancellation));
    assert_eq!(reason, CancelReason::Caller);
    pair.server.reply(first.key, Ok(b"late"), pair.now);
    pair.pass();
    assert_eq!(
        sent(pair.client.call(Target::Slot(slot), b"3", pair.now)),
        call
    );
}

#[test]
fn a_deadline_ends_the_call_at_its_caller_and_stops_it_at_the_callee() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let call = sent(
        pair.client
            .call_within(Target::Slot(slot), b"", 2 * SECOND, pair.now),
    );
    pair.pass();
    let arrival = pair.server.arrivals.remove(0);
    assert_eq!(arrival.deadline, pair.now + 2 * SECOND);
    assert_eq!(
        pair.server.session.attach(arrival.key, Arc::default()),
        None
    );
    pair.wait(SECOND);
    assert!(pair.client.poll(call).is_pending());
    pair.wait(SECOND);
    let error = pair.client.error(call);
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(error.executed(), Executed::Unknown);
    let reasons = pair
        .server
        .effects
        .rare()
        .cancelled
        .iter()
        .map(|(_, reason)| *reason);
    assert_eq!(reasons.collect::<Vec<_>>(), [CancelReason::Deadline]);
    assert_eq!(
        pair.client.session.stats().outgoing,
        1,
        "its number is not free"
    );
    pair.server
        .reply(arrival.key, Err(&failed("late")), pair.now);
    pair.pass();
    assert_eq!(pair.client.session.stats().outgoing, 0);
}

#[test]
fn a_handler_that_goes_on_after_its_deadline_is_cut_at_the_cap() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let _call = sent(pair.client.call(Target::Slot(slot), b"", pair.now));
    assert!(pair.client.post(Target::Slot(slot), b"", pair.now));
    pair.pass();
    let cancellations = [0, 1].map(|at| {
        let cancellation = Arc::new(Cancellation::new());
        let key = pair.server.arrivals[at].key;
        assert_eq!(
            pair.server.session.attach(key, Arc::clone(&cancellation)),
            None
        );
        cancellation
    });
    pair.wait(299 * SECOND);
    let told = pair
        .server
        .effects
        .rare()
        .cancelled
        .drain(..)
        .map(|(_, reason)| reason);
    assert_eq!(told.collect::<Vec<_>>(), [CancelReason::Deadline; 2]);
    pair.wait(SECOND);
    for ((told, reason), expected) in pair
        .server
        .effects
        .rare()
        .cancelled
        .drain(..)
        .zip(cancellations)
    {
        assert!(Arc::ptr_eq(&told, &expected));
        assert_eq!(reason, CancelReason::Cap);
    }
    assert_eq!(pair.server.counters.max_deadline.get(), 2);
}

#[test]
fn a_handler_that_starts_late_learns_that_it_was_cancelled() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let call = sent(pair.client.call(Target::Slot(slot), b"", pair.now));
    pair.pass();
    pair.client
        .session
        .abandon(call, pair.now, &mut pair.client.effects);
    pair.pass();
    let key = pair.server.arrivals[0].key;
    assert_eq!(
        pair.server.session.attach(key, Arc::default()),
        Some(CancelReason::Caller)
    );
    assert!(pair.server.effects.rare().cancelled.is_empty());
}

#[test]
fn what_is_too_large_is_refused_by_its_sender() {
    let limits = Limits {
        max_message: 20_000,
        ..Limits::default()
    };
    let mut pair = Pair::with(limits.clone(), limits);
    let slot = pair.connect("object");
    let large = vec![0; 20_000];
    let Start::Refused(error) = pair.client.call(Target::Slot(slot), &large, pair.now) else {
        panic!("it was sent");
    };
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::TooLarge, Executed::No)
    );
    let answers: [Result<&[u8], Fault>; 2] = [Ok(&large), Err(Fault::App(large.clone().into()))];
    for answer in answers {
        let call = sent(pair.client.call(Target::Slot(slot), b"", pair.now));
        pair.pass();
        let key = pair.server.arrivals.remove(0).key;
        pair.server.reply(key, answer.as_ref().copied(), pair.now);
        pair.pass();
        let error = pair.client.error(call);
        assert_eq!(
            (error.kind(), error.executed()),
            (ErrorKind::TooLarge, Executed::Yes)
        );
    }
    assert_eq!(pair.client.counters.max_message.get(), 1);
    assert_eq!(pair.server.counters.max_message.get(), 1);
    assert_eq!(pair.server.counters.max_frame.get(), 1);
}

#[test]
fn what_its_own_side_does_not_allow_is_refused_by_its_sender_whatever_the_peer_takes() {
    let limits = Limits {
        max_message: 20_000,
        ..Limits::default()
    };
    let mut pair = Pair::with(limits, Limits::default());
    let large = vec![0; 20_001];
    // Before the peer has said what it takes, and after it.
    for slot in [Slot(0), pair.connect("object")] {
        let Start::Refused(error) = pair.client.call(Target::Slot(slot), &large, pair.now) else {
            panic!("it was sent");
        };
        let seen = (error.kind(), error.executed());
        assert_eq!(seen, (ErrorKind::TooLarge, Executed::No));
        let whose = "the 20000 bytes that `max_message` allows here";
        assert!(error.message().contains(whose), "{error}");
    }
    assert_eq!(pair.client.counters.max_message.get(), 2);
    let slot = pair.connect("another");
    sent(pair.client.call(Target::Slot(slot), &large[1..], pair.now));
}

#[test]
fn what_a_peer_says_it_takes_is_not_kept_for_it_beyond_the_own_limit() {
    let limits = Limits {
        max_message: 20_000,
        ..Limits::default()
    };
    let mut pair = Pair::with(Limits::default(), limits);
    let slot = pair.connect("object");
    let call = sent(pair.client.call(Target::Slot(slot), b"", pair.now));
    pair.pass();
    let key = pair.server.arrivals.remove(0).key;
    pair.server.reply(key, Ok(&vec![0; 20_000]), pair.now);
    pair.pass();
    assert_eq!(pair.client.error(call).kind(), ErrorKind::TooLarge);
    assert_eq!(pair.server.counters.max_message.get(), 1);
}

#[test]
fn a_post_runs_without_an_answer_and_too_many_are_dropped() {
    let limits = Limits {
        calls_per_session: 20,
        ..Limits::default()
    };
    let mut pair = Pair::with(Limits::default(), limits);
    let slot = pair.connect("object");
    for _ in 0..25 {
        assert!(pair.client.post(Target::Slot(slot), b"news", pair.now));
    }
    pair.pass();
    assert_eq!(pair.server.arrivals.len(), 20);
    assert!(
        pair.server
            .arrivals
            .iter()
            .all(|arrival| arrival.key.is_post())
    );
    assert_eq!(pair.server.counters.calls_per_session.get(), 5);
    pair.server.answer_all(pair.now);
    assert_eq!(pair.server.session.stats().incoming, 0);
    assert_eq!(pair.server.session.output_len(), 0, "nobody is answered");
}
