//! Sessions over HTTP: who gets one, and what proxies of `http://` do with it.

use std::sync::Arc;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ConnectionChange, ErrorKind, Executed, Limits};
use remoting_core::wire::{Hello, RESUMES, write_hello};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::calc::{CalcProxy, Server};
use crate::raw::{Answer, Raw, ask};

#[remote]
trait Listener {
    async fn heard(&self, text: &str) -> remoting::Result<usize>;
}

#[remote]
trait Street {
    /// Calls back.
    async fn cry(&self, listener: ListenerProxy) -> remoting::Result<usize>;
    /// Tells who called: one connection after the other has its own address.
    async fn peer(&self) -> remoting::Result<String>;
}

#[remote]
trait Count {
    #[constructor]
    async fn from(start: u32) -> remoting::Result<Self>;
    async fn next(&mut self) -> remoting::Result<u32>;
}

struct Ear;

impl Listener for Ear {
    async fn heard(&self, text: &str) -> remoting::Result<usize> {
        Ok(text.len())
    }
}

struct Corner;

impl Street for Corner {
    async fn cry(&self, listener: ListenerProxy) -> remoting::Result<usize> {
        listener.heard("hot pies").await
    }

    async fn peer(&self) -> remoting::Result<String> {
        let context = CallContext::current();
        Ok(context.map_or_else(String::new, |context| context.peer().to_string()))
    }
}

struct Tally(u32);

impl Count for Tally {
    async fn from(start: u32) -> remoting::Result<Self> {
        Ok(Self(start))
    }

    async fn next(&mut self) -> remoting::Result<u32> {
        self.0 += 1;
        Ok(self.0)
    }
}

async fn client() -> Host {
    let builder = Host::builder().channel(HttpChannel::client());
    builder.start().await.unwrap()
}

/// A request for a session, with these lines in the place of the usual ones of the same name.
fn opening(lines: &[&str]) -> String {
    let usual = [
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: rmt1.msgpack",
    ];
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let kept = usual
        .iter()
        .filter(|line| lines.iter().all(|own| name(own) != name(line)));
    let all: String = kept
        .chain(lines)
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!("GET /$session HTTP/1.1\r\n{all}\r\n")
}

async fn asked(server: &Server, lines: &[&str]) -> Answer {
    ask(&server.authority, &opening(lines)).await.unwrap()
}

#[tokio::test]
async fn a_proxy_opens_a_session_for_what_needs_one_and_for_nothing_else() {
    let server = Server::start().await;
    server
        .host
        .publish("street", StreetDispatcher::singleton(|| Corner))
        .unwrap();
    server
        .host
        .publish("counts", CountDispatcher::<Tally>::activated())
        .unwrap();
    let client = client().await;
    let street: StreetProxy = client.get(&server.host.url("street").unwrap()).unwrap();
    street.peer().await.unwrap();
    assert_eq!(
        client.open_connections(),
        0,
        "a plain call needs no session"
    );
    assert_eq!(street.cry(ListenerProxy::local(Ear)).await.unwrap(), 8);
    assert_eq!(client.open_connections(), 1);
    let counts = client.activate::<CountProxy>(&server.host.url("counts").unwrap());
    let count = counts.from(4).await.unwrap();
    assert_eq!(count.next().await.unwrap(), 5);
    assert_eq!(client.open_connections(), 1, "one session is enough");
    drop(count);
    while server.host.kept_objects() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_url_of_sessions_names_the_same_object() {
    let server = Server::start().await;
    let client = client().await;
    let url = format!("ws://{}/calc", server.authority);
    let calc: CalcProxy = client.connect(&url).await.unwrap();
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);
    assert_eq!(client.open_connections(), 1);
    assert_eq!(server.host.open_connections(), 1);
}

#[tokio::test]
async fn a_request_for_a_session_is_answered_as_the_standard_says() {
    let server = Server::start().await;
    let answer = asked(&server, &[]).await;
    // The key and its answer stand in RFC 6455, section 1.3.
    let accept = answer.header("sec-websocket-accept");
    assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let protocol = answer.header("sec-websocket-protocol");
    assert_eq!((answer.status, protocol), (101, Some("rmt1.msgpack")));
    let json = asked(&server, &["Sec-WebSocket-Protocol: chat, rmt1.json"]).await;
    assert_eq!(json.header("sec-websocket-protocol"), Some("rmt1.json"));
}

