//! A host that stops, as those see it who speak HTTP, and how gateways learn of it.

use std::time::Duration;

use remoting::prelude::*;
use remoting::{Drained, Limits, Principal, Principals};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::calc::{Calc, Counter, CounterDispatcher, CounterFactory, Exact, Server};
use crate::feed::publish;
use crate::raw::{Raw, ask, post};

/// Longer than any test may take.
const AN_HOUR: Duration = Duration::from_secs(3600);

const HEALTH: &str = "GET /.well-known/remoting/health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Lets other tasks run until `condition` holds: for what nobody announces.
async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Has a host drain, for as long as it takes. Gives what cuts it short, too.
async fn drain(server: &Server) -> (JoinHandle<Drained>, oneshot::Sender<()>) {
    let (cut, is_cut) = oneshot::channel();
    let run = server.host.run_until(std::future::ready(()));
    let run = tokio::spawn(run.drain(AN_HOUR).cut_on(is_cut).into_future());
    until(|| server.host.channel("http").unwrap().address().is_none()).await;
    (run, cut)
}

#[tokio::test]
async fn a_host_that_drains_answers_the_request_that_is_under_way() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&post("/calc/wait", &[], "")).await;
    server.calc.waiting.notified().await;
    let now = std::future::ready(());
    let stopping = server.host.run_until(now).drain(Duration::from_secs(20));
    let stopping = tokio::spawn(stopping.into_future());
    while server.host.channel("http").unwrap().address().is_some() {
        tokio::task::yield_now().await;
    }
    server.calc.let_go.notify_one();
    assert_eq!(raw.answer().await.unwrap().status, 204);
    let stopped = stopping.await.unwrap();
    assert_eq!((stopped.closed, stopped.cut), (1, 0));
    assert!(raw.is_closed().await);
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_answered_and_cut() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&post("/calc/wait", &[], "")).await;
    server.calc.waiting.notified().await;
    let stopped = server.host.run_until(std::future::ready(())).await;
    assert_eq!((stopped.closed, stopped.cut), (0, 1));
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("remoting-executed"), Some("unknown"));
    assert!(raw.is_closed().await);
    server.calc.given_up.notified().await;
}

#[tokio::test]
async fn a_stream_that_outlasts_the_drain_ends_without_its_last_line() {
    let server = Server::start().await;
    let reel = publish(&server);
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(
        "POST /feed/doubled HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Accept: application/x-ndjson\r\nContent-Type: application/x-ndjson\r\n\r\n",
    )
    .await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    let (run, cut) = drain(&server).await;
    assert!(!reel.is_idle() && !run.is_finished());
    drop(cut);
    let stopped = run.await.unwrap();
    assert_eq!((stopped.closed, stopped.cut), (0, 1));
    assert!(raw.is_closed().await);
    until(|| reel.is_idle()).await;
}

#[tokio::test]
async fn a_call_with_a_key_is_waited_for_though_its_client_has_left() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server.authority).await;
    let call = post("/calc/wait", &["Idempotency-Key: 93b0c7f1"], "");
    raw.send(&call).await;
    server.calc.waiting.notified().await;
    drop(raw);
    let (mut run, _cut) = drain(&server).await;
    // Far longer than it takes for connections to close.
    let waited = tokio::time::timeout(Duration::from_millis(500), &mut run).await;
    assert!(waited.is_err(), "{waited:?}");
    server.calc.let_go.notify_one();
    assert_eq!(run.await.unwrap().cut, 0);
}

/// Makes a counter when it is let go.
struct Waiting(Exact);

struct Still;

impl Counter for Still {
    async fn next(&mut self) -> remoting::Result<u64> {
        Ok(0)
    }
}

impl CounterFactory for Waiting {
    type Object = Still;
    async fn starting_at(&self, _start: u64) -> remoting::Result<Still> {
        self.0.wait().await?;
        Ok(Still)
    }
}

