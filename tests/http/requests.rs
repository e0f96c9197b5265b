//! What the channel makes of requests, good and bad.

use std::sync::atomic::Ordering;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorKind, Limits};

use crate::calc::Server;
use crate::raw::{Raw, ask, post};

async fn status_of(server: &Server, request: &str) -> u16 {
    ask(&server.authority, request)
        .await
        .map_or(0, |answer| answer.status)
}

#[tokio::test]
async fn malformed_requests_are_refused_and_the_server_goes_on() {
    let server = Server::start().await;
    let call = |head: &str| format!("{head}Content-Length: 5\r\n\r\n[2,3]");
    for (status, head) in [
        (400, "POST /calc/add HTTP/1.1\r\n"),
        (
            400,
            "POST /calc/add HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
        ),
        (400, "POST /calc/add HTTP/1.1\r\nHost: evil example/..\r\n"),
        (421, "POST /calc/add HTTP/1.1\r\nHost: evil.example\r\n"),
        (
            400,
            "POST http://localhost/calc/add HTTP/1.1\r\nHost: localhost\r\n",
        ),
        (405, "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n"),
        (405, "PUT /calc/add HTTP/1.1\r\nHost: localhost\r\n"),
        (
            400,
            "POST /calc/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n",
        ),
        (
            400,
            "POST /calc/add HTTP/1.1\r\nHost: localhost\r\nRemoting-Timeout-Ms: soon\r\n",
        ),
        (
            403,
            "POST /calc/add HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n",
        ),
        (404, "POST /nobody/add HTTP/1.1\r\nHost: localhost\r\n"),
        (404, "POST /calc/multiply HTTP/1.1\r\nHost: localhost\r\n"),
        (404, "POST /~/rt1.abc/add HTTP/1.1\r\nHost: localhost\r\n"),
        (405, "POST /calc HTTP/1.1\r\nHost: localhost\r\n"),
        (
            412,
            "POST /calc/add HTTP/1.1\r\nHost: localhost\r\nRemoting-Interface: 0123456789abcdef\r\n",
        ),
    ] {
        assert_eq!(status_of(&server, &call(head)).await, status, "{head}");
    }
    assert_eq!(
        status_of(&server, &post("/calc/add", &[], "[2,3]")).await,
        200
    );
}

#[tokio::test]
async fn a_request_with_two_lengths_is_the_last_of_its_connection() {
    let server = Server::start().await;
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let mut raw = Raw::connect(&server.authority).await;
        let hidden = post("/calc/add", &[], "[1,1]");
        raw.send(&format!(
            "POST /calc/add HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n5\r\n[2,3]\r\n0\r\n\r\n{hidden}"
        ))
        .await;
        assert!(raw.answer().await.is_some());
        assert_eq!(
            raw.answer().await,
            None,
            "{lines}: what was smuggled in is not answered"
        );
    }
}

#[tokio::test]
async fn a_body_is_bounded_whatever_is_announced() {
    let mut limits = Limits::default();
    limits.max_message = 4096;
    let server = Server::with(HttpChannel::listen("127.0.0.1:0"), limits).await;
    let announced =
        "POST /calc/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(status_of(&server, announced).await, 413);
    let piece = format!("1000\r\n{}\r\n", "1".repeat(4096));
    let chunked = format!(
        "POST /calc/add HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{piece}{piece}{piece}"
    );
    assert_eq!(status_of(&server, &chunked).await, 413);
    let garbage =
        "POST /calc/add HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n";
    assert_eq!(status_of(&server, garbage).await, 400);
    assert_eq!(server.host.counters().max_message.get(), 2);
    assert_eq!(
        status_of(&server, &post("/calc/add", &[], "[2,3]")).await,
        200
    );
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server.authority).await;
    for number in 0..3 {
        raw.send(&post("/calc/add", &[], &format!("[{number},1]")))
            .await;
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.header("remoting-executed"), Some("yes"));
        let sum = (number + 1).to_string();
        assert_eq!((answer.status, answer.body), (200, sum));
    }
}

