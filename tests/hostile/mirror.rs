//! The mirror: our client at the mercy of a hostile server.
//!
//! Whatever the server does, the call ends, with the kind of error that fits and with the
//! truth about whether anything was executed.

use std::time::Duration;

use remoting::{ErrorKind, Executed};
use remoting_core::wire::{PREFACE, ResolveWhat, Violation, kind, write_go_away};

use crate::raw::*;
use crate::support::*;
use crate::trap::*;

/// How the call ends that a server answers with these bytes, and what the client says to it.
async fn answered(bytes: &[u8]) -> (remoting::Error, Option<(u8, String)>) {
    let trap = Trap::with(|_| {}).await;
    let call = tokio::spawn(trap.probe().add(1, 2));
    let mut raw = trap.called().await;
    raw.send(bytes).await;
    let error = call.await.unwrap().unwrap_err();
    raw.finish().await;
    (error, raw.abort().await)
}

#[test]
fn a_server_that_breaks_a_rule_is_told_and_the_call_may_have_been_executed() {
    let breaches = [
        (Violation::UnknownCallAnswered, returned(7, &[3])),
        (Violation::UnknownCallAnswered, failed(1023, 3, 0, &[])),
        (Violation::BadResolveAnswer, returned(0, &[])),
        (Violation::BadResolveAnswer, returned(0, &[0; 10])),
        (Violation::BadResolveAnswer, returned(0, b"a text")),
        (Violation::AcceptedTooMuch, frame(kind::GO_AWAY, &[3, 0, 0])),
        (
            Violation::FrameTooLong,
            vec![0xff, 0xff, 0xff, kind::RETURN],
        ),
        (Violation::UnknownCriticalKind, frame(23, &[])),
        (Violation::SecondHello, frame(kind::HELLO, &[])),
        (
            Violation::TooManyPings,
            frame(kind::PING, &[0; 9]).repeat(30),
        ),
    ];
    within_patience(async {
        for (broken, bytes) in breaches {
            let (error, abort) = answered(&bytes).await;
            assert_eq!(error.kind(), ErrorKind::SessionLost, "{broken:?}: {error}");
            assert_eq!(error.executed(), Executed::Unknown, "{broken:?}");
            assert!(error.message().contains(broken.rule()), "{error}");
            assert_eq!(abort, Some((20, broken.to_string())));
        }
    });
}

#[test]
fn a_server_finds_nothing_by_name_at_a_client_whose_callers_have_to_log_in() {
    within_patience(async {
        let trap = Trap::with_publications().await;
        let _call = tokio::spawn(trap.probe().add(1, 2));
        let mut raw = trap.called().await;
        let ticket = "rt1.AAAAAAAAAAAAAAAAAAAAAA";
        for request in [
            resolve(0, "probe"),
            resolve(1, "nothing"),
            activate(2, "make"),
            resolve_as(3, ResolveWhat::Ticket, "Probe", ticket),
        ] {
            raw.send(&request).await;
            let failure = raw.failure().await;
            assert_eq!((failure.code, failure.executed), (7, 0), "{failure:?}");
        }
        assert_eq!(trap.client().kept_objects(), 0);
    });
}

#[test]
fn an_answer_that_is_none_ends_its_call_alone() {
    let unreadable = [
        packed(&"a text"),
        packed(&3.5),
        vec![],
        vec![0xc1],
        vec![3, 3],
        vec![0xdd, 0xff, 0xff, 0xff, 0xff],
        [vec![0x91; 100_000], vec![0xc0]].concat(),
    ];
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let probe = trap.probe();
        let first = tokio::spawn(probe.add(1, 2));
        let mut raw = trap.called().await;
        raw.send(&[resolved(0, 9), returned(1, &packed(&3))].concat())
            .await;
        assert_eq!(first.await.unwrap().unwrap(), 3);
        for payload in unreadable {
            let call = tokio::spawn(probe.add(1, 2));
            let id = next_call(&mut raw).await;
            raw.send(&returned(id, &payload)).await;
            let error = call.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadResult, "{error}");
            assert_eq!(error.executed(), Executed::Yes);
        }
        // Failures as the server tells them, known or not.
        for (code, executed, expected) in [
            (16, 1, (ErrorKind::BadResult, Executed::Yes)),
            (15, 1, (ErrorKind::Internal, Executed::Yes)),
            (10, 0, (ErrorKind::Overloaded, Executed::No)),
            (99, 2, (ErrorKind::Internal, Executed::Unknown)),
        ] {
            let call = tokio::spawn(probe.add(1, 2));
            let id = next_call(&mut raw).await;
            raw.send(&failed(id, code, executed, &[0xc1])).await;
            let error = call.await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.executed()), expected, "{error}");
        }
        let last = tokio::spawn(probe.add(1, 2));
        let id = next_call(&mut raw).await;
        raw.send(&returned(id, &packed(&3))).await;
        assert_eq!(last.await.unwrap().unwrap(), 3);
    });
}

