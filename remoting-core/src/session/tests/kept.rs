//! Calls on the answers to other calls, and answers that stand in arguments.

use std::error::Error as _;
use std::task::Poll;
use std::time::Duration;

use super::arrival::Arrival;
use super::support::{Object, Pair, Side, failed, result, sent};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::id::{CallId, InterfaceId, Slot};
use crate::limits::Limits;
use crate::payload::Payload;
use crate::session::{End, ExportKey, Lent, SessionStats, Start};
use crate::wire::{Target, Violation, write_release};

/// A pair whose client holds an object, and has asked for the answer of a call to be kept.
pub(super) fn asked() -> (Pair, Target, CallId) {
    let mut pair = Pair::new();
    let slot = Target::Slot(pair.connect("root"));
    let call = sent(pair.client.call_kept(slot, b"made", pair.now));
    (pair, slot, call)
}

pub(super) fn payloads(side: &Side) -> Vec<&[u8]> {
    let arrivals = side.arrivals.iter();
    arrivals.map(|call| &*call.payload).collect()
}

pub(super) fn targets(side: &Side) -> Vec<Option<&str>> {
    let arrivals = side.arrivals.iter();
    arrivals.map(|call| call.target.as_deref()).collect()
}

pub(super) fn kinds(error: &Error) -> (ErrorKind, Executed, Option<ErrorKind>) {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<Error>());
    (error.kind(), error.executed(), cause.map(Error::kind))
}

pub(super) fn forget(side: &mut Side, call: CallId, pair_now: std::time::Instant) {
    side.session.abandon(call, pair_now, &mut side.effects);
}

/// Nothing is left but the root that the client holds.
pub(super) fn assert_settled(pair: &mut Pair) {
    pair.pass();
    let client = SessionStats {
        imports: 1,
        ..SessionStats::default()
    };
    let server = SessionStats {
        exports: 1,
        ..SessionStats::default()
    };
    assert_eq!(pair.client.session.stats(), client);
    assert_eq!(pair.server.session.stats(), server);
}

pub(super) fn first_arrival(side: &mut Side) -> Arrival {
    side.arrivals.remove(0)
}

#[test]
fn calls_on_an_unanswered_call_run_in_their_order_once_it_is_answered() {
    let (mut pair, _, first) = asked();
    let on = Target::Answer(first);
    let calls = [b"1", b"2"].map(|n| sent(pair.client.call(on, n, pair.now)));
    assert!(pair.client.post(on, b"3", pair.now));
    pair.pass();
    assert_eq!(payloads(&pair.server), [b"made"]);
    let arrival = first_arrival(&mut pair.server);
    pair.server.answer(&arrival, pair.now);
    assert_eq!(payloads(&pair.server), [b"1", b"2", b"3"]);
    assert_eq!(targets(&pair.server), [Some("made"); 3]);
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(first)), b"made");
    // The answer is kept until it is forgotten.
    let late = sent(pair.client.call(on, b"4", pair.now));
    pair.pass();
    assert_eq!(targets(&pair.server), [Some("made")]);
    pair.server.answer_all(pair.now);
    pair.pass();
    for (call, expected) in calls.into_iter().chain([late]).zip([b"1", b"2", b"4"]) {
        assert_eq!(result(pair.client.poll(call)), expected);
    }
    let now = pair.now;
    forget(&mut pair.client, first, now);
    let Start::Refused(error) = pair.client.call(on, b"5", pair.now) else {
        panic!("a call on a forgotten answer was sent");
    };
    assert_eq!(error.kind(), ErrorKind::BadArguments);
    assert_settled(&mut pair);
}