#[tokio::test]
async fn pages_of_a_listed_origin_may_call_with_a_type_that_is_asked_about() {
    let channel = HttpChannel::listen("127.0.0.1:0").origin("https://app.example");
    let server = Server::with(channel, Limits::default()).await;
    let from = "Origin: https://app.example";
    let json = "Content-Type: application/json";
    let answer = ask(
        &server.authority,
        &post("/calc/add", &[from, json], "[2,3]"),
    )
    .await;
    let answer = answer.unwrap();
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!((answer.status, allowed), (200, Some("https://app.example")));
    for simple in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let line = format!("Content-Type: {simple}");
        let request = post("/calc/add", &[from, &line], "[2,3]");
        assert_eq!(status_of(&server, &request).await, 415, "{simple}");
    }
    assert_eq!(
        status_of(&server, &post("/calc/add", &[from], "[2,3]")).await,
        415
    );
    let preflight = format!(
        "OPTIONS /calc/add HTTP/1.1\r\nHost: localhost\r\n{from}\r\nAccess-Control-Request-Method: POST\r\n\r\n"
    );
    let answer = ask(&server.authority, &preflight).await.unwrap();
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET, POST, PUT, DELETE")
    );
}

#[tokio::test]
async fn a_read_is_only_for_methods_that_change_nothing() {
    let server = Server::start().await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(status_of(&server, &get("/calc/add?a=1&b=2")).await, 200);
    let answer = ask(&server.authority, &get("/calc/divide?a=1&b=2"))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert_eq!(status_of(&server, &get("/calc/add?a=1&a=2&b=3")).await, 400);
    assert_eq!(status_of(&server, &get("/calc/add?a=x&b=3")).await, 400);
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_answered_and_given_up() {
    let server = Server::start().await;
    let (mut time, mut has_begun) = (10, false);
    while !has_begun {
        let limit = format!("Remoting-Timeout-Ms: {time}");
        let request = post("/calc/wait", &[&limit], "");
        let answer = ask(&server.authority, &request).await.unwrap();
        assert_eq!(answer.status, 504);
        assert!(answer.body.contains("deadline_exceeded"), "{}", answer.body);
        // On a machine that is busy its time may be over before it begins.
        let begun = tokio::time::timeout(Duration::ZERO, server.calc.waiting.notified());
        has_begun = begun.await.is_ok();
        time *= 2;
    }
    server.calc.given_up.notified().await;
}

#[tokio::test]
async fn a_call_is_given_up_when_its_client_hangs_up() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&post("/calc/wait", &[], "")).await;
    server.calc.waiting.notified().await;
    drop(raw);
    server.calc.given_up.notified().await;
}

