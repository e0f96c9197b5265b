//! What a peer that is no session of ours may send.

use std::time::Instant;

use proptest::prelude::*;

use super::support::{Pair, Side, sent};
use crate::error::{ErrorKind, Executed};
use crate::id::{CallId, MethodId, Slot};
use crate::limits::Limits;
use crate::session::{End, Start};
use crate::wire::{
    GoAway, HeaderBlock, Hello, Ping, Target, Violation, write_call, write_cancel, write_go_away,
    write_hello, write_ping, write_release, write_return,
};

/// A side that has a peer and holds nothing.
fn side() -> (Side, Instant) {
    let now = Instant::now();
    (Side::greeted(Limits::default(), 1024, now), now)
}

fn call(out: &mut Vec<u8>, call: u32, target: Target) {
    write_call(
        out,
        CallId(call),
        target,
        MethodId(7),
        &HeaderBlock::new(),
        b"",
    )
    .unwrap();
}

/// Writes something that breaks a rule.
type Breach = fn(&mut Vec<u8>);

fn breaches() -> [(Breach, Violation); 9] {
    [
        (
            |out| write_hello(out, &Hello::default()),
            Violation::SecondHello,
        ),
        (
            |out| write_return(out, CallId(3), &HeaderBlock::new(), b"").unwrap(),
            Violation::UnknownCallAnswered,
        ),
        (
            |out| call(out, 1024, Target::Slot(Slot(0))),
            Violation::CallIdOutOfRange,
        ),
        (
            |out| {
                // A RESOLVE of the name "a", twice under one number.
                for _ in 0..2 {
                    out.extend_from_slice(&[20, 0, 0, 13, 5, 0]);
                    out.extend_from_slice(&[0; 16]);
                    out.extend_from_slice(&[1, b'a']);
                }
            },
            Violation::CallIdInUse,
        ),
        (
            |out| write_release(out, &[(Slot(0), 1)], &[]).unwrap(),
            Violation::ReleaseOfMoreThanHeld,
        ),
        (
            |out| write_release(out, &[], &[CallId(0)]).unwrap(),
            Violation::UnknownAnswerForgotten,
        ),
        (
            |out| {
                write_go_away(
                    out,
                    &GoAway {
                        accepted: 1,
                        drain_ms: 0,
                        reason: "",
                    },
                )
            },
            Violation::AcceptedTooMuch,
        ),
        (
            |out| out.extend_from_slice(&[0, 0, 0, 20]),
            Violation::UnknownCriticalKind,
        ),
        (
            |out| out.extend_from_slice(&[2, 0, 0, 4, 1, 1]),
            Violation::TrailingBytes,
        ),
    ]
}

#[test]
fn each_broken_rule_ends_the_session_and_is_named() {
    for (write, violation) in breaches() {
        let (mut side, now) = side();
        let mut bytes = Vec::new();
        write(&mut bytes);
        assert_eq!(side.read(&bytes, now), Err(End::Violation(violation)));
        assert!(!side.session.is_open());
    }
}

#[test]
fn hello_comes_first() {
    let now = Instant::now();
    let mut side = Side::new(Limits::default(), now);
    let mut bytes = Vec::new();
    write_ping(
        &mut bytes,
        Ping {
            rx_count: 0,
            opaque: 0,
        },
    );
    assert_eq!(
        side.read(&bytes, now),
        Err(End::Violation(Violation::FrameBeforeHello))
    );
}

#[test]
fn floods_of_what_costs_nothing_to_send_end_the_session() {
    type Flood = fn(&mut Vec<u8>);
    let cases: [(Flood, usize, Violation, &str); 3] = [
        (
            |out| write_cancel(out, CallId(9)),
            1000,
            Violation::TooManyCancels,
            "cancels_per_second",
        ),
        (
            |out| {
                write_ping(
                    out,
                    Ping {
                        rx_count: 0,
                        opaque: 1,
                    },
                )
            },
            10,
            Violation::TooManyPings,
            "pings_per_second",
        ),
        (
            |out| call(out, 1, Target::Slot(Slot(4))),
            500,
            Violation::TooManyBadRequests,
            "bad_requests_per_second",
        ),
    ];
    for (write, allowed, violation, counter) in cases {
        let (mut side, now) = side();
        let mut bytes = Vec::new();
        write(&mut bytes);
        for _ in 0..allowed {
            assert_eq!(side.read(&bytes, now), Ok(()));
        }
        assert_eq!(side.read(&bytes, now), Err(End::Violation(violation)));
        assert!(side.counters.all().contains(&(counter, 1)));
    }
}

#[test]
fn our_own_cancels_never_are_a_flood() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    for _ in 0..30 {
        for _ in 0..1000 {
            let call = sent(pair.client.call(Target::Slot(slot), b"", pair.now));
            pair.client
                .session
                .abandon(call, pair.now, &mut pair.client.effects);
        }
        pair.pass();
        pair.server.answer_all(pair.now);
        pair.pass();
    }
    assert_eq!(pair.server.end, None);
    assert!(matches!(
        pair.client.call(Target::Slot(slot), b"", pair.now),
        Start::Sent(_)
    ));
}

#[test]
fn what_is_not_in_use_is_not_executed() {
    let (mut side, now) = side();
    let mut bytes = Vec::new();
    // CALL with the flag keep, also with MORE, CALL with an unknown critical key, RENEW; then CONT
    // of the second, which is skipped.
    bytes.extend_from_slice(&[6, 0, 0, 0x21, 1, 0, 7, 0, 0, 0]);
    bytes.extend_from_slice(&[6, 0, 0, 0x61, 2, 0, 7, 0, 0, 0]);
    bytes.extend_from_slice(&[9, 0, 0, 0x81, 3, 0, 7, 0, 0, 0, 2, 99, 0]);
    bytes.extend_from_slice(&[3, 0, 0, 6, 4, 0, 1]);
    bytes.extend_from_slice(&[1, 0, 0, 12, 8]);
    assert_eq!(side.read(&bytes, now), Ok(()));
    assert!(side.arrivals.is_empty());
    let answers = side.session.take_output(Vec::new()).flat();
    for call in 1..=4 {
        // ERROR: call, code 18 (Unsupported), executed 0.
        let answer = [3, call, ErrorKind::Unsupported.code(), 0];
        assert!(
            answers.windows(4).any(|bytes| bytes == answer),
            "call {call}"
        );
    }
}

#[test]
fn a_call_without_time_left_is_not_executed() {
    let mut pair = Pair::new();
    let slot = pair.connect("object");
    let none = std::time::Duration::ZERO;
    let call = sent(
        pair.client
            .call_within(Target::Slot(slot), b"", none, pair.now),
    );
    pair.pass();
    assert!(pair.server.arrivals.is_empty());
    let error = pair.client.error(call);
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::DeadlineExceeded, Executed::No)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_session_panic(
        frames in prop::collection::vec(
            (0u8..32, 0u8..8, prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..24)),
            0..60,
        ),
    ) {
        let (mut side, now) = side();
        for (kind, flags, body) in frames {
            // Some calls of ours for the frames to answer.
            let _ = side.call(Target::Slot(Slot(0)), b"", now);
            let _ = side.resolve("object", now);
            let mut bytes = vec![body.len() as u8, 0, 0, kind | flags << 5];
            bytes.extend_from_slice(&body);
            if side.read(&bytes, now).is_err() {
                break;
            }
            if body.first().is_some_and(|byte| byte % 2 == 0) {
                side.answer_all(now);
            }
        }
        side.close(End::PeerClosed);
        prop_assert_eq!(side.session.stats().incoming, 0);
    }
}
