//! How long: handshakes, silence, idleness, deadlines.
//!
//! The times are tens of milliseconds, and the tests wait for what they bring about.

use std::time::Duration;

use remoting::{ErrorKind, Executed, Host};
use remoting_core::wire::{HeaderBlock, Slot, Target as At, Violation, kind};

use crate::objects::*;
use crate::raw::*;
use crate::support::*;
use crate::trap::*;

const SHORT: Duration = Duration::from_millis(40);

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(100);

pub async fn handshake_time() -> Host {
    let mut server = Server::with(|limits| limits.handshake_time = SHORT).await;
    let too_late = Some((20, Violation::HelloTooLate.to_string()));
    for said in [&b""[..], b"RMT1", &remoting_core::wire::PREFACE] {
        let mut raw = Raw::connect(&server.address).await;
        raw.send(said).await;
        assert_eq!(raw.abort().await, too_late, "{said:?}");
    }
    server.goes_on().await;
    server.host
}

/// Who holds nothing and asks for nothing is sent away in peace.
pub async fn idle_time() -> Host {
    let mut server = Server::with(|limits| limits.idle_time = SHORT).await;
    let mut raw = Raw::greeted(&server.address).await;
    let (code, text) = raw.abort().await.expect("an ABORT says why");
    assert_eq!((code, text.contains("idle")), (0, true), "{text}");
    // The good client holds an object.
    server.goes_on().await;
    server.host
}

/// A peer that answers when it is asked stays.
pub async fn ping_after() -> Host {
    // What else is timed is far away: no other timer makes up for one that is set too late.
    let mut server = Server::with(|limits| {
        limits.ping_after = SHORT;
        limits.pong_within = LONG;
        limits.handshake_time = LONG;
    })
    .await;
    let mut raw = server.attacker().await;
    for _ in 0..3 {
        let Some(Seen::Ping(opaque)) = raw.answer().await else {
            panic!("no PING came");
        };
        let body = [&[0][..], &opaque.to_le_bytes()].concat();
        raw.send(&frame(kind::PONG, &body)).await;
    }
    raw.is_served(1).await;
    server.goes_on().await;
    server.host
}

/// One that does not is dead: its calls are stopped and nothing is said to it.
pub async fn pong_within() -> Host {
    let mut server = Server::with(|limits| {
        limits.ping_after = SHORT;
        limits.pong_within = SHORT;
    })
    .await;
    let mut raw = server.attacker().await;
    raw.send(&call(1, 0, "wait", &[])).await;
    assert!(matches!(raw.answer().await, Some(Seen::Ping(_))));
    assert_eq!(raw.frame().await, None);
    take(&server.gate.cut, 1).await;
    server.goes_on().await;
    server.host
}

/// A peer that asks for much and takes nothing is given up, and all that it asked for with it.
pub async fn write_stall() -> Host {
    let mut server = Server::with(|limits| {
        limits.write_stall = SHORT;
        limits.unsent = 64 * 1024;
    })
    .await;
    let mut raw = server.attacker().await;
    let mut asked = Vec::new();
    for id in 1..1000 {
        asked.extend(call(id, 0, "bytes", &packed(&(200_000,))));
    }
    raw.send(&asked).await;
    until(|| server.host.open_connections() == 1).await;
    server.goes_on().await;
    server.host
}

pub async fn default_deadline() -> Host {
    let trap = Trap::with(|limits| limits.default_deadline = SHORT).await;
    let call = tokio::spawn(trap.probe().wait());
    let mut raw = trap.called().await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(error.executed(), Executed::Unknown);
    // The server was told.
    assert!(matches!(raw.answer().await, Some(Seen::Cancel(_))));
    trap.client().clone()
}

/// However long its caller would wait, a call is cut; and also one that goes on by itself.
pub async fn max_deadline() -> Host {
    let mut server = Server::with(|limits| limits.max_deadline = SHORT).await;
    let mut raw = server.attacker().await;
    let mut header = HeaderBlock::new();
    header.set_deadline_ms(1 << 40);
    for method in ["wait", "stay"] {
        let before = counter(&server.host, "max_deadline");
        raw.send(&call_with(1, At::Slot(Slot(0)), method, &header, &[]))
            .await;
        let failure = raw.failure().await;
        assert_eq!(
            (failure.code, failure.executed),
            (2, 1),
            "{method}: {failure:?}"
        );
        take(&server.gate.cut, 1).await;
        until(|| counter(&server.host, "max_deadline") > before).await;
    }
    server.goes_on().await;
    server.host
}
