//! How sessions end, and what that makes of their calls.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::support::{Pair, Side, result, sent};
use crate::error::{ErrorKind, Executed};
use crate::id::Slot;
use crate::limits::Limits;
use crate::session::{CancelReason, Cancellation, End, SessionStats, Start};
use crate::wire::{Ping, Target, Violation, write_ping};

const SLOT: Target = Target::Slot(Slot(0));

#[test]
fn only_what_the_kernel_did_not_take_whole_was_not_executed() {
    let now = Instant::now();
    let mut side = Side::greeted(Limits::default(), 100, now);
    let first = sent(side.call(SLOT, b"1", now));
    let second = sent(side.call(SLOT, b"2", now));
    let taken = side.session.take_output(Vec::new()).flat();
    let third = sent(side.call(SLOT, b"3", now));
    let hello = side.session.unsent() - side.session.output_len() - taken.len();
    side.session
        .written(hello + taken.len() - 1, now, &mut side.effects);
    side.close(End::Lost("reset".to_owned()));
    let outcomes = [first, second, third].map(|call| {
        let error = side.error(call);
        (error.kind(), error.executed())
    });
    let lost = (ErrorKind::SessionLost, Executed::Unknown);
    let unsent = (ErrorKind::Disconnected, Executed::No);
    assert_eq!(outcomes, [lost, unsent, unsent]);
    assert_eq!(side.session.output_len(), 0);
    assert_eq!(side.session.stats(), SessionStats::default());
}

#[test]
fn a_goodbye_leaves_the_output_to_be_written_and_claims_nothing_of_its_calls() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    assert!(
        pair.client
            .post(Target::Slot(slot), b"last words", pair.now)
    );
    let call = sent(pair.client.call(Target::Slot(slot), b"", pair.now));
    pair.client.close(End::Bye);
    assert_eq!(pair.client.error(call).executed(), Executed::Unknown);
    pair.pass();
    assert_eq!(pair.server.arrivals[0].payload, b"last words");
    let end = End::Aborted {
        code: 0,
        text: String::new(),
    };
    assert_eq!(pair.server.end, Some(end));
    assert_eq!(pair.server.session.stats(), SessionStats::default());
}

#[test]
fn the_end_stops_what_runs_and_gives_up_what_is_held() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    pair.server.effects.rare().dropped.clear();
    sent(pair.client.call(Target::Slot(slot), b"", pair.now));
    let resolve = sent(pair.client.resolve("other", pair.now));
    sent(pair.client.call(Target::Answer(resolve), b"", pair.now));
    pair.pass();
    let cancellation = Arc::new(Cancellation::new());
    let keys = [pair.server.arrivals[0].key, pair.server.arrivals[1].key];
    pair.server.session.attach(keys[0], cancellation);
    pair.server.close(End::PeerClosed);
    assert_eq!(
        pair.server.effects.rare().cancelled[0].1,
        CancelReason::SessionEnded
    );
    assert_eq!(pair.server.effects.rare().dropped.len(), 1);
    assert_eq!(pair.server.session.stats(), SessionStats::default());
    // What comes late is taken in silence.
    assert_eq!(
        pair.server.session.attach(keys[1], Arc::default()),
        Some(CancelReason::SessionEnded)
    );
    pair.server.answer_all(pair.now);
    assert_eq!(pair.server.effects.rare().dropped.len(), 2);
    assert_eq!(pair.server.session.output_len(), 0);
    assert_eq!(pair.server.session.poll_timeout(), None);
    let Start::Refused(error) = pair.server.call(SLOT, b"", pair.now) else {
        panic!("sent")
    };
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::Disconnected, Executed::No)
    );
}

#[test]
fn an_answer_that_was_there_before_the_end_is_still_given() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let call = sent(pair.client.call(Target::Slot(slot), b"x", pair.now));
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    pair.client.close(End::PeerClosed);
    assert_eq!(result(pair.client.poll(call)), b"x");
}

#[test]
fn who_breaks_a_rule_is_told_which() {
    let mut pair = Pair::new();
    pair.connect("object");
    pair.client
        .close(End::Violation(Violation::UnknownCallAnswered));
    pair.pass();
    let Some(End::Aborted { code: 20, text }) = &pair.server.end else {
        panic!("no ABORT")
    };
    assert!(
        text.contains(Violation::UnknownCallAnswered.rule()),
        "{text}"
    );
}