#[tokio::test]
async fn who_is_not_let_in_gets_no_session_either() {
    let server = Server::start().await;
    for (status, line) in [
        (403, "Origin: https://evil.example"),
        (403, "Sec-Fetch-Site: cross-site"),
        (421, "Host: evil.example"),
        (426, "Upgrade: h2c"),
        (426, "Connection: keep-alive"),
        (426, "Sec-WebSocket-Version: 8"),
        (426, "Sec-WebSocket-Key:"),
        (400, "Sec-WebSocket-Protocol: chat"),
    ] {
        assert_eq!(asked(&server, &[line]).await.status, status, "{line}");
    }
    let post = opening(&[]).replacen("GET", "POST", 1);
    assert_eq!(ask(&server.authority, &post).await.unwrap().status, 405);
}

#[tokio::test]
async fn who_does_not_speak_in_its_session_is_a_stranger_still() {
    let mut limits = Limits::default();
    limits.handshakes = 1;
    // The other one comes meanwhile.
    limits.handshake_time = Duration::from_secs(2);
    let server = Server::with(HttpChannel::listen("127.0.0.1:0"), limits).await;
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&opening(&[])).await;
    assert_eq!(raw.answer().await.unwrap().status, 101);
    let turned_away = ask(&server.authority, &opening(&[])).await.unwrap();
    assert_eq!(turned_away.status, 503);
    // What the server still says is read; then it has closed.
    let mut rest = Vec::new();
    raw.0.read_to_end(&mut rest).await.unwrap();
    assert_eq!(server.host.counters().handshake_time.get(), 1);
    while ask(&server.authority, &opening(&[])).await.unwrap().status != 101 {}
}

#[tokio::test]
async fn a_session_of_nonsense_is_ended_and_the_server_goes_on() {
    let server = Server::start().await;
    // A text; no bytes; a frame of an unknown kind; one that no client masks; one far too long.
    let masked = |head: &[u8], body: &[u8]| [head, &[0; 4], body].concat();
    for message in [
        masked(&[0x81, 0x82], b"hi"),
        masked(&[0x82, 0x80], b""),
        masked(&[0x82, 0x81], &[0x17]),
        [&[0x82, 0x01][..], &[0]].concat(),
        masked(&[0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0], b""),
        masked(&[0x83, 0x81], &[0]),
    ] {
        let mut raw = Raw::connect(&server.authority).await;
        raw.send(&opening(&[])).await;
        assert_eq!(raw.answer().await.unwrap().status, 101);
        raw.0.write_all(&message).await.unwrap();
        let mut rest = Vec::new();
        let _reset = raw.0.read_to_end(&mut rest).await;
    }
    while server.host.open_connections() > 0 {
        tokio::task::yield_now().await;
    }
    let client = client().await;
    let calc: CalcProxy = client
        .get(&format!("ws://{}/calc", server.authority))
        .unwrap();
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);
}

#[tokio::test]
async fn a_session_that_turns_to_nonsense_does_not_wait_for_another_connection() {
    let server = Server::start().await;
    let mut hello = Vec::new();
    let greeting = Hello {
        features: RESUMES,
        resume_ms: 60_000,
        ..Hello::default()
    };
    write_hello(&mut hello, &greeting);
    // A message goes without the length of its frame.
    let hello = &hello[3..];
    let length = 0x80 | u8::try_from(hello.len()).unwrap();
    assert!(length < 0x80 | 126);
    for nonsense in [&[0x81, 0x80, 0, 0, 0, 0][..], &[0x83, 0x80, 0, 0, 0, 0]] {
        let mut events = server.host.connection_events();
        let mut raw = Raw::connect(&server.authority).await;
        raw.send(&opening(&[])).await;
        assert_eq!(raw.answer().await.unwrap().status, 101);
        let head = [0x82, length, 0, 0, 0, 0];
        raw.0.write_all(&[&head, hello].concat()).await.unwrap();
        let connected = events.next().await.unwrap().what;
        assert_eq!(connected, ConnectionChange::Connected);
        raw.0.write_all(nonsense).await.unwrap();
        let what = events.next().await.unwrap().what;
        assert!(matches!(&what, ConnectionChange::Ended(_)), "{what:?}");
    }
}

#[tokio::test]
async fn a_server_without_sessions_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/calc", listener.local_addr().unwrap());
    let answers = Arc::new([
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0\r\n",
    ]);
    tokio::spawn(async move {
        for answer in answers.iter().cycle() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _request = stream.read(&mut [0; 4096]).await;
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    let client = client().await;
    let calc: CalcProxy = client.get(&url).unwrap();
    let error = calc.add(2, 3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error}");
    assert_eq!(error.executed(), Executed::No);
    assert!(error.message().contains("HTTP status 404"), "{error}");
    let error = calc.add(2, 3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error}");
}
