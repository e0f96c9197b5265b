//! Failover: a server dies and comes back, another stands in, and the client goes on.
//!
//! Shows
//!
//! - a server process that is killed under a call: what is known of that call then, and what is not;
//! - a client that waits for the server to come back, without a line of code for it;
//! - references into the dead process: they say that it was started anew, and never reach another object;
//! - two servers behind one URL: when one is gone, calls go to the other;
//! - a program that watches its connections come and go.
//!
//! `cargo run --example failover`

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use remoting::prelude::*;
use remoting::{ErrorKind, Executed, GoneReason};

// ---- the contract, shared by client and servers

/// Knows which server it lives in.
#[remote]
trait Desk {
    /// Opens a drawer of one's own.
    async fn open_drawer(&self) -> remoting::Result<DrawerProxy>;
    /// Which server answers.
    #[idempotent]
    async fn who(&self) -> remoting::Result<String>;
    /// Never ends.
    async fn ponder(&self) -> remoting::Result<()>;
}

#[remote]
trait Drawer {
    async fn put(&self, thing: &str) -> remoting::Result<u64>;
}

// ---- the servers

struct Clerk(String);

#[derive(Default)]
struct Tray(AtomicU64);

impl Desk for Clerk {
    async fn open_drawer(&self) -> remoting::Result<DrawerProxy> {
        Ok(DrawerProxy::local(Tray::default()))
    }

    async fn who(&self) -> remoting::Result<String> {
        Ok(self.0.clone())
    }

    async fn ponder(&self) -> remoting::Result<()> {
        std::future::pending().await
    }
}

impl Drawer for Tray {
    async fn put(&self, _thing: &str) -> remoting::Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Serves until it is killed.
async fn serve(name: &str, address: &str) -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::listen(address))
        .start()
        .await?;
    host.marshal("desk", DeskDispatcher::new(Clerk(name.to_owned())))?;
    let address = host.channel("tcp").and_then(|channel| channel.address());
    println!("{}", address.context("the channel listens")?);
    std::future::pending().await
}

/// A server in a process of its own. Dropped, it is killed.
struct Server {
    process: Child,
    /// `host:port`.
    address: String,
}

impl Server {
    fn start(name: &str, address: &str) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", name, address])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().context("it is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().trim_start_matches("tcp://").to_owned();
        ensure!(!address.is_empty(), "the server `{name}` did not start");
        Ok(Self { process, address })
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.kill();
    }
}

// ---- the client

/// One server, killed and started again.
async fn a_server_comes_back(client: &Host) -> anyhow::Result<()> {
    let mut server = Server::start("first", "127.0.0.1:0")?;
    let address = server.address.clone();
    let desk: DeskProxy = client.get(&format!("tcp://{address}/desk"))?;
    let drawer = desk.open_drawer().await?;
    ensure!(drawer.put("a pen").await? == 1);
    println!("client: {} has a drawer with one thing", desk.who().await?);

    let pondering = tokio::spawn(desk.ponder());
    desk.who().await?;
    server.kill()?;
    let error = pondering.await?.expect_err("it was killed");
    ensure!((error.kind(), error.executed()) == (ErrorKind::SessionLost, Executed::Unknown));
    println!("client: the call that was under way: {error}");

    // Calls wait for a server: this one is answered by a process that is not there yet.
    let waiting = tokio::spawn(desk.who());
    let _server = Server::start("second", &address)?;
    println!("client: {} answers at the same address", waiting.await??);

    let error = drawer
        .put("a pencil")
        .await
        .expect_err("the drawer is gone");
    ensure!(
        error.kind() == ErrorKind::ObjectGone(GoneReason::ServerRestarted),
        "{error:?}"
    );
    ensure!(error.executed() == Executed::No);
    println!("client: the drawer: {error}");
    ensure!(desk.open_drawer().await?.put("a pencil").await? == 1);
    Ok(())
}

/// Two servers behind one URL, of which one is killed.
async fn another_stands_in(client: &Host) -> anyhow::Result<()> {
    let mut left = Server::start("left", "127.0.0.1:0")?;
    let right = Server::start("right", "127.0.0.1:0")?;
    let desk: DeskProxy = client.get(&format!("tcp://{},{}/desk", left.address, right.address))?;
    ensure!(desk.who().await? == "left");
    left.kill()?;
    let mut answered = desk.who().await;
    if matches!(&answered, Err(error) if error.executed() == Executed::Unknown) {
        // It left before the loss was noticed. Asking for a name once more does no harm.
        answered = desk.who().await;
    }
    ensure!(answered? == "right");
    println!("client: when the left one was killed, the right one answered");
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, name, address] = &arguments[..] {
        ensure!(
            mode == "serve",
            "`{mode}` is nothing that this program does"
        );
        return serve(name, address).await;
    }
    let client = Host::builder()
        .channel(TcpChannel::client())
        .connect_policy(ConnectPolicy::Wait)
        .start()
        .await?;
    let mut events = client.connection_events();
    a_server_comes_back(&client).await?;
    another_stands_in(&client).await?;
    client.shutdown();
    drop(client);
    while let Some(event) = events.next().await {
        println!("event: {event}");
    }
    Ok(())
}
