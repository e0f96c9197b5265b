//! What only shows after a while, or when something goes away at a bad moment: places,
//! sockets and promises that must not be left behind.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, Limits, testing};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;

#[remote]
pub trait Service {
    async fn ping(&self) -> remoting::Result<u32>;
    /// Ends when the test says so.
    #[detached]
    async fn wait(&self) -> remoting::Result<u32>;
}

#[derive(Clone)]
struct Plain {
    entered: Arc<Semaphore>,
    door: Arc<Semaphore>,
}

impl Plain {
    fn new() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self {
            entered: closed(),
            door: closed(),
        }
    }

    fn publish(&self, host: &Host) -> String {
        let object = self.clone();
        let publication = ServiceDispatcher::singleton(move || object.clone());
        host.publish("service", publication).unwrap();
        host.url("service").unwrap()
    }
}

impl Service for Plain {
    async fn ping(&self) -> remoting::Result<u32> {
        Ok(1)
    }

    async fn wait(&self) -> remoting::Result<u32> {
        self.entered.add_permits(1);
        self.door.acquire().await.unwrap().forget();
        Ok(2)
    }
}

async fn tcp_server(limits: Limits) -> Host {
    let channel = TcpChannel::listen("127.0.0.1:0");
    let builder = Host::builder().limits(limits).channel(channel);
    builder.start().await.unwrap()
}

fn tcp_client() -> Host {
    let builder = Host::builder().channel(TcpChannel::client());
    builder.start_client().unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Waits for something that has no event of its own.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "never came: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_that_were_called_once_take_no_place_of_calls() {
    let mut limits = Limits::default();
    limits.calls_per_session = 16;
    let server = tcp_server(limits).await;
    let url = Plain::new().publish(&server);
    let client = tcp_client();
    let mut proxies: Vec<ServiceProxy> = Vec::new();
    for _ in 0..100 {
        let proxy: ServiceProxy = client.get(&url).unwrap();
        assert_eq!(proxy.ping().await.unwrap(), 1);
        proxies.push(proxy);
    }
    assert_eq!(client.open_connections(), 1);
}

