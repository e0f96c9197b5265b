//! Whatever a peer says, a log has whole lines, short ones, and no control characters.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use remoting_core::wire::{
    CallId, GoAway, HeaderBlock, Hello, PREFACE, ResolveWhat, Slot, Target, kind, write_go_away,
    write_hello,
};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

use crate::objects::*;
use crate::raw::*;
use crate::support::*;
use crate::trap::*;

/// Breaks a line, colours it, and turns it round.
const EVIL: &str = "evil\r\n\u{1b}[31mERROR\u{202e}\u{2066}\0\u{9b}";

/// All that was logged, as it was given: a subscriber that escapes nothing.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, "|{field}={value}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "|{field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let target = event.metadata().target();
        if target.starts_with("remoting") {
            let mut line = Line(target.to_owned());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Log {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn check(&self) {
        for line in self.lines() {
            let bad = |c: char| {
                c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!line.contains(bad), "{line:?}");
            assert!(line.len() < 1000, "{} bytes: {line:?}", line.len());
        }
    }
}

/// Runs a test whose every task logs here: on one thread.
fn logged(test: impl AsyncFnOnce()) {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    within_patience_on(&mut builder, test());
    assert!(!log.lines().is_empty());
    log.check();
}

#[test]
fn what_a_client_says_cannot_forge_a_line() {
    logged(async || {
        let mut server = Server::new().await;
        let long = EVIL.repeat(20);
        let mut hello = PREFACE.to_vec();
        write_hello(
            &mut hello,
            &Hello {
                agent: EVIL.to_owned(),
                ..Hello::default()
            },
        );
        let mut raw = Raw::connect(&server.address).await;
        raw.send(&hello).await;
        raw.send(&resolve(0, EVIL)).await;
        check_text(&raw.failure().await.text);
        let activate = ResolveWhat::Activate(remoting_core::wire::MethodId::of(EVIL));
        raw.send(&resolve_as(1, activate, EVIL, EVIL)).await;
        check_text(&raw.failure().await.text);
        raw.send(&resolve(2, "probe")).await;
        assert!(raw.answer().await.is_some());
        let mut header = HeaderBlock::new();
        header.add_pair(EVIL, &long).unwrap();
        let slot = Target::Slot(Slot(0));
        // Arguments that cannot be read, and say why not in the log.
        for value in [
            packed(&(EVIL, &long)),
            packed(&(&long, 1)),
            EVIL.as_bytes().to_vec(),
        ] {
            raw.send(&call_with(3, slot, "add", &header, &value)).await;
            check_text(&raw.failure().await.text);
        }
        let text = [
            &[20][..],
            &number(u64::try_from(long.len()).unwrap()),
            long.as_bytes(),
        ];
        raw.send(&frame(kind::ABORT, &text.concat())).await;
        assert_eq!(raw.abort().await, None);
        let mut stranger = Raw::connect(&server.address).await;
        stranger.send(b"\x1b[31m\r\nE\0\x9b and so on").await;
        stranger.rest().await;
        server.goes_on().await;
    });
}

/// A text for a peer holds nothing that would do harm in the peer's log.
fn check_text(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}

#[test]
fn what_a_server_says_cannot_forge_a_line() {
    logged(async || {
        for words in [abort(EVIL), go_away(EVIL), failure(EVIL)] {
            let trap = Trap::with(|_| {}).await;
            let call = tokio::spawn(trap.probe().add(1, 2));
            let mut raw = trap.called().await;
            raw.send(&words).await;
            drop(raw);
            // A call that was not taken is tried once more.
            let again = async {
                let raw = trap.called().await;
                drop(raw);
                std::future::pending::<()>().await;
            };
            let error = tokio::select! {
                ended = call => ended.unwrap().unwrap_err(),
                () = again => unreachable!("it waits for ever"),
            };
            tracing::info!(target: "remoting::test", "{:?}", error.kind());
        }
    });
}

fn abort(text: &str) -> Vec<u8> {
    let length = number(u64::try_from(text.len()).unwrap());
    frame(kind::ABORT, &[&[20], &length[..], text.as_bytes()].concat())
}

fn go_away(reason: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_go_away(
        &mut out,
        &GoAway {
            accepted: 0,
            drain_ms: 0,
            reason,
        },
    );
    out
}

fn failure(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let fault = remoting_core::wire::WireFault {
        code: 15,
        executed: 1,
        retry_after_ms: 0,
        text,
        payload: &[],
    };
    remoting_core::wire::write_error(&mut out, CallId(1), &HeaderBlock::new(), &fault).unwrap();
    out
}

#[test]
fn a_flood_of_bad_calls_is_no_flood_of_lines() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    within_patience_on(&mut builder, async {
        let server = Server::new().await;
        let probe = server.probe();
        for _ in 0..1000 {
            probe.panic(true).await.unwrap_err();
        }
    });
    let panics = log
        .lines()
        .iter()
        .filter(|line| line.contains("canary"))
        .count();
    assert!(
        (1..=400).contains(&panics),
        "{panics} lines for 1,000 panics"
    );
    assert!(!SECRET.is_empty());
}
