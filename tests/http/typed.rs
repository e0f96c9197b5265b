//! Proxies over HTTP, where the contract's own tests do not look.

use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::calc::{CalcProxy, Server};

async fn client() -> Host {
    let builder = Host::builder().channel(HttpChannel::client());
    builder.start().await.unwrap()
}

/// A server that reads a request, or what comes of it, and sends this.
async fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/calc", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _request = stream.read(&mut [0; 4096]).await;
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_dropped_call_is_given_up_at_the_server() {
    let server = Server::start().await;
    let client = client().await;
    let calc: CalcProxy = client.get(&server.host.url("calc").unwrap()).unwrap();
    let call = tokio::spawn(async move { calc.wait().await });
    server.calc.waiting.notified().await;
    call.abort();
    server.calc.given_up.notified().await;
}

#[tokio::test]
async fn an_answer_that_never_came_leaves_open_whether_code_ran() {
    let client = client().await;
    let calc: CalcProxy = client.get(&stranger("").await).unwrap();
    let error = calc.add(2, 3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
    assert_eq!(error.executed(), Executed::Unknown);
}

#[tokio::test]
async fn a_server_that_is_none_of_ours_is_told_apart() {
    let client = client().await;
    for answer in [
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
    ] {
        let calc: CalcProxy = client.get(&stranger(answer).await).unwrap();
        let error = calc.add(2, 3).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert_eq!(error.executed(), Executed::Unknown);
    }
    let calc: CalcProxy = client.get(&stranger("SSH-2.0-OpenSSH\r\n").await).unwrap();
    let error = calc.add(2, 3).await.unwrap_err();
    assert_eq!(error.executed(), Executed::Unknown, "{error}");
}

/// What comes of a call that is answered so.
async fn error_of(answer: &'static str) -> (ErrorKind, Executed) {
    let client = client().await;
    let calc: CalcProxy = client.get(&stranger(answer).await).unwrap();
    let call = calc.add(2, 3).deadline(Duration::from_secs(20));
    let error = call.await.unwrap_err();
    (error.kind(), error.executed())
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_and_what_its_head_says_counts() {
    let of_anybody = "HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 99999999999\r\n\r\n";
    let error = error_of(of_anybody).await;
    assert_eq!(error, (ErrorKind::TooLarge, Executed::Unknown));
    let of_a_host = "HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 99999999999\r\n\
        Remoting-Executed: yes\r\n\r\n";
    let error = error_of(of_a_host).await;
    assert_eq!(error, (ErrorKind::TooLarge, Executed::Yes));
}

#[tokio::test]
async fn an_answer_whose_end_does_not_come_is_a_connection_that_broke() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 10\r\n\
        Remoting-Executed: yes\r\n\r\nabc";
    let error = error_of(answer).await;
    assert_eq!(error, (ErrorKind::Disconnected, Executed::Unknown));
}

#[remote]
trait Desk {
    /// Has somebody else add.
    async fn add_by(&self, calc: CalcProxy, a: i64, b: i64) -> remoting::Result<i64>;
}

struct Clerk;

impl Desk for Clerk {
    async fn add_by(&self, calc: CalcProxy, a: i64, b: i64) -> remoting::Result<i64> {
        calc.add(a, b).await
    }
}

#[tokio::test]
async fn a_proxy_of_http_can_be_handed_on_over_another_channel() {
    let server = Server::start().await;
    let builder = Host::builder().channel(TcpChannel::listen("127.0.0.1:0"));
    let office = builder.start().await.unwrap();
    office
        .publish("desk", DeskDispatcher::singleton(|| Clerk))
        .unwrap();
    let builder = Host::builder().channel(HttpChannel::client());
    let builder = builder.channel(TcpChannel::client());
    let client = builder.start().await.unwrap();
    let calc: CalcProxy = client.get(&server.host.url("calc").unwrap()).unwrap();
    let desk: DeskProxy = client.get(&office.url("desk").unwrap()).unwrap();
    // The desk has no channel for HTTP: its call goes by the client, which knows the method by its number.
    assert_eq!(desk.add_by(calc, 2, 3).await.unwrap(), 5);
}
