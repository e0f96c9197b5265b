//! One object over TCP and HTTP at once: for proxies, for `curl`, for any language.
//!
//! Shows
//!
//! - one publication that is reached through two channels, and is one object;
//! - a typed error that arrives through both;
//! - a request as any program could write it, byte by byte;
//! - the `curl` commands to try.
//!
//! `cargo run --example http` calls itself and ends; `cargo run --example http -- serve` stays, so that
//! the commands it prints can be tried.

use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context, ensure};
use remoting::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

// ---- the contract, shared by client and server

/// A counter that does not go below zero.
#[remote]
trait Counter {
    /// The number now. It changes nothing, so HTTP may read it with GET.
    #[readonly]
    async fn value(&self) -> remoting::Result<i64>;

    /// Adds to it and gives what it is then.
    async fn add(&self, by: i64) -> Result<i64, CounterError>;
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
enum CounterError {
    #[error("only {left} left")]
    TooFew { left: i64 },
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

// ---- the server

#[derive(Default)]
struct Shared(AtomicI64);

impl Counter for Shared {
    async fn value(&self) -> remoting::Result<i64> {
        Ok(self.0.load(Ordering::SeqCst))
    }

    async fn add(&self, by: i64) -> Result<i64, CounterError> {
        let sum = |value: i64| value.checked_add(by).filter(|sum| *sum >= 0);
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, sum) {
            Ok(before) => Ok(before + by),
            Err(left) => Err(CounterError::TooFew { left }),
        }
    }
}

async fn start_server() -> anyhow::Result<Host> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .channel(HttpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.publish("counter", CounterDispatcher::singleton(Shared::default))?;
    Ok(host)
}

// ---- clients

/// A client that knows the trait: it adds one, through the channel that the URL names.
async fn call(url: &str) -> anyhow::Result<i64> {
    let counter: CounterProxy = remoting::connect(url).await?;
    let now = counter.add(1).await?;
    let error = counter.add(-100).await.unwrap_err();
    ensure!(error == CounterError::TooFew { left: now });
    println!("{url}: now {now}; taking 100: {error}");
    Ok(now)
}

/// A client that knows nothing but HTTP.
async fn ask(server: &str, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer
        .split_once("\r\n\r\n")
        .context("an answer without a body")?;
    Ok(body.1.to_owned())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host = start_server().await?;
    let urls = host.urls("counter");
    for (number, url) in (1..).zip(&urls) {
        ensure!(call(url).await? == number, "one object behind all channels");
    }

    let web = urls.iter().find_map(|url| url.strip_prefix("http://"));
    let server = web.and_then(|rest| rest.split('/').next());
    let server = server.context("no HTTP channel")?;
    let request = format!(
        "POST /counter/add HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nContent-Length: 4\r\n\r\n[10]"
    );
    println!("a request by hand: now {}", ask(server, &request).await?);

    println!("\nto try, while `cargo run --example http -- serve` runs:");
    println!("  curl -s http://{server}/counter/value");
    println!("  curl -s http://{server}/counter/add -d '[5]'");
    println!("  curl -s http://{server}/counter/add -d '{{\"by\":-100}}'");
    println!("  curl -s http://{server}/counter");
    println!("  curl -s http://{server}/.well-known/remoting");

    if std::env::args().any(|argument| argument == "serve") {
        println!("\nserving until Ctrl-C");
        host.run_until(tokio::signal::ctrl_c()).await;
    }
    Ok(())
}
