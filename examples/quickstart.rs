//! Objects in another process: the shortest complete program.
//!
//! `cargo run --example quickstart` starts a server process and calls it.
//! `… -- server` and `… -- client URL` play the two sides by hand.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use remoting::prelude::*;

// ---- the contract, shared by client and server

/// Counts.
#[remote]
pub trait Counter {
    /// Makes a counter that starts at `first`, for the client that asks.
    #[constructor]
    async fn starting_at(first: u32) -> remoting::Result<Self>;

    /// Counts one on and tells the process that did.
    async fn next(&self) -> remoting::Result<(u32, u32)>;
}

// ---- the server

struct Tally(AtomicU32);

impl Counter for Tally {
    async fn starting_at(first: u32) -> remoting::Result<Self> {
        Ok(Self(AtomicU32::new(first)))
    }

    async fn next(&self) -> remoting::Result<(u32, u32)> {
        Ok((self.0.fetch_add(1, Ordering::Relaxed), std::process::id()))
    }
}

async fn server() -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.publish(
        "singleton",
        CounterDispatcher::singleton(|| Tally(AtomicU32::new(1))),
    )?;
    host.publish(
        "single-call",
        CounterDispatcher::single_call(|| Tally(AtomicU32::new(1))),
    )?;
    host.publish("activated", CounterDispatcher::<Tally>::activated())?;
    let address = host
        .channel("tcp")
        .and_then(|channel| channel.address())
        .context("the channel listens")?;
    println!("{address}");
    // Serve until whoever started this process goes away.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
    Ok(())
}

// ---- the client

async fn client(address: &str) -> anyhow::Result<()> {
    println!("client: process {}", std::process::id());
    // Two hosts, so two clients: each has a connection of its own.
    let first = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;
    let second = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;

    let counts = two_clients(&first, &second, &format!("{address}/singleton")).await?;
    println!(
        "singleton: the first client counts {}, the second {}",
        counts.0, counts.1
    );
    ensure!(
        counts == (1, 2),
        "a singleton is one object for all clients"
    );

    let counts = two_clients(&first, &second, &format!("{address}/single-call")).await?;
    println!(
        "single call: the first client counts {}, the second {}",
        counts.0, counts.1
    );
    ensure!(
        counts == (1, 1),
        "a single-call object is new for each call"
    );

    let url = format!("{address}/activated");
    let from_ten = first.activate::<CounterProxy>(&url).starting_at(10).await?;
    let from_fifty = second
        .activate::<CounterProxy>(&url)
        .starting_at(50)
        .await?;
    from_ten.next().await?;
    let (ten, server) = from_ten.next().await?;
    let (fifty, _) = from_fifty.next().await?;
    println!("activated: the object from 10 counts {ten}, the object from 50 {fifty}");
    ensure!(
        (ten, fifty) == (11, 50),
        "an activated object is its client's own"
    );
    println!("server: process {server}");
    ensure!(
        server != std::process::id(),
        "the objects live in another process"
    );
    Ok(())
}

async fn two_clients(first: &Host, second: &Host, url: &str) -> anyhow::Result<(u32, u32)> {
    let (one, _) = first.get::<CounterProxy>(url)?.next().await?;
    let (two, _) = second.get::<CounterProxy>(url)?.next().await?;
    Ok((one, two))
}

// ---- both

/// Starts this program again as the server and reads the address that it prints first.
fn start_server() -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the server process starts")?;
    let mut address = String::new();
    BufReader::new(child.stdout.take().context("the server has an output")?)
        .read_line(&mut address)?;
    ensure!(!address.is_empty(), "the server ended before it was ready");
    Ok((child, address.trim().to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let (mut child, address) = start_server()?;
            let result = client(&address).await;
            drop(child.stdin.take());
            child.wait()?;
            result
        }
        ["server"] => server().await,
        ["client", address] => client(address).await,
        _ => anyhow::bail!("usage: quickstart [server | client tcp://ADDRESS:PORT]"),
    }
}
