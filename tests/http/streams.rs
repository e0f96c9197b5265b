//! Streams for those who speak HTTP and nothing else: taken, sent, and left by them.

use std::process::Stdio;

use remoting::Limits;
use remoting::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::calc::Server;
use crate::feed::{FeedProxy, Reel, publish};
use crate::raw::{Raw, ask, post};
use crate::until::until;

const LINES: &str = "Accept: application/x-ndjson";
const EVENTS: &str = "Accept: text/event-stream";

async fn start() -> (Server, Reel) {
    let server = Server::start().await;
    let reel = publish(&server);
    (server, reel)
}

/// A server that has been stopped by nothing.
async fn goes_on(server: &Server) {
    for number in 0..20 {
        let request = post("/calc/add", &[], &format!("[{number},1]"));
        let answer = ask(&server.authority, &request).await.unwrap();
        assert_eq!(
            (answer.status, answer.body),
            (200, (number + 1).to_string())
        );
    }
}

/// A GET that asks for a stream, on a connection that ends with it.
fn get(path: &str, accept: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{accept}\r\n\r\n")
}

/// Reads the chunks of a body until it has so many bytes, or the end.
async fn read_some(raw: &mut Raw, bytes: usize) -> String {
    let mut body = String::new();
    while body.len() < bytes {
        let mut length = String::new();
        while !length.ends_with("\r\n") {
            length.push(char::from(raw.0.read_u8().await.unwrap()));
        }
        let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        raw.0.read_exact(&mut chunk).await.unwrap();
        body.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
        if length == 0 {
            break;
        }
    }
    body
}

/// All of the stream at a path.
async fn whole(server: &Server, path: &str, accept: &str) -> String {
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&get(path, accept)).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    read_some(&mut raw, usize::MAX).await
}

fn curl(server: &Server, path: &str, arguments: &[&str]) -> Child {
    let url = format!("http://{}{path}", server.authority);
    let mut curl = Command::new("curl");
    curl.args(["-sN", &url]).args(arguments).kill_on_drop(true);
    curl.stderr(Stdio::null());
    let piped = curl.stdin(Stdio::piped()).stdout(Stdio::piped());
    piped.spawn().expect("curl is installed")
}