#[test]
fn a_connection_whose_runtime_goes_before_it_began_is_dialled_again() {
    let home = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let server = home.block_on(tcp_server(Limits::default()));
    let url = Plain::new().publish(&server);
    let client = tcp_client();
    let proxy: ServiceProxy = client.get(&url).unwrap();
    let short = runtime();
    short.block_on(async {
        let mut call = Box::pin(proxy.ping());
        std::future::poll_fn(|cx| {
            let _begun = call.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    });
    drop(short);
    let answer = runtime().block_on(async { proxy.ping().await });
    assert_eq!(answer.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_lets_its_own_calls_end() {
    let (server, _) = testing::pair().await.unwrap();
    let object = Plain::new();
    let url = object.publish(&server);
    let channel = || InProcessChannel::client().named("way");
    let client = Host::builder().channel(channel()).start_client().unwrap();
    let proxy: ServiceProxy = client.get(&url).unwrap();
    let call = tokio::spawn(proxy.wait());
    object.entered.acquire().await.unwrap().forget();
    let stop = tokio::spawn(async move { client.unregister_channel("way").await });
    object.door.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap(), 2);
    stop.await.unwrap().unwrap();

    let client = Host::builder().channel(channel()).start_client().unwrap();
    let proxy: ServiceProxy = client.get(&url).unwrap();
    let call = tokio::spawn(proxy.wait());
    object.entered.acquire().await.unwrap().forget();
    let stop = client.run_until(async {}).drain(Duration::from_secs(60));
    let stop = tokio::spawn(stop.into_future());
    object.door.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap(), 2);
    assert_eq!(stop.await.unwrap().cut, 0);
}

#[test]
fn a_call_through_an_exchange_needs_no_runtime_of_its_caller() {
    let home = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let name = format!("endurance-{}", std::process::id());
    let channel = InProcessChannel::listen(&name).exchange_only();
    let server = home.block_on(Host::builder().channel(channel).start());
    let object = Plain::new();
    let server = server.unwrap();
    let url = object.publish(&server);
    let client = Host::builder().channel(InProcessChannel::client());
    let client = client.start_client().unwrap();
    let proxy: ServiceProxy = client.get(&url).unwrap();
    assert_eq!(proxy.ping().wait().unwrap(), 1);
}

/// The descriptors of this process that lead to `port`, as the system counts them.
#[cfg(target_os = "linux")]
fn sockets_of(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let local = format!(":{port:04X} ");
    let established = |line: &&str| line.split_whitespace().nth(3) == Some("01");
    let of_server = |line: &&str| {
        line.split_whitespace()
            .nth(1)
            .is_some_and(|at| format!("{at} ").ends_with(&local))
    };
    table.lines().filter(established).filter(of_server).count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ended_keeps_no_socket_though_its_calls_run_on() {
    let server = tcp_server(Limits::default()).await;
    let object = Plain::new();
    let url = object.publish(&server);
    let port = url
        .rsplit_once(':')
        .and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
    let port = port.unwrap();
    for _ in 0..10 {
        let client = tcp_client();
        let proxy: ServiceProxy = client.get(&url).unwrap();
        let call = tokio::spawn(proxy.wait());
        object.entered.acquire().await.unwrap().forget();
        call.abort();
        drop((proxy, client));
    }
    until("no socket is left", || sockets_of(port) == 0).await;
    until("no connection is left", || server.open_connections() == 0).await;
    object.door.add_permits(10);
}

#[remote]
pub trait Bell {
    /// Asks for a ring of its own bell, and stays inside until the ring has been sent.
    async fn ask(&mut self) -> remoting::Result<()>;
    #[oneway]
    async fn ring(&mut self) -> remoting::Result<()>;
    async fn rings(&self) -> remoting::Result<u32>;
}

struct Tower {
    rings: u32,
    own: Host,
    url: String,
}

impl Bell for Tower {
    async fn ask(&mut self) -> remoting::Result<()> {
        let bell: BellProxy = self.own.get(&self.url)?;
        bell.ring().await
    }

    async fn ring(&mut self) -> remoting::Result<()> {
        self.rings += 1;
        Ok(())
    }

    async fn rings(&self) -> remoting::Result<u32> {
        Ok(self.rings)
    }
}

#[tokio::test]
async fn a_oneway_call_to_an_object_that_its_caller_holds_waits_its_turn() {
    let (server, client) = testing::pair().await.unwrap();
    let url = format!("{}/bell", server.channels()[0].address().unwrap());
    let tower = Tower {
        rings: 0,
        own: client.clone(),
        url: url.clone(),
    };
    server.marshal("bell", BellDispatcher::new(tower)).unwrap();
    let bell: BellProxy = client.get(&url).unwrap();
    bell.ask().await.unwrap();
    while bell.rings().await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_host_that_is_dropped_leaves_no_task_behind() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (server, client) = testing::pair().await.unwrap();
    let object = Plain::new();
    let url = object.publish(&server);
    let service: ServiceProxy = client.get(&url).unwrap();
    assert_eq!(service.ping().await.unwrap(), 1);
    // Something with a lease that is looked after, and then nothing that is.
    server
        .marshal("kept", ServiceDispatcher::new(object))
        .unwrap();
    assert!(server.disconnect("kept").unwrap());
    drop((service, client, server));
    until("no task is left", || tasks() == before).await;
}

#[remote]
pub trait Hears {
    async fn hear(&self, number: u64) -> remoting::Result<()>;
}

/// What was heard last. The first thing is never heard to its end.
struct Ear(Arc<AtomicUsize>);

impl Hears for Ear {
    async fn hear(&self, number: u64) -> remoting::Result<()> {
        self.0
            .store(usize::try_from(number).unwrap(), Ordering::SeqCst);
        if number == 1 {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[test]
fn a_listener_is_told_by_another_runtime_when_the_first_is_gone() {
    let heard = Arc::<AtomicUsize>::default();
    let listeners = remoting::Subscribers::<HearsProxy>::new();
    listeners.add(HearsProxy::local(Ear(Arc::clone(&heard))));
    for number in [1, 2] {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            listeners.publish(move |listener, _| listener.hear(number));
            let is_heard = || heard.load(Ordering::SeqCst) as u64 == number;
            until("the listener is told", is_heard).await;
        });
    }
}

#[test]
fn a_listener_is_told_by_another_runtime_when_the_first_has_not_begun() {
    let heard = Arc::<AtomicUsize>::default();
    let listeners = remoting::Subscribers::<HearsProxy>::new();
    listeners.add(HearsProxy::local(Ear(Arc::clone(&heard))));
    // Its one thread does nothing else while it is here, and then it is gone.
    let first = tokio::runtime::Builder::new_current_thread().build();
    first.unwrap().block_on(async {
        listeners.publish(|listener, _| listener.hear(1));
    });
    Runtime::new().unwrap().block_on(async {
        listeners.publish(|listener, _| listener.hear(2));
        let is_heard = || heard.load(Ordering::SeqCst) == 2;
        until("the listener is told", is_heard).await;
    });
}

#[remote]
pub trait Made {
    #[constructor]
    async fn missing() -> remoting::Result<Self>;
    #[constructor]
    async fn failing() -> remoting::Result<Self>;
}

static FAILED: AtomicUsize = AtomicUsize::new(0);

struct Half;

impl Made for Half {
    async fn failing() -> remoting::Result<Self> {
        FAILED.fetch_add(1, Ordering::Relaxed);
        assert!(Self::missing().await.is_err());
        Err(remoting::Error::new(ErrorKind::Internal, "its own error"))
    }
}

#[tokio::test]
async fn a_constructor_that_tried_a_missing_one_fails_with_its_own_error() {
    let (server, client) = testing::pair().await.unwrap();
    let publication = MadeDispatcher::<Half>::activated();
    server.publish("made", publication).unwrap();
    let made = client.activate::<MadeProxy>(&server.url("made").unwrap());
    let error = made.missing().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotActivatable);
    assert_eq!(error.executed(), Executed::No);
    let error = made.failing().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamFailed);
    assert_eq!(error.executed(), Executed::Yes);
    assert_eq!(FAILED.load(Ordering::Relaxed), 1);
}
