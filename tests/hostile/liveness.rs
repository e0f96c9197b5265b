//! Peers that stop answering are found, and what waits for them ends.

use std::time::Duration;

use remoting::{ErrorKind, Executed, Limits};
use tokio::task::JoinSet;

use crate::objects::*;
use crate::raw::*;
use crate::support::*;
use crate::trap::*;

/// Long enough for a busy machine to say what it has to first.
const SHORT: Duration = Duration::from_secs(1);

fn short(limits: &mut Limits) {
    limits.ping_after = SHORT;
    limits.pong_within = SHORT;
}

#[test]
fn the_calls_to_a_server_that_falls_silent_end_all_at_once() {
    within_patience(async {
        let trap = Trap::with(short).await;
        let probe = trap.probe();
        let mut calls = JoinSet::new();
        for _ in 0..50 {
            calls.spawn(probe.add(1, 2));
        }
        let mut raw = trap.called().await;
        while let Some(ended) = calls.join_next().await {
            let error = ended.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
            assert_eq!(error.executed(), Executed::Unknown);
            assert!(error.message().contains("silent"), "{error}");
        }
        assert_eq!(counter(trap.client(), "pong_within"), 1);
        // It was asked once, and then nothing more was said.
        assert_eq!(raw.abort().await, None);
    });
}

/// Bytes that never make a frame are no sign of life.
#[test]
fn a_server_that_drips_is_found_too() {
    within_patience(async {
        let trap = Trap::with(short).await;
        let call = tokio::spawn(trap.probe().add(1, 2));
        let mut raw = trap.called().await;
        raw.send(&[0xff, 0xff, 3, 2, 1]).await;
        let drip = async {
            let mut pace = tokio::time::interval(Duration::from_millis(2));
            loop {
                pace.tick().await;
                raw.send(&[0]).await;
            }
        };
        let error = tokio::select! {
            ended = call => ended.unwrap().unwrap_err(),
            () = drip => unreachable!("it drips for ever"),
        };
        assert_eq!(
            (error.kind(), error.executed()),
            (ErrorKind::SessionLost, Executed::Unknown)
        );
    });
}

#[test]
fn the_calls_of_a_client_that_falls_silent_are_cut_and_its_objects_given_up() {
    within_patience(async {
        let mut server = Server::with(short).await;
        let mut raw = server.attacker().await;
        raw.send(&activate(1, "make")).await;
        raw.send(&call(2, 0, "wait", &[])).await;
        raw.send(&call(3, 1, "wait", &[])).await;
        take(&server.gate.entered, 2).await;
        assert_eq!(server.host.kept_objects(), 2);
        take(&server.gate.cut, 2).await;
        until(|| server.host.kept_objects() == 1).await;
        until(|| server.host.open_connections() == 1).await;
        server.goes_on().await;
        drop(raw);
    });
}

#[test]
fn a_client_that_drips_a_greeting_has_no_more_time_than_a_silent_one() {
    within_patience(async {
        let mut server = Server::with(|limits| limits.handshake_time = SHORT).await;
        let mut raw = Raw::connect(&server.address).await;
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        // A HELLO of 64 KiB, of which a byte comes now and then.
        raw.send(&[&remoting_core::wire::PREFACE[..], &[0, 0, 1, 0x80]].concat())
            .await;
        while counter(&server.host, "handshake_time") == 0 {
            pace.tick().await;
            raw.send(&[2]).await;
        }
        server.goes_on().await;
        until(|| server.host.open_connections() == 1).await;
    });
}