#[test]
fn a_second_answer_to_one_call_ends_the_session() {
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let call = tokio::spawn(trap.probe().add(1, 2));
        let mut raw = trap.called().await;
        let answers = [
            resolved(0, 9),
            returned(1, &packed(&3)),
            returned(1, &packed(&4)),
        ];
        raw.send(&answers.concat()).await;
        assert_eq!(call.await.unwrap().unwrap(), 3);
        let refused = Violation::UnknownCallAnswered.to_string();
        assert_eq!(raw.abort().await, Some((20, refused)));
    });
}

/// What a server does instead of a greeting, and how the call then ends.
#[test]
fn a_server_that_is_none_has_executed_nothing() {
    let abort = [
        &PREFACE[..],
        &frame(kind::ABORT, &[10, 4, b'b', b'u', b's', b'y']),
    ]
    .concat();
    let openings = [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            ErrorKind::Protocol,
            "HTTP",
        ),
        (
            b"\x15\x03\x01\x00\x02\x02\x46".to_vec(),
            ErrorKind::TlsRequired,
            "TLS",
        ),
        (
            b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
            ErrorKind::Protocol,
            "SSH",
        ),
        (
            b"RMT1\x02\x00\x00\x00".to_vec(),
            ErrorKind::VersionMismatch,
            "version",
        ),
        (abort, ErrorKind::Overloaded, "busy"),
    ];
    within_patience(async {
        for (bytes, kind, word) in openings {
            let trap = Trap::with(|_| {}).await;
            let call = tokio::spawn(trap.probe().add(1, 2));
            // The client may try a second time, since nothing was executed.
            let serve = async {
                loop {
                    let mut raw = trap.accept().await;
                    raw.send(&bytes).await;
                    raw.finish().await;
                    raw.rest().await;
                }
            };
            let error = tokio::select! {
                ended = call => ended.unwrap().unwrap_err(),
                () = serve => unreachable!("it serves for ever"),
            };
            assert_eq!(
                (error.kind(), error.executed()),
                (kind, Executed::No),
                "{error}"
            );
            assert!(error.message().contains(word), "{error}");
        }
    });
}

#[test]
fn a_server_that_goes_while_it_is_called_leaves_the_call_in_the_unknown() {
    let abort = |code| frame(kind::ABORT, &[code, 3, b'o', b'u', b't']);
    within_patience(async {
        for bytes in [
            abort(0),
            abort(20),
            abort(200),
            vec![],
            vec![9, 0, 0, kind::RETURN, 1],
        ] {
            let trap = Trap::with(|_| {}).await;
            let call = tokio::spawn(trap.probe().add(1, 2));
            let mut raw = trap.called().await;
            raw.send(&bytes).await;
            drop(raw);
            let error = call.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
            assert_eq!(error.executed(), Executed::Unknown, "{error}");
        }
    });
}

#[test]
fn a_call_that_a_goaway_leaves_out_goes_to_the_next_connection() {
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let call = tokio::spawn(trap.probe().add(1, 2));
        let mut first = trap.called().await;
        let mut bytes = Vec::new();
        let go_away = remoting_core::wire::GoAway {
            accepted: 0,
            drain_ms: 1000,
            reason: "moving",
        };
        write_go_away(&mut bytes, &go_away);
        first.send(&bytes).await;
        let mut second = trap.called().await;
        second
            .send(&[resolved(0, 9), returned(1, &packed(&3))].concat())
            .await;
        assert_eq!(call.await.unwrap().unwrap(), 3);
    });
}

#[test]
fn a_server_that_turns_every_connection_away_is_not_tried_for_ever() {
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let call = tokio::spawn(trap.probe().add(1, 2));
        for _ in 0..2 {
            let mut raw = trap.called().await;
            raw.send(&frame(kind::GO_AWAY, &[0, 0, 0])).await;
            // It stays open, and nobody uses it.
            std::mem::forget(raw);
        }
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.executed()),
            (ErrorKind::Disconnected, Executed::No)
        );
    });
}