#[tokio::test]
async fn a_constructor_with_a_key_is_waited_for_though_its_client_has_left() {
    let server = Server::start().await;
    let made = CounterDispatcher::activated_with(Waiting(server.calc.clone()));
    server.host.publish("made", made).unwrap();
    let mut raw = Raw::connect(&server.authority).await;
    let call = post("/made:starting_at", &["Idempotency-Key: 5c1f20aa"], "[1]");
    raw.send(&call).await;
    server.calc.waiting.notified().await;
    drop(raw);
    let (mut run, _cut) = drain(&server).await;
    // Far longer than it takes for connections to close.
    let waited = tokio::time::timeout(Duration::from_millis(500), &mut run).await;
    assert!(waited.is_err(), "{waited:?}");
    server.calc.let_go.notify_one();
    assert_eq!(run.await.unwrap().cut, 0);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_waited_for_by_the_drain() {
    let server = Server::start().await;
    let call = post("/calc/wait", &["Prefer: respond-async"], "");
    assert_eq!(ask(&server.authority, &call).await.unwrap().status, 202);
    server.calc.waiting.notified().await;
    let (run, cut) = drain(&server).await;
    drop(cut);
    let stopped = run.await.unwrap();
    assert_eq!(stopped.cut, 1);
    server.calc.given_up.notified().await;
}

#[tokio::test]
async fn health_is_there_for_everybody_and_says_nothing_else() {
    let principals = Principals::new().token("a-token-of-theirs", Principal::new("anna"));
    let channel = HttpChannel::listen("127.0.0.1:0");
    let builder = Host::builder().authenticator(principals).channel(channel);
    let host = builder.start().await.unwrap();
    let authority = host.channel("http").unwrap().address().unwrap();
    let authority = authority.trim_start_matches("http://");
    let anonymous = "GET /.well-known/remoting HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(ask(authority, anonymous).await.unwrap().status, 401);
    let plain = "GET /.well-known/remoting/health HTTP/1.0\r\n\r\n";
    for request in [HEALTH, plain] {
        let answer = ask(authority, request).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, r#"{"status":"serving"}"#);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let mut raw = Raw::connect(authority).await;
    raw.send(&HEALTH.replace("GET", "HEAD")).await;
    raw.send(&HEALTH.replace("GET", "POST")).await;
    let mut came = String::new();
    while !came.contains("405 Method Not Allowed") {
        let mut bytes = Vec::new();
        assert_ne!(
            tokio::io::AsyncReadExt::read_buf(&mut raw.0, &mut bytes)
                .await
                .unwrap(),
            0
        );
        came.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    let (head, rest) = came.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{came}");
    assert!(
        rest.starts_with("HTTP/1.1 405"),
        "a HEAD has no body: {came}"
    );
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask(authority, &HEALTH.replace("GET", method))
            .await
            .unwrap();
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
}

#[tokio::test]
async fn a_host_that_will_stop_says_so_and_ends_connections_with_the_answer() {
    let server = Server::start().await;
    let mut old = Raw::connect(&server.authority).await;
    old.send(HEALTH).await;
    let answer = old.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, None));
    let run = server.host.run_until(std::future::ready(()));
    let (cut, is_cut) = oneshot::channel::<()>();
    let run = tokio::spawn(run.announce(AN_HOUR).cut_on(is_cut).into_future());
    until(|| server.host.is_draining()).await;
    let answer = ask(&server.authority, HEALTH).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, r#"{"status":"draining"}"#)
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    old.send(&post("/calc/add", &[], "[2,3]")).await;
    let answer = old.answer().await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "5"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(old.is_closed().await);
    drop(cut);
    assert_eq!(run.await.unwrap().cut, 0);
}

#[tokio::test]
async fn a_mounted_service_tells_its_health_and_is_cut() {
    let channel = HttpChannel::mounted("http://localhost/objects");
    let app = axum::Router::new().nest_service("/objects", channel.service());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let health = HEALTH.replace(" /", " /objects/");
    let server = Server::with(channel, Limits::default()).await;
    assert_eq!(ask(&address, &health).await.unwrap().status, 200);
    let mut raw = Raw::connect(&address).await;
    raw.send(&post("/objects/calc/wait", &[], "")).await;
    server.calc.waiting.notified().await;
    let stopped = server.host.run_until(std::future::ready(())).await;
    assert_eq!((stopped.closed, stopped.cut), (0, 1));
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("remoting-executed"), Some("unknown"));
    let answer = ask(&address, &health).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, r#"{"status":"stopped"}"#)
    );
}
