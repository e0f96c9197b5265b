//! Peers that speak something else, and noise.

use std::time::Duration;

use remoting::prelude::*;
use remoting::{Admitted, Authenticator, Credentials, Limits};
use remoting_core::wire::{PREFACE, PREFACE_LENGTH, Violation};

use crate::raw::*;
use crate::resume::hello;
use crate::support::*;

/// When a peer that says nothing is asked, and how long it has to answer.
const SOON: Duration = Duration::from_millis(20);

#[test]
fn other_protocols_are_answered_by_nothing_and_closed() {
    let openings: &[&[u8]] = &[
        b"GET /probe/add HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b".NET\x01\x00\x00\x00\x00\x00\x00\x00",
        b"{\"jsonrpc\": \"2.0\"}",
        b"RMT2\x01\x00\x00\x00",
        &[0; 64],
        &[0xff; 64],
    ];
    within_patience(async {
        let mut server = Server::new().await;
        for opening in openings {
            let mut raw = Raw::connect(&server.address).await;
            raw.send(opening).await;
            let said = raw.rest().await;
            // Its own greeting was on its way before anything came.
            let only_greeting = said.is_empty() || said[..PREFACE_LENGTH] == PREFACE;
            assert!(only_greeting, "{said:?}");
            assert!(!has_abort(&said), "{said:?}");
            server.goes_on().await;
        }
    });
}

/// Whether a server's bytes have more in them than its greeting.
fn has_abort(said: &[u8]) -> bool {
    let frames = said.get(PREFACE_LENGTH..).unwrap_or_default();
    let Some([low, middle, ..]) = frames.first_chunk::<4>() else {
        return !frames.is_empty();
    };
    let hello = 4 + usize::from(*low) + 256 * usize::from(*middle);
    frames.len() > hello
}

#[test]
fn another_major_version_is_told_which_one_is_spoken_here() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = Raw::connect(&server.address).await;
        raw.send(b"RMT1\x02\x00\x00\x00\x00\x00\x00\x00").await;
        let (code, text) = raw.abort().await.expect("an ABORT says why");
        assert_eq!(code, 19);
        assert!(text.contains('1') && text.contains('2'), "{text}");
        server.goes_on().await;
    });
}

#[test]
fn noise_ends_the_connection_that_it_came_from_and_no_other() {
    let mut chance = chance();
    within_patience(async {
        let mut server = Server::new().await;
        for round in 0..900 {
            let length = chance.below(400);
            let noise = chance.bytes(length);
            let mut raw = match round % 3 {
                0 => Raw::connect(&server.address).await,
                1 => Raw::greeted(&server.address).await,
                _ => server.attacker().await,
            };
            raw.send(&noise).await;
            raw.finish().await;
            check_end(raw.abort_of(&noise).await, &noise);
            if round % 20 == 0 {
                server.goes_on().await;
            }
        }
        server.goes_on().await;
        let left = server.host.open_connections();
        until(|| server.host.open_connections() <= 1).await;
        assert!(left <= 2, "{left} connections are left");
    });
}

/// Frames of every kind with noise in them: the frame layer lets them through.
#[test]
fn frames_full_of_noise_end_in_a_named_rule_or_in_an_answer() {
    let mut chance = chance();
    within_patience(async {
        let mut server = Server::new().await;
        for round in 0..1800 {
            let mut raw = server.attacker().await;
            let mut bytes = Vec::new();
            for _ in 0..4 {
                let kind = chance.bytes(1)[0] & if round % 2 == 0 { 0x1f } else { 0xff };
                let length = chance.below(40);
                let body: Vec<_> = chance.bytes(length);
                // Small numbers are read as ids of what is there.
                let body = body
                    .iter()
                    .map(|byte| byte & if round % 3 == 0 { 3 } else { 0xff });
                bytes.extend(frame(kind, &body.collect::<Vec<_>>()));
            }
            raw.send(&bytes).await;
            raw.finish().await;
            check_end(raw.abort_of(&bytes).await, &bytes);
        }
        server.goes_on().await;
    });
}

/// Sixteen peers make noise at once, and a client goes on between them.
#[test]
fn calls_of_others_go_on_while_there_is_noise() {
    let mut chance = chance();
    within_patience(async {
        let server = Server::new().await;
        let attack = async {
            for _ in 0..20 {
                let mut peers = tokio::task::JoinSet::new();
                for _ in 0..16 {
                    let address = server.address.clone();
                    let length = chance.below(2000);
                    let noise = chance.bytes(length);
                    peers.spawn(async move {
                        let mut raw = Raw::greeted(&address).await;
                        raw.send(&noise).await;
                        raw.finish().await;
                        check_end(raw.abort_of(&noise).await, &noise);
                    });
                }
                peers.join_all().await;
            }
        };
        server.during(attack).await;
    });
}

/// An ABORT, where there is one, names a rule that there is.
pub fn check_end(end: Option<(u8, String)>, sent: &[u8]) {
    let Some((code, text)) = end else { return };
    match code {
        0 | 19 => {}
        20 => assert!(
            Violation::ALL
                .iter()
                .any(|violation| violation.to_string() == text),
            "`{text}` is the answer to {sent:02x?}"
        ),
        _ => panic!("`{text}` with the code {code} is the answer to {sent:02x?}"),
    }
}

impl Raw {
    /// How the connection ends that got these bytes.
    async fn abort_of(&mut self, sent: &[u8]) -> Option<(u8, String)> {
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), self.abort()).await;
        ended.unwrap_or_else(|_| panic!("the connection stays open after {sent:02x?}"))
    }
}

/// Never knows whom it looks at.
struct Undecided;

impl Authenticator for Undecided {
    fn authenticate<'a>(&'a self, _: Credentials<'a>) -> Admitted<'a> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn nothing_is_kept_for_who_is_lost_before_it_was_let_in() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.handshake_time = Duration::from_secs(3600);
        (limits.ping_after, limits.pong_within) = (SOON, SOON);
        let builder = Host::builder().channel(TcpChannel::listen("127.0.0.1:0"));
        let builder = builder.limits(limits).authenticator(Undecided);
        let server = builder.start().await.unwrap();
        let url = server.channel("tcp").unwrap().address().unwrap();
        let mut raw = Raw::connect(url.trim_start_matches("tcp://")).await;
        raw.send(&hello(None)).await;
        until(|| server.connections().len() == 1).await;
        // It is taken for silent, since it gets nothing that it could answer.
        let _said = raw.rest().await;
        until(|| server.connections().is_empty()).await;
    });
}
