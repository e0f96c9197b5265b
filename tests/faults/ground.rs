//! A server, a client, and the proxy between them; and the interface that they have in common.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use remoting::prelude::*;
use remoting::testing::{FaultProxy, FaultProxyBuilder};
use remoting::{HostBuilder, LeasePolicy, Limits};
use tokio::sync::Semaphore;

use crate::trust::{trusted, trusting};

#[remote(name = "faults.Bench")]
pub trait Bench {
    #[constructor]
    async fn build() -> remoting::Result<Self>;
    async fn add(&self, a: u64, b: u64) -> remoting::Result<u64>;
    async fn echo(&self, bytes: Vec<u8>) -> remoting::Result<Vec<u8>>;
    /// Runs for ever, unless it is cut.
    async fn wait(&self) -> remoting::Result<()>;
    /// Gives `most` numbers that begin with the first one of the other stream.
    async fn count_on(&self, from: Streaming<u64>, most: u64) -> remoting::Result<Streaming<u64>>;
}

/// What the objects of one server have done.
#[derive(Clone)]
pub struct Record {
    /// One permit for each call of `wait` that runs.
    pub entered: Arc<Semaphore>,
    /// Calls and producers at work.
    pub at_work: Arc<AtomicU64>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            entered: Arc::new(Semaphore::new(0)),
            at_work: Arc::default(),
        }
    }
}

/// Something at work.
pub struct Work(Arc<AtomicU64>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Record {
    pub fn work(&self) -> Work {
        self.at_work.fetch_add(1, Ordering::SeqCst);
        Work(Arc::clone(&self.at_work))
    }

    pub fn is_idle(&self) -> bool {
        self.at_work.load(Ordering::SeqCst) == 0
    }
}

impl BenchFactory for Record {
    type Object = Self;

    async fn build(&self) -> remoting::Result<Self> {
        Ok(self.clone())
    }
}

impl Bench for Record {
    async fn add(&self, a: u64, b: u64) -> remoting::Result<u64> {
        Ok(a + b)
    }

    async fn echo(&self, bytes: Vec<u8>) -> remoting::Result<Vec<u8>> {
        Ok(bytes)
    }

    async fn wait(&self) -> remoting::Result<()> {
        let _work = self.work();
        self.entered.add_permits(1);
        std::future::pending().await
    }

    async fn count_on(
        &self,
        mut from: Streaming<u64>,
        most: u64,
    ) -> remoting::Result<Streaming<u64>> {
        let work = self.work();
        Ok(Streaming::produce(move |mut out| async move {
            let _work = work;
            let first = from.next().await.transpose()?.unwrap_or_default();
            for number in first..first + most {
                out.send(number).await?;
            }
            Ok(())
        }))
    }
}

/// What the bytes that go through the proxy belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Http,
    WebSocket,
    Tls,
}

impl Transport {
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Http, Self::WebSocket, Self::Tls];

    fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::WebSocket => "ws",
            Self::Tls => "tcps",
        }
    }

    fn listen_on(self, builder: HostBuilder) -> HostBuilder {
        let place = "127.0.0.1:0";
        match self {
            Self::Tcp => builder.channel(TcpChannel::listen(place).named("main")),
            Self::Http | Self::WebSocket => {
                builder.channel(HttpChannel::listen(place).named("main"))
            }
            Self::Tls => {
                let channel = TcpChannel::listen(place).named("main");
                builder.channel(channel.tls(trusted()))
            }
        }
    }
}

/// How both ends begin. These tests are about sessions that end with their connections: whatever would let a session outlive
/// its connection is turned off here.
fn host(change: impl Fn(&mut Limits)) -> HostBuilder {
    let mut limits = Limits::default();
    limits.resume_window = Duration::ZERO;
    change(&mut limits);
    // Objects whose holders have vanished go at once, so that tests need not wait for it.
    let short = Duration::from_millis(1);
    let policy = LeasePolicy::new().initial(short).renew_on_call(short);
    let policy = policy.orphan_grace(Duration::ZERO);
    Host::builder().limits(limits).lease(policy)
}

/// A server with its name `bench` for a well-known object, and `benches` for those of clients.
pub async fn server(
    transport: Transport,
    record: &Record,
    change: impl Fn(&mut Limits),
) -> (Host, SocketAddr) {
    let server = transport.listen_on(host(change)).start().await.unwrap();
    let object = record.clone();
    let bench = BenchDispatcher::singleton(move || object.clone());
    server.publish("bench", bench).unwrap();
    let benches = BenchDispatcher::activated_with(record.clone());
    server.publish("benches", benches).unwrap();
    let address = server.channel("main").unwrap().address().unwrap();
    let address = address.split("://").nth(1).unwrap().parse().unwrap();
    (server, address)
}

/// A client of all transports.
pub fn client(change: impl Fn(&mut Limits)) -> Host {
    let tls = trusting();
    let tcp = TcpChannel::client().client_tls(tls.clone());
    let http = HttpChannel::client().client_tls(tls);
    let builder = host(change).channel(tcp).channel(http);
    builder.start_client().unwrap()
}

pub struct Ground {
    pub transport: Transport,
    pub server: Host,
    pub record: Record,
    pub proxy: FaultProxy,
    pub client: Host,
}

impl Ground {
    pub async fn new(transport: Transport) -> Self {
        Self::with(transport, Record::default(), |_| {}, |proxy| proxy).await
    }

    /// - `limits`: makes limits of both ends small.
    /// - `proxy`: the trouble that there is from the beginning.
    pub async fn with(
        transport: Transport,
        record: Record,
        limits: impl Fn(&mut Limits),
        proxy: impl FnOnce(FaultProxyBuilder) -> FaultProxyBuilder,
    ) -> Self {
        let (server, address) = server(transport, &record, &limits).await;
        let proxy = proxy(FaultProxy::to(address)).start().await.unwrap();
        let client = client(&limits);
        Self {
            transport,
            server,
            record,
            proxy,
            client,
        }
    }

    /// A URL that leads through the proxy.
    pub fn url(&self, name: &str) -> String {
        url(self.transport, &self.proxy, name)
    }

    pub fn bench(&self) -> BenchProxy {
        self.client.get(&self.url("bench")).unwrap()
    }
}

pub fn url(transport: Transport, proxy: &FaultProxy, name: &str) -> String {
    format!("{}://{}/{name}", transport.scheme(), proxy.addr())
}