#[test]
fn a_server_that_is_silent_from_the_start_is_given_up() {
    within_patience(async {
        for said in [&b""[..], &PREFACE] {
            let short = Duration::from_millis(40);
            let trap = Trap::with(|limits| limits.handshake_time = short).await;
            let call = tokio::spawn(trap.probe().add(1, 2));
            let mut raw = trap.accept().await;
            raw.send(said).await;
            let error = call.await.unwrap().unwrap_err();
            assert_eq!(
                (error.kind(), error.executed()),
                (ErrorKind::SessionLost, Executed::Unknown)
            );
            assert!(error.message().contains("hello"), "{error}");
            let refused = Violation::HelloTooLate.to_string();
            assert_eq!(raw.abort().await, Some((20, refused)));
        }
    });
}

#[test]
fn a_server_that_answers_nothing_costs_a_caller_its_deadline_and_no_more() {
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let call = trap.probe().add(1, 2).deadline(Duration::from_millis(40));
        let call = tokio::spawn(call);
        let mut raw = trap.called().await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(error.executed(), Executed::Unknown);
        let told = [raw.answer().await, raw.answer().await];
        assert!(told.contains(&Some(Seen::Cancel(1))), "{told:?}");
    });
}

#[test]
fn a_server_finds_nothing_to_call_at_a_client() {
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let call = tokio::spawn(trap.probe().add(1, 2));
        let mut raw = trap.called().await;
        for (code, bytes) in [
            (3, resolve(5, "probe")),
            (3, activate(6, "make")),
            (3, crate::raw::call(7, 0, "add", &packed(&(1, 2)))),
        ] {
            raw.send(&bytes).await;
            let failure = raw.failure().await;
            assert_eq!((failure.code, failure.executed), (code, 0), "{failure:?}");
        }
        raw.send(&[resolved(0, 9), returned(1, &packed(&3))].concat())
            .await;
        assert_eq!(call.await.unwrap().unwrap(), 3);
    });
}

#[test]
fn a_server_that_grants_no_calls_gets_none() {
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let probe = trap.probe();
        let first = tokio::spawn(probe.add(1, 2));
        let greeting = greeting_with(|hello| hello.max_calls = 0);
        let mut raw = trap.called_and_greeted(&greeting).await;
        raw.send(&[resolved(0, 9), returned(1, &packed(&3))].concat())
            .await;
        assert_eq!(first.await.unwrap().unwrap(), 3);
        let second = probe.add(1, 2).deadline(Duration::from_millis(40)).await;
        let error = second.unwrap_err();
        let found = (error.kind(), error.executed());
        assert_eq!(
            found,
            (ErrorKind::DeadlineExceeded, Executed::No),
            "{error}"
        );
    });
}

#[test]
fn a_call_that_is_larger_than_a_server_takes_is_not_sent() {
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let probe = trap.probe();
        let first = tokio::spawn(probe.add(1, 2));
        let greeting = greeting_with(|hello| hello.max_message = 16_384);
        let mut raw = trap.called_and_greeted(&greeting).await;
        raw.send(&[resolved(0, 9), returned(1, &packed(&3))].concat())
            .await;
        assert_eq!(first.await.unwrap().unwrap(), 3);
        let error = probe.sum(vec![7; 20_000]).await.unwrap_err();
        let found = (error.kind(), error.executed());
        assert_eq!(found, (ErrorKind::TooLarge, Executed::No), "{error}");
    });
}

/// Whatever a server makes up, each call ends before its deadline, or with it.
#[test]
fn noise_from_a_server_ends_every_call() {
    let mut chance = chance();
    within_patience(async {
        for _ in 0..500 {
            let trap = Trap::with(|_| {}).await;
            let call = trap.probe().add(1, 2).deadline(Duration::from_secs(5));
            let call = tokio::spawn(call);
            let mut raw = trap.called().await;
            let _client = trap.close();
            let mut bytes = Vec::new();
            for _ in 0..3 {
                let length = chance.below(20);
                let body: Vec<_> = chance.bytes(length).iter().map(|byte| byte & 3).collect();
                bytes.extend(frame(chance.bytes(1)[0] & 0x1f, &body));
            }
            raw.send(&bytes).await;
            raw.finish().await;
            let ended = call.await.unwrap();
            if let Err(error) = ended {
                let own = error.kind() == ErrorKind::DeadlineExceeded && !error.is_remote();
                assert!(!own, "{bytes:02x?}");
            }
        }
    });
}