#[test]
fn a_chain_of_any_depth_is_under_way_before_its_first_answer() {
    let (mut pair, _, first) = asked();
    let mut chain = vec![first];
    for depth in 1..50 {
        let on = Target::Answer(chain[depth - 1]);
        let name = format!("{depth}");
        chain.push(sent(pair.client.call_kept(on, name.as_bytes(), pair.now)));
    }
    pair.pass();
    assert_eq!(pair.server.session.stats().incoming, 50);
    assert_eq!(pair.server.arrivals.len(), 1);
    pair.server.answer_all(pair.now);
    pair.pass();
    let now = pair.now;
    for (depth, call) in chain.into_iter().enumerate() {
        let expected = if depth == 0 {
            "made".to_owned()
        } else {
            depth.to_string()
        };
        assert_eq!(result(pair.client.poll(call)), expected.as_bytes());
        forget(&mut pair.client, call, now);
    }
    assert_settled(&mut pair);
}

#[test]
fn the_failure_of_a_call_ends_all_that_depend_on_it_without_running_them() {
    for own in [false, true] {
        let (mut pair, slot, first) = asked();
        let second = sent(pair.client.call_kept(Target::Answer(first), b"2", pair.now));
        let third = sent(pair.client.call(Target::Answer(second), b"3", pair.now));
        pair.client.lending = vec![Lent::Answer(second)];
        let fourth = sent(pair.client.call(slot, b"4", pair.now));
        pair.client.lending.clear();
        assert!(pair.client.post(Target::Answer(second), b"5", pair.now));
        pair.pass();
        let key = first_arrival(&mut pair.server).key;
        let fault = match own {
            true => Fault::App(b"own".as_slice().into()),
            false => failed("no such luck"),
        };
        pair.server.reply(key, Err(&fault), pair.now);
        let late = sent(pair.client.call(Target::Answer(first), b"6", pair.now));
        pair.pass();
        assert!(pair.server.arrivals.is_empty());
        let cause = (!own).then_some(ErrorKind::Internal);
        for call in [second, third, fourth, late] {
            let error = pair.client.error(call);
            let expected = (ErrorKind::UpstreamFailed, Executed::No, cause);
            assert_eq!(kinds(&error), expected);
        }
        assert!(matches!(
            pair.client.poll(first),
            std::task::Poll::Ready(Err(_))
        ));
        let now = pair.now;
        forget(&mut pair.client, first, now);
        forget(&mut pair.client, second, now);
        assert_settled(&mut pair);
    }
}

#[test]
fn a_call_comes_behind_those_on_the_same_answer_that_have_not_begun() {
    let (mut pair, slot, first) = asked();
    let on = Target::Answer(first);
    sent(pair.client.call(on, b"1", pair.now));
    sent(pair.client.call(on, b"2", pair.now));
    pair.pass();
    let arrival = first_arrival(&mut pair.server);
    let (payload, object) = (Ok(b"made"[..].into()), Some(Object::from("made")));
    let (effects, now) = (&mut pair.server.effects, pair.now);
    pair.server
        .session
        .reply_with(arrival.key, payload, (&[], object), now, effects);
    assert!(pair.server.session.begin_ready());
    let mut order = vec![pair.server.session.next_ready().unwrap()];
    assert!(
        !pair.server.session.begin_ready(),
        "one takes them at a time"
    );
    // The first one may be beginning at this moment.
    sent(pair.client.call(on, b"3", pair.now));
    sent(pair.client.call(slot, b"x", pair.now));
    pair.pass();
    assert_eq!(payloads(&pair.server), [b"x"], "others go on");
    order.extend(std::iter::from_fn(|| pair.server.session.next_ready()));
    let order = order.iter().map(|call| call.payload.as_slice());
    assert_eq!(order.collect::<Vec<_>>(), [b"1", b"2", b"3"]);
    sent(pair.client.call(on, b"4", pair.now));
    pair.pass();
    assert_eq!(payloads(&pair.server), [b"x", b"4"]);
}

#[test]
fn who_gives_up_a_call_that_waits_ends_those_that_wait_for_it() {
    let (mut pair, _, first) = asked();
    let second = sent(pair.client.call_kept(Target::Answer(first), b"2", pair.now));
    let third = sent(pair.client.call(Target::Answer(second), b"3", pair.now));
    pair.pass();
    let now = pair.now;
    forget(&mut pair.client, second, now);
    pair.pass();
    let error = pair.client.error(third);
    let expected = (
        ErrorKind::UpstreamFailed,
        Executed::No,
        Some(ErrorKind::Cancelled),
    );
    assert_eq!(kinds(&error), expected);
    pair.server.answer_all(pair.now);
    pair.pass();
    result(pair.client.poll(first));
    forget(&mut pair.client, first, now);
    assert_settled(&mut pair);
}