#[test]
fn who_is_turned_away_before_hello_was_not_executed() {
    let now = Instant::now();
    let mut client = Side::new(Limits::default(), now);
    let call = sent(client.resolve("object", now));
    let bytes = client.session.take_output(Vec::new()).flat();
    client
        .session
        .written(bytes.len(), now, &mut client.effects);
    let mut abort = Vec::new();
    crate::wire::write_abort(
        &mut abort,
        &crate::wire::Abort {
            code: 10,
            text: "full",
        },
    );
    assert!(client.read(&abort, now).is_err());
    assert_eq!(client.error(call).executed(), Executed::No);
}

#[test]
fn go_away_lets_run_what_was_taken_and_nothing_else() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let target = Target::Slot(slot);
    let before = sent(pair.client.call(target, b"1", pair.now));
    pair.pass();
    pair.server
        .session
        .go_away(Duration::from_secs(5), "restart");
    let crossing = sent(pair.client.call(target, b"2", pair.now));
    let abandoned = sent(pair.client.resolve("other", pair.now));
    pair.client
        .session
        .abandon(abandoned, pair.now, &mut pair.client.effects);
    let waiter = pair
        .client
        .session
        .wait(Waker::noop(), pair.now + Duration::from_secs(9));
    pair.pass();
    assert!(!pair.client.session.can_call() && pair.client.session.is_open());
    let error = pair.client.error(crossing);
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::Disconnected, Executed::No)
    );
    assert!(error.message().contains("restart"));
    assert!(matches!(
        pair.client.call(target, b"3", pair.now),
        Start::Refused(_)
    ));
    let polled = pair
        .client
        .session
        .poll_wait(waiter, Waker::noop(), pair.now);
    assert!(matches!(polled, Poll::Ready(Err(_))));
    assert_eq!(pair.server.arrivals.len(), 1);
    assert!(!pair.server.session.is_drained());
    pair.server.answer_all(pair.now);
    pair.pass();
    assert!(pair.server.session.is_drained());
    assert_eq!(result(pair.client.poll(before)), b"1");
    assert_eq!(pair.client.session.stats().outgoing, 0);
    // The other direction goes on.
    assert!(pair.server.session.can_call());
    let back = sent(pair.server.resolve("listener", pair.now));
    pair.pass();
    pair.client.answer_all(pair.now);
    pair.pass();
    pair.server.slot(back);
}

#[test]
fn a_peer_that_is_there_but_idle_is_kept_for_its_objects() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    pair.wait(Duration::from_secs(1000));
    assert_eq!((&pair.client.end, &pair.server.end), (&None, &None));
    pair.client.session.release(slot, 1);
    pair.wait(Duration::from_secs(140));
    assert!(pair.client.end.is_some() && pair.server.end.is_some());
}

#[test]
fn a_peer_that_never_answers_a_ping_is_given_up() {
    let mut pair = Pair::new();
    pair.connect("object");
    let now = pair.now;
    let mut at = now;
    let end = loop {
        at = pair.client.session.poll_timeout().unwrap_or(at).max(at);
        let effects = &mut pair.client.effects;
        if let Err(end) = pair.client.session.handle_timeout(at, effects) {
            break end;
        }
        let bytes = pair.client.session.take_output(Vec::new()).flat();
        pair.client.session.written(bytes.len(), at, effects);
    };
    assert_eq!((end, at - now), (End::PeerSilent, Duration::from_secs(25)));
}

#[test]
fn a_call_that_is_made_when_the_session_has_been_found_idle_was_not_executed() {
    let mut pair = Pair::new();
    let side = &mut pair.client;
    let mut now = pair.now;
    let end = loop {
        now = side.session.poll_timeout().unwrap().max(now);
        // The peer is there, and takes what it is sent.
        let (rx_count, opaque) = (0, 0);
        let mut ping = Vec::new();
        write_ping(&mut ping, Ping { rx_count, opaque });
        let _read = side.read(&ping, now);
        let _written = side.session.take_output(Vec::new());
        let unsent = side.session.unsent();
        side.session.written(unsent, now, &mut side.effects);
        if let Err(end) = side.session.handle_timeout(now, &mut side.effects) {
            break end;
        }
    };
    assert_eq!(end, End::Idle);
    // The driver has let go of the session, and has not ended it.
    let Start::Refused(error) = side.call(Target::Slot(Slot(0)), b"", now) else {
        panic!("it was sent");
    };
    assert_eq!(error.executed(), Executed::No);
}
