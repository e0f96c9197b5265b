//! An interface with all kinds of methods, its server and clients, and sinks that keep a record.

use std::sync::{Arc, Mutex};

use remoting::prelude::*;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next, Side};
use remoting::{Error, ErrorKind, HostBuilder};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum DeskError {
    #[error("closed")]
    Closed,
    #[error(transparent)]
    Remoting(#[from] Error),
}

#[remote(name = "sinks.Listener")]
pub trait Listener {
    async fn tell(&self, text: &str) -> remoting::Result<()>;
}

#[remote(name = "sinks.Desk")]
pub trait Desk {
    #[constructor]
    async fn open(name: &str) -> Result<Self, DeskError>;
    async fn header(&self, name: &str) -> remoting::Result<Option<String>>;
    async fn count(&mut self) -> remoting::Result<u64>;
    async fn count_slowly(&mut self) -> remoting::Result<u64>;
    async fn fail(&self) -> Result<(), DeskError>;
    async fn panic(&self) -> remoting::Result<()>;
    async fn wait(&self) -> remoting::Result<()>;
    #[blocking]
    async fn block(&self, of: &[u8]) -> remoting::Result<usize>;
    #[oneway]
    async fn note(&self, text: String) -> remoting::Result<()>;
    async fn call_back(&self, listener: ListenerProxy) -> remoting::Result<ListenerProxy>;
}

/// For whom objects were made, by all tests: others go on at the same time.
pub static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Default)]
pub struct Clerk {
    count: u64,
}

impl Desk for Clerk {
    async fn open(name: &str) -> Result<Self, DeskError> {
        MADE.lock().unwrap().push(name.to_owned());
        Ok(Self::default())
    }
    async fn header(&self, name: &str) -> remoting::Result<Option<String>> {
        let context = CallContext::current().unwrap();
        Ok(context.header(name).map(str::to_owned))
    }
    async fn count(&mut self) -> remoting::Result<u64> {
        self.count += 1;
        Ok(self.count)
    }
    async fn count_slowly(&mut self) -> remoting::Result<u64> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.count += 1;
        Ok(self.count)
    }
    async fn fail(&self) -> Result<(), DeskError> {
        Err(DeskError::Closed)
    }
    async fn panic(&self) -> remoting::Result<()> {
        panic!("the clerk has had enough")
    }
    async fn wait(&self) -> remoting::Result<()> {
        std::future::pending().await
    }
    async fn block(&self, of: &[u8]) -> remoting::Result<usize> {
        Ok(of.len())
    }
    async fn note(&self, _text: String) -> remoting::Result<()> {
        Ok(())
    }
    async fn call_back(&self, listener: ListenerProxy) -> remoting::Result<ListenerProxy> {
        listener.tell("here").await?;
        Ok(listener)
    }
}

/// What sinks have seen, in order.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Vec<String>>>);

impl Record {
    pub fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// A sink that keeps a record of calls and replies, and adds itself to the header `way`, and to `back` of the reply.
    pub fn sink(&self, name: &'static str) -> Recording {
        Recording {
            name,
            record: self.clone(),
        }
    }
}

pub struct Recording {
    name: &'static str,
    record: Record,
}

impl MessageSink for Recording {
    async fn process(&self, mut call: MethodCall, next: Next<'_>) -> MethodReply {
        let name = self.name;
        let side = match call.side() {
            Side::Client => 'c',
            Side::Server => 's',
        };
        let what = format!("{}::{}", call.interface(), call.method());
        self.record.add(format!("{name}{side}> {what}"));
        let way = call.header("way").unwrap_or_default().to_owned();
        call.headers.retain(|(name, _)| name != "way");
        call.headers
            .push(("way".to_owned(), format!("{way}{name}")));
        let mut reply = next.run(call).await;
        let back = reply.header("back").unwrap_or_default();
        let back = format!("{back}{name}");
        reply.set_header("back", back).unwrap();
        let ended = match (reply.is_ok(), reply.error()) {
            (true, _) => "ok".to_owned(),
            (false, None) => "their error".to_owned(),
            (false, Some(error)) => format!("{:?} {:?}", error.kind(), error.executed()),
        };
        self.record.add(format!("{name}{side}< {ended}"));
        reply
    }
}

/// A sink of a function that decides before the call.
pub struct Before<F>(pub F);

impl<F> MessageSink for Before<F>
where
    F: Fn(&mut MethodCall) -> Option<MethodReply> + Send + Sync + 'static,
{
    async fn process(&self, mut call: MethodCall, next: Next<'_>) -> MethodReply {
        match (self.0)(&mut call) {
            Some(reply) => reply,
            None => next.run(call).await,
        }
    }
}

/// Does not wait for calls of one method.
pub struct Hasty(pub &'static str);

impl MessageSink for Hasty {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        if call.method() != self.0 {
            return next.run(call).await;
        }
        tokio::select! {
            biased;
            reply = next.run(call) => reply,
            () = tokio::task::yield_now() => Error::new(ErrorKind::DeadlineExceeded, "too slow").into(),
        }
    }
}

/// Tells when a call has come, and when it was left in the middle.
#[derive(Clone, Default)]
pub struct Watching(pub Arc<Notify>, pub Arc<Notify>);

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl MessageSink for Watching {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        self.0.notify_one();
        let _left = OnDrop(Arc::clone(&self.1));
        next.run(call).await
    }
}

/// The ways to a server: sessions over TCP and WebSocket, and single requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Tcp,
    WebSocket,
    Http,
}

pub const WAYS: [Way; 3] = [Way::Tcp, Way::WebSocket, Way::Http];

/// A server with a desk under `desk`, and desks for clients under `desks`.
pub async fn server(builder: HostBuilder) -> Host {
    let host = listening(builder).await;
    let desk = DeskDispatcher::singleton(Clerk::default);
    host.publish("desk", desk).unwrap();
    host.publish("desks", DeskDispatcher::<Clerk>::activated())
        .unwrap();
    host
}

pub async fn listening(builder: HostBuilder) -> Host {
    let builder = builder
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .channel(HttpChannel::listen("127.0.0.1:0"));
    builder.start().await.unwrap()
}

pub fn client(builder: HostBuilder) -> Host {
    let builder = builder
        .channel(TcpChannel::client())
        .channel(HttpChannel::client());
    builder.start_client().unwrap()
}

/// A server and a client of it in one process, without sockets, for tests that move the clock.
pub async fn near(name: &str, server: HostBuilder, client: HostBuilder) -> (Host, Host) {
    let server = server.channel(InProcessChannel::listen(name));
    let client = client.channel(InProcessChannel::client());
    (
        server.start().await.unwrap(),
        client.start_client().unwrap(),
    )
}

/// Lets all that can go on do so, without moving the clock.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

impl Way {
    pub fn url(self, server: &Host, name: &str) -> String {
        let channel = if self == Self::Tcp { "tcp" } else { "http" };
        let url = server.channel(channel).unwrap().url(name).unwrap();
        match self {
            Self::WebSocket => url.replacen("http://", "ws://", 1),
            Self::Tcp | Self::Http => url,
        }
    }

    pub fn desk(self, client: &Host, server: &Host) -> DeskProxy {
        client.get(&self.url(server, "desk")).unwrap()
    }
}
