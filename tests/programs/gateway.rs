//! What has to hold with a gateway between client and server, whichever it is.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::folder::Folder;
use crate::process::Program;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that passes requests on.
pub struct Kind {
    pub name: &'static str,
    /// Its configuration, with `{listen}`, `{backend}` and `{folder}` to be filled in.
    pub configuration: &'static str,
    /// What starts it, the path of the configuration being the last argument.
    pub arguments: &'static [&'static str],
}

/// A gateway that runs.
pub struct Gateway {
    _program: Program,
    /// Where clients reach it: `127.0.0.1:40123`.
    pub address: String,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Kind {
    /// Starts it in front of a server.
    pub async fn before(&self, backend: &str) -> Gateway {
        self.before_all(backend, &[]).await
    }

    /// - `rest`: what else is to be filled in, and with what.
    pub async fn before_all(&self, backend: &str, rest: &[(&str, &String)]) -> Gateway {
        let until = Instant::now() + PATIENCE;
        loop {
            let folder = Folder::new(self.name);
            let address = format!("127.0.0.1:{}", free_port());
            let mut text = self
                .configuration
                .replace("{listen}", &address)
                .replace("{backend}", backend)
                .replace("{folder}", &folder.path().display().to_string());
            for (name, value) in rest {
                text = text.replace(name, value);
            }
            let file = folder.write("configuration", &text);
            let mut command = Command::new(self.name);
            command.args(self.arguments).arg(file);
            let mut program = Program::start(self.name, folder, &mut command);
            // It ends by itself if somebody else has taken the port meanwhile.
            while !program.has_ended() {
                if TcpStream::connect(&address).await.is_ok() {
                    let _program = program;
                    return Gateway { _program, address };
                }
                assert!(Instant::now() < until, "{}", program.said());
                tokio::task::yield_now().await;
            }
            assert!(Instant::now() < until, "{}", program.said());
        }
    }
}

#[remote]
pub trait Works {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64>;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, WorksError>;
    /// Another one, by reference.
    async fn branch(&self) -> remoting::Result<WorksProxy>;
    /// An item, and then nothing more for as long as anybody waits.
    #[readonly]
    async fn drip(&self) -> remoting::Result<Streaming<u32>>;
    /// Calls back so many times.
    async fn watch(&self, watcher: WatcherProxy, times: u32) -> remoting::Result<u32>;
}

#[remote]
pub trait Watcher {
    async fn seen(&self, nth: u32) -> remoting::Result<u32>;
}

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum WorksError {
    #[error("{0} divided by zero")]
    DividedByZero(i64),
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

/// Counts how often it has added.
#[derive(Clone, Default)]
pub struct Counting(Arc<AtomicUsize>);

impl Works for Counting {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(a + b)
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, WorksError> {
        a.checked_div(b).ok_or(WorksError::DividedByZero(a))
    }

    async fn branch(&self) -> remoting::Result<WorksProxy> {
        Ok(WorksProxy::local(self.clone()))
    }

    async fn drip(&self) -> remoting::Result<Streaming<u32>> {
        let dripping = Dripping::begin(&self.0);
        Ok(Streaming::produce(|mut out| async move {
            let _dripping = dripping;
            out.send(7).await?;
            std::future::pending().await
        }))
    }

    async fn watch(&self, watcher: WatcherProxy, times: u32) -> remoting::Result<u32> {
        let mut sum = 0;
        for nth in 0..times {
            sum += watcher.seen(nth).await?;
        }
        Ok(sum)
    }
}

/// Counts for as long as a stream goes on.
struct Dripping(Arc<AtomicUsize>);

impl Dripping {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Dripping {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Eye;

impl Watcher for Eye {
    async fn seen(&self, nth: u32) -> remoting::Result<u32> {
        Ok(nth)
    }
}

/// A server at an address, with works that count together with others. Somebody else may have the
/// address for a moment.
async fn server(address: &str, works: &Counting) -> Host {
    let until = Instant::now() + PATIENCE;
    let host = loop {
        let channel = HttpChannel::listen(address);
        match Host::builder().channel(channel).start().await {
            Ok(host) => break host,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    let works = works.clone();
    let works = WorksDispatcher::singleton(move || works.clone());
    host.publish("works", works).unwrap();
    host
}

fn address_of(host: &Host) -> String {
    let address = host.channel("http").unwrap().address().unwrap();
    address.trim_start_matches("http://").to_owned()
}

async fn client() -> Host {
    let builder = Host::builder().channel(HttpChannel::client());
    builder.start().await.unwrap()
}

/// Calls, their errors and objects by ticket go through.
pub async fn calls_pass(kind: &Kind) {
    let server = server("127.0.0.1:0", &Counting::default()).await;
    let gateway = kind.before(&address_of(&server)).await;
    let client = client().await;
    let url = format!("http://{}/works", gateway.address);
    let works: WorksProxy = client.connect(&url).await.unwrap();
    for number in 0..20 {
        assert_eq!(works.add(number, 1).await.unwrap(), number + 1);
    }
    let own = works.divide(1, 0).await.unwrap_err();
    assert!(matches!(own, WorksError::DividedByZero(1)), "{own}");
    let nobody: WorksProxy = client.get(&url.replace("works", "nobody")).unwrap();
    let error = nobody.add(1, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(error.executed(), Executed::No);
    let branch = works.branch().await.unwrap();
    assert_eq!(branch.add(2, 3).await.unwrap(), 5);
    assert_eq!(client.open_connections(), 0, "requests alone");
    drop(branch);
    while server.kept_objects() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Items of a stream go through as they come, and a reader that leaves ends it.
pub async fn streams_pass(kind: &Kind) {
    let works = Counting::default();
    // A gateway that is told nothing may take long to look whether its client is still there.
    let mut limits = Limits::default();
    limits.ping_after = Duration::from_millis(100);
    let channel = HttpChannel::listen("127.0.0.1:0");
    let builder = Host::builder().limits(limits).channel(channel);
    let server = builder.start().await.unwrap();
    let shared = works.clone();
    let publication = WorksDispatcher::singleton(move || shared.clone());
    server.publish("works", publication).unwrap();
    let gateway = kind.before(&address_of(&server)).await;
    let mut reader = TcpStream::connect(&gateway.address).await.unwrap();
    let ask = "GET /works/drip HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n";
    reader.write_all(ask.as_bytes()).await.unwrap();
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains("{\"id\":1,\"item\":7}\n") {
        assert_ne!(reader.read_buf(&mut came).await.unwrap(), 0);
    }
    assert_eq!(works.0.load(Ordering::SeqCst), 1);
    drop(reader);
    while works.0.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
}

/// Sessions go through: callbacks of a proxy of `http://`, and all calls of `ws://`.
pub async fn sessions_pass(kind: &Kind) {
    let server = server("127.0.0.1:0", &Counting::default()).await;
    let gateway = kind.before(&address_of(&server)).await;
    let client = client().await;
    for scheme in ["http", "ws"] {
        let url = format!("{scheme}://{}/works", gateway.address);
        let works: WorksProxy = client.connect(&url).await.unwrap();
        let watcher = WatcherProxy::local(Eye);
        assert_eq!(works.watch(watcher, 10).await.unwrap(), 45, "{scheme}");
        assert_eq!(client.open_connections(), 1, "{scheme}: in one session");
    }
    let branch: WorksProxy = client
        .get(&format!("ws://{}/works", gateway.address))
        .unwrap();
    let branch = branch.branch().await.unwrap();
    assert_eq!(branch.add(2, 3).await.unwrap(), 5);
}

/// Where no server is, the gateway's own answer says nothing of whether code ran.
pub async fn a_gateway_alone_promises_nothing(kind: &Kind) {
    let nobody = format!("127.0.0.1:{}", free_port());
    let gateway = kind.before(&nobody).await;
    let client = client().await;
    let works: WorksProxy = client
        .get(&format!("http://{}/works", gateway.address))
        .unwrap();
    let error = works.add(1, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert_eq!(error.executed(), Executed::Unknown);
    let works: WorksProxy = client
        .get(&format!("ws://{}/works", gateway.address))
        .unwrap();
    let error = works.add(1, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error}");
    assert_eq!(error.executed(), Executed::No);
}

/// How calls ended that were made while servers came and went.
#[derive(Default)]
struct Ended {
    well: usize,
    unknown: usize,
    not_executed: usize,
}

/// Calls until it is told to stop.
async fn call_on(works: WorksProxy, stop: Arc<AtomicBool>) -> Ended {
    let mut ended = Ended::default();
    while !stop.load(Ordering::SeqCst) {
        match works.add(1, 2).await {
            Ok(sum) => {
                assert_eq!(sum, 3);
                ended.well += 1;
            }
            Err(error) if error.executed() == Executed::No => ended.not_executed += 1,
            Err(error) => {
                assert_eq!(error.executed(), Executed::Unknown, "{error}");
                ended.unknown += 1;
            }
        }
        tokio::task::yield_now().await;
    }
    ended
}

/// A server is started anew while calls go on: what they are told of `executed()` is true, and they
/// go well again afterwards.
pub async fn a_server_can_be_started_anew(kind: &Kind) {
    let works = Counting::default();
    let mut behind = server("127.0.0.1:0", &works).await;
    let backend = address_of(&behind);
    let gateway = kind.before(&backend).await;
    let client = client().await;
    let proxy: WorksProxy = client
        .get(&format!("http://{}/works", gateway.address))
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        callers.spawn(call_on(proxy.clone(), Arc::clone(&stop)));
    }
    for round in 1..=3 {
        let before = works.0.load(Ordering::SeqCst);
        while works.0.load(Ordering::SeqCst) < before + 50 {
            tokio::task::yield_now().await;
        }
        let stopping = behind.run_until(std::future::ready(()));
        let stopped = stopping.drain(PATIENCE).await;
        assert_eq!(stopped.cut, 0, "round {round}");
        drop(behind);
        behind = server(&backend, &works).await;
    }
    let until = Instant::now() + PATIENCE;
    while proxy.add(1, 2).await.is_err() {
        assert!(Instant::now() < until, "the gateway finds the server again");
    }
    stop.store(true, Ordering::SeqCst);
    let all = callers.join_all().await;
    let sum = |count: fn(&Ended) -> usize| all.iter().map(count).sum::<usize>();
    let well = sum(|ended| ended.well) + 1;
    let (unknown, not_executed) = (sum(|ended| ended.unknown), sum(|ended| ended.not_executed));
    let ran = works.0.load(Ordering::SeqCst);
    let told =
        format!("{ran} ran, {well} went well, {unknown} unknown, {not_executed} not executed");
    assert!(well <= ran && ran <= well + unknown, "{told}");
}