#[tokio::test]
async fn curl_prints_a_stream_item_by_item_and_ends_it_when_it_leaves() {
    let (server, reel) = start().await;
    let mut curl = curl(&server, "/feed/hush", &["-H", LINES]);
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap();
    assert_eq!(first.as_deref(), Some(r#"{"id":1,"item":1}"#));
    assert!(!reel.is_idle());
    curl.kill().await.unwrap();
    until(|| reel.is_idle()).await;
    goes_on(&server).await;
}

#[tokio::test]
async fn curl_sends_a_stream_while_another_comes_back() {
    let (server, reel) = start().await;
    let arguments = [
        "-H",
        LINES,
        "-H",
        "Content-Type: application/x-ndjson",
        "-X",
        "POST",
        "-T",
        ".",
    ];
    let mut curl = curl(&server, "/feed/doubled", &arguments);
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    let mut sending = curl.stdin.take().unwrap();
    for number in 1..=5 {
        let line = format!("{number}\n");
        sending.write_all(line.as_bytes()).await.unwrap();
        let expected = format!("{{\"id\":{number},\"item\":{}}}", 2 * number);
        assert_eq!(lines.next_line().await.unwrap(), Some(expected));
    }
    drop(sending);
    let end = lines.next_line().await.unwrap();
    assert_eq!(end.as_deref(), Some(r#"{"end":true}"#));
    assert!(curl.wait().await.unwrap().success());
    assert!(reel.is_idle());
}

#[tokio::test]
async fn a_reader_that_takes_nothing_stops_the_producer() {
    let (server, reel) = start().await;
    let mut raw = Raw::connect_narrow(&server.authority).await;
    raw.send(&get("/feed/pieces?length=10000", LINES)).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    until(|| reel.made() > 1).await;
    // It makes what the sockets take, and then no more.
    let mut before = 0;
    while reel.made() > before {
        before = reel.made();
        goes_on(&server).await;
    }
    assert!(before < 2000, "{before}");
    let taken = read_some(&mut raw, 10_000 * usize::try_from(before).unwrap()).await;
    assert!(taken.starts_with(r#"{"id":1,"item":"xxx"#));
    until(|| reel.made() > before).await;
    drop(raw);
    until(|| reel.is_idle()).await;
    goes_on(&server).await;
}

#[tokio::test]
async fn a_connection_that_closes_ends_its_streams_both_ways() {
    let (server, reel) = start().await;
    for (path, accept) in [("/feed/play", LINES), ("/feed/hush", LINES)] {
        let mut raw = Raw::connect(&server.authority).await;
        raw.send(&get(path, accept)).await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
        assert!(!reel.is_idle());
        drop(raw);
        until(|| reel.is_idle()).await;
    }
    let head = "POST /feed/sum HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-ndjson\r\n\r\n2\r\n7\n\r\n";
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(head).await;
    until(|| reel.stored() == 7).await;
    assert!(!reel.is_idle());
    drop(raw);
    until(|| reel.is_idle()).await;
    goes_on(&server).await;
}

#[tokio::test]
async fn a_failure_is_the_last_that_is_said_of_a_stream() {
    let (server, _) = start().await;
    let own = r#"{"code":"app","message":"the method gave an error of its own","executed":"yes","details":{"DividedByZero":1}}"#;
    let lines = whole(&server, "/feed/torn?at=1", LINES).await;
    assert_eq!(
        lines,
        format!("{{\"id\":1,\"item\":1}}\n{{\"error\":{own}}}\n")
    );
    let events = whole(&server, "/feed/torn?at=1", EVENTS).await;
    assert!(
        events.contains("\ndata: 1\n\nevent: error\nid: "),
        "{events}"
    );
    assert!(events.ends_with(&format!("\ndata: {own}\n\n")), "{events}");
    let lines = whole(&server, "/feed/burnt", LINES).await;
    let (item, error) = lines.split_once('\n').unwrap();
    assert_eq!(item, r#"{"id":1,"item":1}"#);
    assert!(
        error.starts_with(r#"{"error":{"code":"internal""#),
        "{error}"
    );
    assert!(error.contains(r#""correlation":""#), "{error}");
    goes_on(&server).await;
}

#[tokio::test]
async fn a_stream_comes_in_with_a_length_or_in_chunks() {
    let (server, reel) = start().await;
    let lines = ["Content-Type: application/x-ndjson"];
    let request = post("/feed/sum", &lines, "1\n2\n3");
    let answer = ask(&server.authority, &request).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "6"));
    let chunked = "POST /feed/sum HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-ndjson\r\n\r\n3\r\n1\n2\r\n2\r\n3\n\r\n0\r\n\r\n";
    let mut raw = Raw::connect(&server.authority).await;
    for _ in 0..2 {
        raw.send(chunked).await;
        let answer = raw.answer().await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "24"));
    }
    // One that nobody waits for.
    let request = post("/feed/store", &lines, "1000\n2000\n");
    let answer = ask(&server.authority, &request).await.unwrap();
    assert_eq!(answer.status, 202);
    until(|| reel.stored() >= 3000).await;
}

#[tokio::test]
async fn a_line_without_an_end_is_refused_and_the_server_goes_on() {
    let mut limits = Limits::default();
    limits.max_frame = 20_000;
    let server = Server::with(HttpChannel::listen("127.0.0.1:0"), limits).await;
    let reel = publish(&server);
    let chunk = format!("2710\r\n{}\r\n", "1".repeat(10_000));
    let head = "POST /feed/sum HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-ndjson\r\n\r\n";
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(head).await;
    for _ in 0..100 {
        raw.send(&chunk).await;
    }
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.status, 413, "{answer:?}");
    drop(raw);
    until(|| reel.is_idle()).await;
    assert_eq!(server.host.counters().max_frame.get(), 1);
    goes_on(&server).await;
}

#[tokio::test]
async fn objects_in_streams_are_paths_with_tickets_both_ways() {
    let (server, _) = start().await;
    let made = post("/counter:starting_at", &[], "[41]");
    let made = ask(&server.authority, &made).await.unwrap();
    let own = made.header("location").unwrap();
    let lines = ["Content-Type: application/x-ndjson", LINES];
    let request = post("/feed/stepped", &lines, &format!("\"{own}\"\n"));
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&request).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    let body = read_some(&mut raw, usize::MAX).await;
    let path = body
        .split('"')
        .find(|part| part.starts_with("/~/"))
        .unwrap();
    assert_ne!(path, own);
    let next = post(&format!("{path}/next"), &[], "[]");
    let next = ask(&server.authority, &next).await.unwrap();
    assert_eq!((next.status, next.body.as_str()), (200, "43"));
    assert!(body.ends_with("{\"end\":true}\n"), "{body}");
}

#[tokio::test]
async fn a_drained_channel_waits_for_its_streams() {
    let (server, reel) = start().await;
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(
        "POST /feed/doubled HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Accept: application/x-ndjson\r\nContent-Type: application/x-ndjson\r\n\r\n",
    )
    .await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    let channel = server.host.channel("http").unwrap();
    let stopped = tokio::spawn(async move { channel.stop_listening().await });
    until(|| server.host.channel("http").unwrap().address().is_none()).await;
    raw.send("2\r\n7\n\r\n").await;
    assert_eq!(read_some(&mut raw, 1).await, "{\"id\":1,\"item\":14}\n");
    assert!(!reel.is_idle() && !stopped.is_finished());
    raw.send("0\r\n\r\n").await;
    assert_eq!(read_some(&mut raw, usize::MAX).await, "{\"end\":true}\n");
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_proxy_of_the_same_url_streams_over_a_session() {
    let (server, reel) = start().await;
    let url = server.host.url("feed").unwrap();
    let client = Host::builder().channel(HttpChannel::client());
    let client = client.start().await.unwrap();
    let feed: FeedProxy = client.get(&url).unwrap();
    let mut numbers = feed.play().await.unwrap();
    for number in 1..=100 {
        assert_eq!(numbers.next().await.unwrap().unwrap(), number);
    }
    drop(numbers);
    assert_eq!(feed.sum(Streaming::of(1..=3)).await.unwrap(), 6);
    until(|| reel.is_idle()).await;
}
