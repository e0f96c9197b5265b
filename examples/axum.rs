//! Objects inside an axum server: its routes call them, and other programs do below `/objects`.
//!
//! Shows
//!
//! - proxies in axum's `State`, one of an object of another program, and a route that calls them;
//! - the objects of this program mounted in the server, for `curl` and for proxies;
//! - what an error of a call becomes at a route of one's own;
//! - how server and host stop together.
//!
//! `cargo run --example axum` calls itself and ends; `cargo run --example axum -- serve` stays, so that
//! the commands it prints can be tried.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use remoting::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

// ---- the contracts

/// What a warehouse has.
#[remote]
trait Stock {
    /// Takes some of a thing, and gives how many are left.
    async fn take(&mut self, thing: &str, count: u32) -> Result<u32, StockError>;
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum StockError {
    #[error("only {left} left")]
    TooFew { left: u32 },
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

/// How much a shop has sold.
#[remote]
trait Till {
    async fn add(&self, count: u32) -> remoting::Result<u32>;
    #[readonly]
    async fn sold(&self) -> remoting::Result<u32>;
}

// ---- the warehouse, mostly another program

struct Shelf(HashMap<&'static str, u32>);

impl Stock for Shelf {
    async fn take(&mut self, thing: &str, count: u32) -> Result<u32, StockError> {
        let there = self
            .0
            .get_mut(thing)
            .ok_or(StockError::TooFew { left: 0 })?;
        *there = there
            .checked_sub(count)
            .ok_or(StockError::TooFew { left: *there })?;
        Ok(*there)
    }
}

async fn start_warehouse() -> anyhow::Result<Host> {
    let channel = TcpChannel::listen("127.0.0.1:0");
    let host = Host::builder().channel(channel).start().await?;
    let shelf = || Shelf(HashMap::from([("cup", 5), ("plate", 3)]));
    host.publish("stock", StockDispatcher::singleton(shelf))?;
    Ok(host)
}

// ---- the shop: a server of axum's with objects in it

#[derive(Default)]
struct Drawer(AtomicU32);

impl Till for Drawer {
    async fn add(&self, count: u32) -> remoting::Result<u32> {
        Ok(self
            .0
            .fetch_add(count, Ordering::SeqCst)
            .saturating_add(count))
    }

    async fn sold(&self) -> remoting::Result<u32> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

/// What the routes need: proxies, of an object that is far away and of one that is here.
#[derive(Clone)]
struct Shop {
    stock: StockProxy,
    till: TillProxy,
}

/// A route of the shop's own.
async fn buy(
    State(shop): State<Shop>,
    Path((thing, count)): Path<(String, u32)>,
) -> (StatusCode, String) {
    let bought = async {
        let left = shop.stock.take(&thing, count).await?;
        shop.till.add(count).await?;
        Ok(left)
    };
    match bought.await {
        Ok(left) => (StatusCode::OK, format!("{left} left")),
        Err(few @ StockError::TooFew { .. }) => (StatusCode::CONFLICT, few.to_string()),
        Err(StockError::Remoting(error)) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// A server that runs until it is told to stop.
struct Running {
    host: Host,
    address: String,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start_shop(warehouse: &str) -> anyhow::Result<Running> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let channel = HttpChannel::mounted(format!("http://{address}/objects"));
    let objects = channel.service();
    let host = Host::builder().channel(channel).start().await?;
    let till = TillDispatcher::new(Drawer::default());
    let shop = Shop {
        stock: remoting::connect(warehouse).await?,
        till: till.proxy(),
    };
    host.marshal("till", till)?;
    let app = Router::new()
        .route("/buy/{thing}/{count}", post(buy))
        .nest_service("/objects", objects)
        .with_state(shop);
    let (stop, stopped) = oneshot::channel();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async {
        let _told_or_gone = stopped.await;
    });
    Ok(Running {
        host,
        address,
        stop,
        server: tokio::spawn(serving.into_future()),
    })
}

// ---- clients

/// A client that knows nothing but HTTP: gives status and body.
async fn ask(server: &str, method: &str, target: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).context("no status")?.parse()?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok((status, body.to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let warehouse = start_warehouse().await?;
    let shop = start_shop(&warehouse.url("stock")?).await?;
    let server = &shop.address;

    for (target, expected) in [
        ("/buy/cup/2", (200, "3 left")),
        ("/buy/cup/4", (409, "only 3 left")),
        ("/buy/spoon/1", (409, "only 0 left")),
    ] {
        let (status, body) = ask(server, "POST", target).await?;
        println!("{target}: {status}, {body}");
        ensure!((status, body.as_str()) == expected);
    }

    // The object of the shop, as `curl` and as a proxy see it.
    let sold = ask(server, "GET", "/objects/till/sold").await?;
    println!("/objects/till/sold: {}", sold.1);
    ensure!(sold == (200, "2".to_owned()));
    let url = shop.host.url("till")?;
    let till: TillProxy = remoting::connect(&url).await?;
    println!("{url}: {} through a proxy", till.add(1).await?);
    ensure!(till.sold().await? == 3);
    let (_, described) = ask(server, "GET", "/objects/till?openapi").await?;
    ensure!(described.contains(r#""/till/sold""#));

    println!("\nto try, while `cargo run --example axum -- serve` runs:");
    println!("  curl -s -X POST http://{server}/buy/plate/1");
    println!("  curl -s http://{server}/objects/till/sold");
    println!("  curl -s http://{server}/objects/till/add -d '[5]'");
    println!("  curl -s 'http://{server}/objects/till?openapi'");

    if std::env::args().any(|argument| argument == "serve") {
        println!("\nserving until Ctrl-C");
        tokio::signal::ctrl_c().await?;
    }
    // First the objects, which answer 503 from now on and end what is under way; then the server.
    let now = std::future::ready(());
    let stopped = shop
        .host
        .run_until(now)
        .drain(Duration::from_secs(10))
        .await;
    ensure!(stopped.cut == 0);
    let refused = ask(server, "GET", "/objects/till/sold").await?;
    println!("\nstopped: the objects answer {}", refused.0);
    ensure!(refused.0 == 503);
    let _it_waits = shop.stop.send(());
    shop.server.await??;
    Ok(())
}
