//! Lifetime: why an object at the server is still there, and when it goes.
//!
//! Five safes, and how each of them ends:
//!
//! - one under a name that nobody calls: when its lease is over;
//! - one under a name that is called: the call has renewed its lease;
//! - one under a name whose lease the client renews by itself, since it will not call for long;
//! - one with a sponsor: when the lease is over the server asks an object of the client;
//! - one that the client has activated: it is held, which is stronger than any lease, and goes the
//!   moment the proxy is dropped.
//!
//! `cargo run --example leases` starts a server process, which tells what it keeps and what it lets
//! go; `… -- server` and `… -- client URL` play the two sides by hand.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use remoting::prelude::*;
use remoting::{ErrorKind, GoneReason, LeaseInfo, LeasePolicy, LeaseState, Sponsor, SponsorProxy};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

/// The lease that each safe begins with, and how much a call adds.
const INITIAL: Duration = Duration::from_secs(2);
const BY_CALL: Duration = Duration::from_secs(600);
/// How long all of it may take: far longer than it does, so that what never happens is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

// ---- the contract, shared by client and server

/// Keeps a sum.
#[remote]
trait Safe {
    /// Builds a safe for the client that asks.
    #[constructor]
    async fn build() -> remoting::Result<Self>;

    /// Puts something in; gives how much there is.
    async fn put(&mut self, coins: u64) -> remoting::Result<u64>;
}

// ---- the server

#[derive(Default)]
struct Steel(u64);

impl Safe for Steel {
    async fn build() -> remoting::Result<Self> {
        Ok(Self::default())
    }

    async fn put(&mut self, coins: u64) -> remoting::Result<u64> {
        self.0 += coins;
        Ok(self.0)
    }
}

async fn server() -> anyhow::Result<()> {
    let policy = LeasePolicy::new().initial(INITIAL).renew_on_call(BY_CALL);
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .lease(policy)
        .start()
        .await?;
    let mut events = host.tracking();
    for name in ["forgotten", "called", "renewed", "sponsored"] {
        let safe = SafeDispatcher::new(Steel::default());
        host.marshal(
            name,
            safe.on_released(|steel: &Steel, reason| {
                println!("server: a safe with {} coins goes: {reason:?}", steel.0);
            }),
        )?;
    }
    host.publish("new", SafeDispatcher::<Steel>::activated())?;
    let url = host.url("new")?;
    println!("{}", url.trim_end_matches("/new"));

    let mut input = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            event = events.next() => {
                let event = event.context("the host is there")?;
                println!("server: {:?} {}", event.what, event.name.as_deref().unwrap_or("unnamed"));
            }
            // Each line asks for a report; the end of the input is the end.
            line = input.next_line() => match line? {
                Some(_) => host.leases().iter().for_each(|report| println!("server: keeps {report}")),
                None => return Ok(()),
            }
        }
    }
}

// ---- the client

/// Gives an object a little more time, three times.
#[derive(Clone, Default)]
struct Patron(Arc<AtomicUsize>);

impl Sponsor for Patron {
    async fn renewal(&self, lease: LeaseInfo) -> remoting::Result<Duration> {
        let asked = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        println!(
            "client: the sponsor is asked, time {asked}; the lease is {:?}",
            lease.state
        );
        Ok(if asked <= 3 {
            Duration::from_millis(300)
        } else {
            Duration::ZERO
        })
    }
}

async fn client(address: &str) -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;
    let safe = |name: &str| host.get::<SafeProxy>(&format!("{address}/{name}"));
    let (forgotten, called, renewed, sponsored) = (
        safe("forgotten")?,
        safe("called")?,
        safe("renewed")?,
        safe("sponsored")?,
    );

    called.put(5).await?;
    let left = remaining(&called).await?;
    println!("client: the call has renewed the lease to {left:?}");
    ensure!(left > INITIAL);

    renewed.lease().renew(Duration::from_secs(60)).await?;
    let left = remaining(&renewed).await?;
    println!("client: a lease was renewed to {left:?}");
    ensure!(left > INITIAL && left < BY_CALL);

    let patron = Patron::default();
    let sponsor = SponsorProxy::local(patron.clone());
    ensure!(
        sponsored.lease().register(sponsor, None).await?,
        "it has a sponsor"
    );

    let held = host
        .activate::<SafeProxy>(&format!("{address}/new"))
        .build()
        .await?;
    let clone = held.clone();
    ended(&forgotten).await?;
    ended(&sponsored).await?;
    let asked = patron.0.load(Ordering::Relaxed);
    println!("client: the sponsor was asked {asked} times, and then no more");
    ensure!(asked == 4);

    drop(held);
    ensure!(clone.put(1).await? == 1, "the safe is held by the clone");
    ensure!(
        called.put(5).await? == 10,
        "this safe is the one from before"
    );
    ensure!(renewed.put(7).await? == 7, "and so is this");
    println!("client: what was held, called or renewed is still there");
    Ok(())
}

/// How long the lease of a safe still runs. Asking is no call, so it renews nothing.
async fn remaining(safe: &SafeProxy) -> anyhow::Result<Duration> {
    let lease = safe.lease().info().await?;
    lease.remaining.context("it does not run for ever")
}

/// Waits until the lease of a safe is over, and calls it then.
async fn ended(safe: &SafeProxy) -> anyhow::Result<()> {
    loop {
        let lease = safe.lease().info().await;
        let is_over = |lease: &LeaseInfo| lease.state == LeaseState::Expired;
        match lease {
            Ok(lease) if !is_over(&lease) => tokio::time::sleep(Duration::from_millis(100)).await,
            Ok(_) => break,
            // Nothing has that name any more.
            Err(error) if matches!(error.kind(), ErrorKind::ObjectGone(_)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let error = safe.put(1).await.err().context("it is gone")?;
    println!("client: {error}");
    ensure!(error.kind() == ErrorKind::ObjectGone(GoneReason::LeaseExpired));
    Ok(())
}

// ---- both

/// Plays both sides: this process is the client.
async fn both() -> anyhow::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the server process starts")?;
    let output = child.stdout.take().context("the server has an output")?;
    let mut output = BufReader::new(output).lines();
    let address = output
        .next_line()
        .await?
        .context("the server says where it is")?;
    let (tell, mut lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(line)) = output.next_line().await {
            println!("{line}");
            let _ended = tell.send(line);
        }
    });
    client(&address).await?;

    // What the client held goes now that it is dropped; a report shows what is left.
    let mut input = child.stdin.take().context("the server has an input")?;
    let mut told = Vec::new();
    while let Some(line) = lines.recv().await {
        if line.ends_with("Released(Released) unnamed") {
            input.write_all(b"report\n").await?;
        }
        told.push(line);
        if told.iter().filter(|line| line.contains("keeps")).count() == 2 {
            break;
        }
    }
    drop(input);
    ensure!(child.wait().await?.success(), "the server ends well");
    for expected in [
        "Released(LeaseExpired) forgotten",
        "Released(LeaseExpired) sponsored",
        "keeps Safe `called`: Active, ",
        "keeps Safe `renewed`: Active, ",
    ] {
        ensure!(
            told.iter().any(|line| line.contains(expected)),
            "nobody told {expected:?}"
        );
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let played = tokio::time::timeout(PATIENCE, both()).await;
            played.context("something that was waited for has not happened")?
        }
        ["server"] => server().await,
        ["client", address] => client(address).await,
        _ => anyhow::bail!("usage: leases [server | client tcp://ADDRESS:PORT]"),
    }
}
