//! A server, a line to it that fails when it is told to, and a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remoting::prelude::*;
use remoting::testing::{FaultProxy, Lane, Trouble};
use remoting::{ChannelHandle, Limits};
use tokio::sync::Semaphore;

pub use crate::until::until;

#[remote]
pub trait Ledger {
    #[constructor]
    async fn open(start: u64) -> remoting::Result<Self>;
    /// Adds one, and gives how many there are.
    async fn next(&self) -> remoting::Result<u64>;
    /// Waits until it is let out, and then adds one.
    async fn wait(&self) -> remoting::Result<u64>;
    async fn echo(&self, bytes: Vec<u8>) -> remoting::Result<Vec<u8>>;
    async fn count_to(&self, most: u64) -> remoting::Result<Streaming<u64>>;
    async fn sum(&self, numbers: Streaming<u64>) -> remoting::Result<u64>;
    /// Tells a listener all numbers up to `most`, one after the other.
    async fn tell(&self, listener: ListenerProxy, most: u64) -> remoting::Result<u64>;
}

#[remote]
pub trait Listener {
    async fn hear(&self, number: u64) -> remoting::Result<()>;
}

#[derive(Clone, Default)]
pub struct Book {
    pub count: Arc<AtomicU64>,
    pub doors: Arc<Doors>,
}

/// Where calls wait until the test lets them out.
pub struct Doors {
    pub entered: Semaphore,
    pub out: Semaphore,
}

impl Default for Doors {
    fn default() -> Self {
        let [entered, out] = [0; 2].map(Semaphore::new);
        Self { entered, out }
    }
}

impl Ledger for Book {
    async fn open(start: u64) -> remoting::Result<Self> {
        let book = Self::default();
        book.count.store(start, Ordering::SeqCst);
        Ok(book)
    }

    async fn next(&self) -> remoting::Result<u64> {
        Ok(self.count.fetch_add(1, Ordering::SeqCst) + 1)
    }

    async fn wait(&self) -> remoting::Result<u64> {
        self.doors.entered.add_permits(1);
        self.doors.out.acquire().await.expect("open").forget();
        self.next().await
    }

    async fn echo(&self, bytes: Vec<u8>) -> remoting::Result<Vec<u8>> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Ok(bytes)
    }

    async fn count_to(&self, most: u64) -> remoting::Result<Streaming<u64>> {
        Ok(Streaming::of(1..=most))
    }

    async fn sum(&self, mut numbers: Streaming<u64>) -> remoting::Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    }

    async fn tell(&self, listener: ListenerProxy, most: u64) -> remoting::Result<u64> {
        for number in 1..=most {
            listener.hear(number).await?;
        }
        Ok(most)
    }
}

/// Hears numbers, and minds their order.
#[derive(Clone, Default)]
pub struct Ear(pub Arc<AtomicU64>);

impl Listener for Ear {
    async fn hear(&self, number: u64) -> remoting::Result<()> {
        let before = self.0.swap(number, Ordering::SeqCst);
        assert_eq!(before + 1, number, "each once, and in order");
        Ok(())
    }
}

/// The channels over which sessions come back.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    Tcp,
    WebSocket,
}

pub struct Ground {
    pub server: Host,
    pub client: Host,
    pub line: FaultProxy,
    pub book: Book,
    way: Way,
}

impl Ground {
    pub async fn new(way: Way) -> Self {
        Self::with(way, Limits::default()).await
    }

    /// - `limits`: those of both sides.
    pub async fn with(way: Way, limits: Limits) -> Self {
        Self::between(way, limits.clone(), limits).await
    }

    /// - `limits`: those of the client.
    pub async fn between(way: Way, of_server: Limits, limits: Limits) -> Self {
        let book = Book::default();
        let server = serve(way, of_server, &book, "127.0.0.1:0").await;
        let line = FaultProxy::to(address(&server)).start().await.unwrap();
        Self {
            server,
            client: client(limits).await,
            line,
            book,
            way,
        }
    }

    /// The URL of a name, by the line that fails.
    pub fn url(&self, name: &str) -> String {
        url(self.way, self.line.addr(), name)
    }

    /// Has the line carry nothing from now on, over connections that it takes all the same, and cuts those that there are.
    /// Gives back when the client has dialled again.
    pub async fn go_silent(&self) {
        for lane in [Lane::ToServer, Lane::ToClient] {
            let stalled = Trouble::none().stall_after(0);
            self.line.set_new(lane, stalled);
        }
        let before = self.line.connections();
        self.line.cut_all();
        until(|| self.line.connections() > before).await;
    }

    /// A ledger of the client's own.
    pub async fn own_ledger(&self, start: u64) -> LedgerProxy {
        let ledgers = self.client.activate::<LedgerProxy>(&self.url("ledgers"));
        ledgers.open(start).await.unwrap()
    }

    pub async fn ledger(&self) -> LedgerProxy {
        self.client.connect(&self.url("ledger")).await.unwrap()
    }
}

pub fn url(way: Way, address: SocketAddr, name: &str) -> String {
    match way {
        Way::Tcp => format!("tcp://{address}/{name}"),
        Way::WebSocket => format!("ws://{address}/{name}"),
    }
}

pub async fn client(limits: Limits) -> Host {
    Host::builder()
        .limits(limits)
        .channel(TcpChannel::client())
        .channel(HttpChannel::client())
        .start()
        .await
        .unwrap()
}

/// Starts a server that offers a book, and others to be opened.
pub async fn serve(way: Way, limits: Limits, book: &Book, at: &str) -> Host {
    let builder = Host::builder().limits(limits);
    let builder = match way {
        Way::Tcp => builder.channel(TcpChannel::listen(at).named("main")),
        Way::WebSocket => builder.channel(HttpChannel::listen(at).named("main")),
    };
    let host = builder.start().await.unwrap();
    host.marshal("ledger", LedgerDispatcher::new(book.clone()))
        .unwrap();
    host.publish("ledgers", LedgerDispatcher::<Book>::activated())
        .unwrap();
    host
}

pub fn address(host: &Host) -> String {
    let channel: ChannelHandle = host.channel("main").unwrap();
    channel.address().unwrap()
}