#[tokio::test]
async fn more_connections_than_there_may_be_are_told_so() {
    let mut limits = Limits::default();
    limits.connections_per_address = 1;
    let server = Server::with(HttpChannel::listen("127.0.0.1:0"), limits).await;
    let mut first = Raw::connect(&server.authority).await;
    first.send(&post("/calc/add", &[], "[2,3]")).await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    let mut second = Raw::connect(&server.authority).await;
    let answer = second.answer().await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.contains("connections_per_address"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn an_address_beyond_this_machine_is_refused_before_anything_is_bound() {
    // Somebody else listens there: what tries to bind it would be told so.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    for port in [0, taken.local_addr().unwrap().port()] {
        let channel = HttpChannel::listen(format!("0.0.0.0:{port}"));
        let refused = Host::builder().channel(channel).start().await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(
            error
                .message()
                .contains("can be reached from other machines")
        );
        assert!(error.message().contains("allow_plaintext()"), "{error}");
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_given_up_and_counted() {
    let mut limits = Limits::default();
    limits.handshake_time = Duration::from_millis(50);
    let server = Server::with(HttpChannel::listen("127.0.0.1:0"), limits).await;
    let mut raw = Raw::connect(&server.authority).await;
    assert!(raw.is_closed().await);
    assert_eq!(server.host.counters().handshake_time.get(), 1);
}

#[tokio::test]
async fn a_channel_that_stops_closes_connections_that_rest() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&post("/calc/add", &[], "[2,3]")).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    server.host.channel("http").unwrap().stop_listening().await;
    assert!(raw.is_closed().await);
}

#[tokio::test]
async fn calls_that_nobody_waits_for_are_bounded() {
    let mut limits = Limits::default();
    limits.calls_per_session = 2;
    let server = Server::with(HttpChannel::listen("127.0.0.1:0"), limits).await;
    let request = post("/calc/wait", &["Prefer: respond-async"], "");
    for expected in [202, 202, 503] {
        assert_eq!(status_of(&server, &request).await, expected);
    }
    assert_eq!(
        status_of(&server, &post("/calc/add", &[], "[2,3]")).await,
        200
    );
    for _ in 0..2 {
        server.calc.let_go.notify_one();
        server.calc.given_up.notified().await;
    }
    while status_of(&server, &request).await != 202 {}
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_given_up() {
    let mut limits = Limits::default();
    limits.write_stall = Duration::from_millis(50);
    let server = Server::with(HttpChannel::listen("127.0.0.1:0"), limits).await;
    let mut raw = Raw::connect_narrow(&server.authority).await;
    raw.send(&post(
        "/calc/echo",
        &[],
        &format!("[\"{}\"]", "x".repeat(4_000_000)),
    ))
    .await;
    // The server ends the connection, and with it the answer, before its end.
    while server.calc.echoed.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let stopped = server.host.run_until(std::future::ready(()));
    let stopped = stopped.drain(Duration::from_secs(20)).await;
    assert_eq!(stopped.cut, 0, "the connection ended by itself");
    assert_eq!(server.host.counters().write_stall.get(), 1);
}

#[tokio::test]
async fn a_request_with_a_key_runs_once_however_often_it_is_sent() {
    let server = Server::start().await;
    let key = "Idempotency-Key: 0c5e1d5e-2a3b";
    let call = post("/calc/echo", &[key], r#"["hello"]"#);
    for replayed in [None, Some("yes"), Some("yes")] {
        let answer = ask(&server.authority, &call).await.unwrap();
        assert_eq!(answer.header("remoting-replayed"), replayed);
        assert_eq!((answer.status, &*answer.body), (200, r#""hello""#));
        assert_eq!(answer.header("remoting-executed"), Some("yes"));
        let own = answer.header("remoting-headers");
        assert_eq!(own, Some("length=5+letters"));
    }
    assert_eq!(server.calc.echoed.load(Ordering::SeqCst), 1);
    for (status, other) in [
        (409, post("/calc/echo", &[key], r#"["other"]"#)),
        (409, post("/calc/note", &[key], r#"["hello"]"#)),
        (400, post("/calc/echo", &[key, key], r#"["hello"]"#)),
        (
            400,
            post("/calc/echo", &["Idempotency-Key:"], r#"["hello"]"#),
        ),
    ] {
        let answer = ask(&server.authority, &other).await.unwrap();
        assert_eq!(answer.status, status, "{other}");
        assert_eq!(answer.header("remoting-executed"), Some("no"));
    }
    // What did not run may be sent again.
    let wrong = post("/calc/echo", &["Idempotency-Key: two"], "[1]");
    for _ in 0..2 {
        let answer = ask(&server.authority, &wrong).await.unwrap();
        assert_eq!(
            (answer.status, answer.header("remoting-replayed")),
            (400, None)
        );
    }
    assert_eq!(server.calc.echoed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_with_a_key_goes_on_when_its_client_leaves_and_others_wait_for_it() {
    let server = Server::start().await;
    let call = post("/calc/wait", &["Idempotency-Key: long"], "");
    let mut first = Raw::connect(&server.authority).await;
    first.send(&call).await;
    server.calc.waiting.notified().await;
    drop(first);
    let mut second = Raw::connect(&server.authority).await;
    second.send(&call).await;
    // A third request on the same connection as the second would wait; this one does not.
    let other = post("/calc/add", &["Idempotency-Key: other"], "[2,3]");
    assert_eq!(status_of(&server, &other).await, 200);
    server.calc.let_go.notify_one();
    let answer = second.answer().await.unwrap();
    assert_eq!(answer.header("remoting-replayed"), Some("yes"));
    assert_eq!(answer.status, 204);
}
