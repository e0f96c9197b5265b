use std::collections::BTreeSet;

use hyper::{Method, Request};
use remoting_core::InterfaceId;

use super::feed::{Lines, Server};
use crate::codes::{CODES, KEY_REUSED, STREAM_GONE};

const PROTOCOL: &str = include_str!("../../../../PROTOCOL.md");

/// Statuses, each with the name of an error.
type Statuses = BTreeSet<(u16, String)>;

/// The table of rule H11: what follows from the code alone, and what has a reason of its own.
fn table() -> (Statuses, Statuses) {
    let (_, rule) = PROTOCOL.split_once("**H11**").unwrap();
    let (table, _) = rule.split_once("**H12**").unwrap();
    let (mut usual, mut special) = (Statuses::new(), Statuses::new());
    for row in table.lines().filter_map(|line| line.strip_prefix("| ")) {
        let (status, codes) = row.split_once(" | ").unwrap();
        let Ok(status) = status.parse() else { continue };
        for part in codes.trim_end_matches(" |").split("; ") {
            match part.split_once("`: ") {
                Some((code, _)) => {
                    special.insert((status, code.replace('`', "")));
                }
                None => {
                    let quoted = part.split('`').skip(1).step_by(2);
                    let codes = quoted.filter(|word| word.bytes().all(is_of_code));
                    usual.extend(codes.map(|code| (status, code.to_owned())));
                }
            }
        }
    }
    (usual, special)
}

fn is_of_code(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_'
}

#[test]
fn the_status_of_each_code_is_that_of_the_protocol() {
    let kinds = CODES.iter().map(|(_, code, status)| (*status, *code));
    let others = [KEY_REUSED, STREAM_GONE].map(|(code, status)| (status, code));
    let all = kinds.chain(others);
    let all: Statuses = all
        .map(|(status, code)| (status, code.to_owned()))
        .collect();
    assert_eq!(table().0, all);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_does_not_follow_from_the_code_stands_in_the_protocol_and_is_given() {
    let server = Server::start().await;
    let lines = "application/x-ndjson";
    let interface = format!("{:016x}", InterfaceId::of("Feed").0);
    let mut seen = Statuses::new();
    for (method, target, headers) in [
        (Method::GET, "/feed/sum", vec![]),
        (Method::DELETE, "/feed/sum", vec![]),
        (Method::POST, "/feed", vec![]),
        (Method::GET, "/feed/count?most=1", vec![]),
        (
            Method::GET,
            "/feed/count?most=1",
            vec![("accept", lines), ("idempotency-key", "one")],
        ),
        (
            Method::POST,
            "/feed/sum?from=1",
            vec![("content-type", lines), ("idempotency-key", "two")],
        ),
        (
            Method::POST,
            "/feed/count",
            vec![("accept", lines), ("content-type", "application/msgpack")],
        ),
        (
            Method::POST,
            "/feed/count",
            vec![
                ("content-type", "text/plain"),
                ("remoting-interface", &interface),
            ],
        ),
        (Method::POST, "/feed/count", vec![("content-type", lines)]),
        (Method::POST, "/feed:begin", vec![("content-type", lines)]),
        (
            Method::POST,
            "/feed/sum?from=1",
            vec![("content-type", lines)],
        ),
        (Method::GET, "/feed", vec![("host", "elsewhere.example")]),
        (Method::GET, "/$session", vec![]),
    ] {
        let mut request = Request::builder().method(method).uri(target);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        // What is read of it is never whole.
        let (sender, part) = Lines::open();
        sender.send("1".into()).unwrap();
        let answer = server.send(request.body(part).unwrap()).await;
        let status = answer.status();
        let body: serde_json::Value = serde_json::from_str(&answer.rest().await).unwrap();
        seen.insert((status, body["code"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen, table().1);
}