#[test]
fn a_call_whose_answer_was_to_be_kept_holds_nothing_when_it_was_given_up_or_late() {
    for (late, answer_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut pair, _, first) = asked();
        pair.pass();
        if late {
            pair.wait(Duration::from_secs(30));
            assert_eq!(pair.client.error(first).kind(), ErrorKind::DeadlineExceeded);
        }
        let now = pair.now;
        if answer_first {
            pair.server.answer_all(now);
            pair.pass();
        }
        forget(&mut pair.client, first, now);
        pair.pass();
        pair.server.answer_all(now);
        assert_settled(&mut pair);
    }
}

#[test]
fn an_answer_is_kept_only_by_a_peer_that_says_so() {
    let now = std::time::Instant::now();
    let mut side = Side::greeted(Limits::default(), 100, now);
    let call = sent(side.call_kept(Target::Slot(Slot(0)), b"1", now));
    assert!(!side.session.is_kept(call));
    let out = side.session.take_output(Vec::new()).flat();
    assert_eq!(out[3] & 0x20, 0);
    let mut side = Side::new(Limits::default(), now);
    let early = side.call_kept(Target::Slot(Slot(0)), b"1", now);
    assert_eq!(early, Start::Full, "whether it does is not known");
}

#[test]
fn what_is_not_kept_cannot_be_forgotten() {
    let (mut pair, _, first) = asked();
    pair.pass();
    for call in [first, CallId(40)] {
        let (mut pair, ..) = asked();
        pair.pass();
        let mut release = Vec::new();
        write_release(&mut release, &[], &[call]).unwrap();
        let end = pair.server.read(&release, pair.now);
        assert_eq!(end, Err(End::Violation(Violation::UnknownAnswerForgotten)));
    }
}

#[test]
fn a_session_that_ends_lets_go_of_what_it_keeps() {
    let (mut pair, _, first) = asked();
    pair.pass();
    pair.server.answer_all(pair.now);
    let second = sent(pair.client.call_kept(Target::Answer(first), b"2", pair.now));
    let third = sent(pair.client.call(Target::Answer(second), b"3", pair.now));
    pair.pass();
    assert_eq!(result(pair.client.poll(first)), b"made");
    pair.server.effects.rare().dropped.clear();
    pair.server.close(End::PeerClosed);
    let dropped = &pair.server.effects.rare().dropped;
    assert!(dropped.iter().any(|object| **object == *"made"));
    assert_eq!(pair.server.session.stats(), SessionStats::default());
    pair.client.close(End::PeerClosed);
    assert_eq!(pair.client.error(third).kind(), ErrorKind::SessionLost);
    let now = pair.now;
    forget(&mut pair.client, first, now);
    forget(&mut pair.client, second, now);
    assert_eq!(pair.client.session.stats(), SessionStats::default());
}

#[test]
fn a_kept_call_fails_with_all_that_an_error_brings() {
    let (mut pair, _, call) = asked();
    pair.pass();
    let arrival = first_arrival(&mut pair.server);
    let interface = InterfaceId(9);
    pair.server.lending = vec![Lent::Own {
        object: "why".into(),
        key: ExportKey {
            object: 1,
            interface,
        },
    }];
    let cost = vec![("cost".to_owned(), "7".to_owned())];
    let fault = Fault::App(Payload::from(b"0".as_slice())).with_headers(cost.clone());
    pair.server.reply(arrival.key, Err(&fault), pair.now);
    pair.pass();
    let Poll::Ready(Err(told)) = pair.client.poll(call) else {
        panic!("it has failed")
    };
    assert_eq!(told.headers(), cost);
    assert_eq!(pair.client.borrowed.len(), 1);
}
