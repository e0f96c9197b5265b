//! What those may have who come by HTTP, without a session.

use remoting::prelude::*;
use remoting::{Host, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[remote]
trait Made {
    #[constructor]
    async fn anew() -> remoting::Result<Self>;
    /// Never ends.
    async fn wait(&self) -> remoting::Result<()>;
    /// Neither does this.
    async fn watch(&self) -> remoting::Result<Streaming<u64>>;
}

struct Thing;

impl Made for Thing {
    async fn anew() -> remoting::Result<Self> {
        Ok(Self)
    }

    async fn wait(&self) -> remoting::Result<()> {
        std::future::pending().await
    }

    async fn watch(&self) -> remoting::Result<Streaming<u64>> {
        Ok(Streaming::of(1..))
    }
}

async fn host(change: impl FnOnce(&mut Limits)) -> Host {
    let mut limits = Limits::default();
    change(&mut limits);
    let builder = Host::builder().limits(limits);
    let builder = builder.channel(HttpChannel::listen("127.0.0.1:0"));
    let host = builder.start().await.unwrap();
    let made = MadeDispatcher::<Thing>::activated();
    host.publish("made", made).unwrap();
    host.publish("thing", MadeDispatcher::singleton(|| Thing))
        .unwrap();
    host
}

/// Sends a request, and does not wait for its answer.
async fn send(host: &Host, path: &str, line: &str) -> TcpStream {
    let url = host.url("made").unwrap();
    let authority = url.split('/').nth(2).unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let request =
        format!("POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n{line}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn status(mut answering: TcpStream) -> String {
    let mut answer = String::new();
    answering.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Somebody who has objects made, and never gives one back.
pub async fn tickets() -> Host {
    let host = host(|limits| limits.tickets = 2).await;
    for expected in ["201", "201", "429"] {
        let answering = send(&host, "/made:anew", "").await;
        assert_eq!(status(answering).await, expected);
    }
    assert_eq!(host.kept_objects(), 2);
    host
}

/// Somebody whose calls are to be remembered, and never end.
pub async fn kept_answers() -> Host {
    let host = host(|limits| limits.kept_answers = 2).await;
    let mut waiting = Vec::new();
    while host.counters().kept_answers.get() == 0 {
        let key = format!("Idempotency-Key: {}\r\n", waiting.len());
        waiting.push(send(&host, "/thing/wait", &key).await);
        tokio::task::yield_now().await;
    }
    let refused = send(&host, "/thing/wait", "Idempotency-Key: one-more\r\n").await;
    assert_eq!(status(refused).await, "503");
    host
}

/// Somebody who has one stream after the other begun, and leaves it.
pub async fn lingering_streams() -> Host {
    let host = host(|limits| limits.lingering_streams = 2).await;
    while host.counters().lingering_streams.get() == 0 {
        let mut left = send(&host, "/thing/watch", "Accept: text/event-stream\r\n").await;
        let _begun = left.read_u8().await.unwrap();
    }
    host
}
