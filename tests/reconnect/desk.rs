//! A server that can be killed, and comes back at the port that it had.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ConnectPolicy, Limits};
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

pub use crate::until::until;

#[remote]
pub trait Desk {
    #[constructor]
    async fn open() -> remoting::Result<Self>;
    /// The name of the server.
    async fn name(&self) -> remoting::Result<String>;
    /// Ends when the test says so.
    #[detached]
    async fn wait(&self) -> remoting::Result<u32>;
}

#[derive(Clone)]
pub struct Clerk {
    name: String,
    pub entered: Arc<Semaphore>,
    pub door: Arc<Semaphore>,
}

impl Desk for Clerk {
    async fn open() -> remoting::Result<Self> {
        Ok(Self::new("opened"))
    }

    async fn name(&self) -> remoting::Result<String> {
        Ok(self.name.clone())
    }

    async fn wait(&self) -> remoting::Result<u32> {
        self.entered.add_permits(1);
        self.door.acquire().await.unwrap().forget();
        Ok(7)
    }
}

impl Clerk {
    pub fn new(name: &str) -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self {
            name: name.to_owned(),
            entered: closed(),
            door: closed(),
        }
    }
}

/// How long a test may take: far longer than any does, so that a hang is a failure.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test on a runtime of its own; one that hangs fails.
pub fn within_patience(test: impl Future<Output = ()>) {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ended = tokio::time::timeout(PATIENCE, test).await;
        ended.expect("the test ends in time");
    });
}

/// A server of the kind that a test needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Http,
}

/// A server with a runtime of its own, which goes with it.
pub struct Server {
    life: Option<(Runtime, Host)>,
    /// Has the port too, and never listens: the system gives it to nobody else while the server is dead.
    _port: TcpSocket,
    kind: Kind,
    limits: Limits,
    /// `127.0.0.1:40123`.
    pub address: String,
    pub clerk: Clerk,
}

impl Server {
    pub async fn start(name: &str) -> Self {
        Self::with(Kind::Tcp, name, Limits::default()).await
    }

    pub async fn with(kind: Kind, name: &str, limits: Limits) -> Self {
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let mut server = Self {
            life: None,
            kind,
            limits,
            address: port.local_addr().unwrap().to_string(),
            _port: port,
            clerk: Clerk::new(name),
        };
        server.revive().await;
        server
    }

    /// A server that has room for one connection, and the client that has it.
    pub async fn full() -> (Self, Host) {
        let mut limits = Limits::default();
        limits.connections = 1;
        let server = Self::with(Kind::Tcp, "full", limits).await;
        let occupant = client(ConnectPolicy::FailFast);
        let inside: DeskProxy = occupant.get(&server.url("tcp")).unwrap();
        assert_eq!(inside.name().await.unwrap(), "full");
        (server, occupant)
    }

    /// Starts a server where there was one before.
    pub async fn revive(&mut self) {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let builder = Host::builder().limits(self.limits.clone());
        let builder = match self.kind {
            Kind::Tcp => builder.channel(TcpChannel::listen(&self.address)),
            Kind::Http => builder.channel(HttpChannel::listen(&self.address)),
        };
        let clerk = self.clerk.clone();
        let starting = runtime.spawn(async move {
            let host = builder.start().await.unwrap();
            let publication = DeskDispatcher::singleton(move || clerk.clone());
            host.publish("desk", publication).unwrap();
            let publication = DeskDispatcher::<Clerk>::activated();
            host.publish("desks", publication).unwrap();
            host
        });
        let host = starting.await.unwrap();
        let address = host.channels()[0].address().unwrap();
        self.address = address.split("://").nth(1).unwrap().to_owned();
        self.life = Some((runtime, host));
    }

    /// Ends the server in the midst of everything: it says goodbye to nobody.
    pub async fn kill(&mut self) {
        if let Some((runtime, host)) = self.life.take() {
            let ending = tokio::task::spawn_blocking(move || drop((runtime, host)));
            ending.await.unwrap();
        }
    }

    pub fn host(&self) -> &Host {
        &self.life.as_ref().unwrap().1
    }

    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/desk", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((runtime, host)) = self.life.take() {
            runtime.shutdown_background();
            drop(host);
        }
    }
}

/// A client of all schemes.
pub fn client(policy: ConnectPolicy) -> Host {
    let builder = Host::builder()
        .connect_policy(policy)
        .channel(TcpChannel::client())
        .channel(HttpChannel::client());
    builder.start_client().unwrap()
}
