//! Pipelining: calls on what other calls are going to return, over a slow connection.
//!
//! Shows
//!
//! - a chain of ten calls, each on what the one before returns: ten round trips when each is awaited,
//!   one with `.pipelined()`;
//! - a pipelined proxy as an argument, which costs no round trip either;
//! - a first call that fails: none of those behind it runs, and their error says why;
//! - that the folders are let go when nobody needs them.
//!
//! `cargo run --example pipelining`; every answer of the server is delayed by 50 ms on its way.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use remoting::prelude::*;
use remoting::{Error, ErrorKind, Executed};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How long each answer is on its way.
const DELAY: Duration = Duration::from_millis(50);
/// How deep the folders are that are looked at.
const DEPTH: usize = 9;

// ---- the contract, shared by client and server

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum FolderError {
    #[error("there is no folder {0}")]
    Missing(String),
    #[error(transparent)]
    Remoting(#[from] Error),
}

#[remote]
trait Folder {
    async fn open(&self, name: &str) -> Result<FolderProxy, FolderError>;
    async fn size(&self) -> remoting::Result<u64>;
    /// How much larger this folder is than another one.
    async fn larger_than(&self, other: FolderProxy) -> remoting::Result<u64>;
}

// ---- the server

/// A folder whose size is its depth, in a tree without end.
struct Shelf {
    depth: u64,
    /// How many calls of `size` have run.
    asked: Arc<AtomicUsize>,
    /// Held once by each folder.
    alive: Arc<()>,
}

impl Folder for Shelf {
    async fn open(&self, name: &str) -> Result<FolderProxy, FolderError> {
        if name == "nothing" {
            return Err(FolderError::Missing(name.to_owned()));
        }
        Ok(FolderProxy::local(Shelf {
            depth: self.depth + 1,
            asked: Arc::clone(&self.asked),
            alive: Arc::clone(&self.alive),
        }))
    }

    async fn size(&self) -> remoting::Result<u64> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.depth)
    }

    async fn larger_than(&self, other: FolderProxy) -> remoting::Result<u64> {
        Ok(self.depth - other.size().await?)
    }
}

// ---- the client

async fn client(host: &Host, url: &str, asked: &AtomicUsize) -> anyhow::Result<()> {
    let root: FolderProxy = host.connect(url).await?;
    let nobody: FolderProxy = host.get(&url.replace("root", "nobody"))?;
    let begun = Instant::now();
    let mut folder = root.clone();
    for _ in 0..DEPTH {
        folder = folder.open("next").await?;
    }
    ensure!(folder.size().await? == DEPTH as u64);
    let awaited = begun.elapsed();
    println!("client: ten calls, each awaited: {awaited:.0?}");
    ensure!(awaited >= 10 * DELAY, "each of them is a round trip");

    let begun = Instant::now();
    let mut folder = root.clone();
    for _ in 0..DEPTH {
        folder = folder.open("next").pipelined();
    }
    ensure!(folder.size().await? == DEPTH as u64);
    let pipelined = begun.elapsed();
    println!("client: ten calls, pipelined: {pipelined:.0?}");
    ensure!(pipelined < awaited / 2, "all of them are one round trip");

    let near = root.open("a").pipelined();
    let far = root.open("b").pipelined().open("c").pipelined();
    let more = far.larger_than(near).await?;
    println!("client: the one is larger than the other by {more}");
    ensure!(more == 1);

    let before = asked.load(Ordering::SeqCst);
    let missing = root.open("nothing").pipelined();
    let below = missing.open("next").pipelined();
    let error = below.size().await.err().context("it has no size")?;
    println!("client: {error}");
    ensure!(error.kind() == ErrorKind::UpstreamFailed && error.executed() == Executed::No);
    // The interface's own error is seen by who awaits the first call itself.
    let error = root.open("nothing").await.err().context("it is missing")?;
    println!("client: {error}");
    // An error of the library's is the source of those that come from it.
    let error = nobody.open("next").pipelined().size().await;
    let error = error.err().context("nobody is there")?;
    let source = error.source().context("it comes from another error")?;
    let kind = source.downcast_ref::<Error>().map(Error::kind);
    println!("client: {error}, by {kind:?}");
    ensure!(kind == Some(ErrorKind::NotFound));
    println!(
        "server: {} sizes asked for meanwhile",
        asked.load(Ordering::SeqCst) - before
    );
    Ok(())
}

// ---- both, and a slow connection between them

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (asked, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let root = Shelf {
        depth: 0,
        asked: Arc::clone(&asked),
        alive: Arc::clone(&alive),
    };
    let server = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    server.marshal("root", FolderDispatcher::new(root))?;
    let host = Host::builder()
        .channel(TcpChannel::client())
        .start_client()?;
    let url = slowly(&server.url("root")?).await?;
    client(&host, &url, &asked).await?;

    let dropped = async {
        while Arc::strong_count(&alive) > 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), dropped).await?;
    println!("server: one folder is left");
    Ok(())
}

/// A way to the same place on which every answer is delayed.
async fn slowly(url: &str) -> anyhow::Result<String> {
    let rest = url.strip_prefix("tcp://").context("a URL of TCP")?;
    let (address, name) = rest.split_once('/').context("a URL with a name")?;
    let address = address.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("tcp://{}/{name}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(&address).await else {
                return;
            };
            // What is small leaves at once.
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let (from_client, to_client) = near.into_split();
            let (from_server, to_server) = far.into_split();
            tokio::spawn(relay(from_client, to_server, Duration::ZERO));
            tokio::spawn(relay(from_server, to_client, DELAY));
        }
    });
    Ok(url)
}

/// Passes bytes on, each so long after it has come.
async fn relay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let due = Instant::now() + delay;
        if sender.send((due, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}
