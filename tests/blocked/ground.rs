//! A server with methods that block until the test says so.

use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use remoting::prelude::*;
use remoting::{CallContext, Limits};
use remoting_core::wire::{Ping, write_ping};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::log::Log;
use crate::raw::{Raw, Seen, greeting};

#[remote]
pub trait Ward {
    /// Blocks its thread until the test says so, if it is told to.
    async fn hold(&self, blocks: bool) -> remoting::Result<()>;
    /// The same, by a name that only one test has in the log.
    async fn turn(&self, blocks: bool) -> remoting::Result<()>;
    /// The same as `hold`, when it has waited for something.
    async fn hold_later(&self) -> remoting::Result<()>;
    #[blocking]
    async fn hold_marked(&self) -> remoting::Result<()>;
    /// Keeps a processor busy until the test says so.
    async fn burn(&self) -> remoting::Result<()>;
    async fn count(&self) -> remoting::Result<u32>;
    /// A stream that ends, when the test says so, without having waited.
    async fn drip(&self) -> remoting::Result<Streaming<u32>>;
    /// Runs until its caller has given it up.
    #[detached]
    async fn outlive(&self) -> remoting::Result<()>;
}

/// What the test and the methods share.
#[derive(Default)]
pub struct Doors {
    pub is_open: Mutex<bool>,
    pub opened: Condvar,
}

impl Doors {
    pub fn wait(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(
            self.opened
                .wait_while(is_open, |is_open| !*is_open)
                .unwrap(),
        );
    }

    fn is_open(&self) -> bool {
        *self.is_open.lock().unwrap()
    }

    pub fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// Each test has a type of its own, since what is known of a method is known of all objects of its type.
pub struct Patients<const TEST: usize> {
    pub doors: Arc<Doors>,
    pub entered: Arc<Semaphore>,
    /// What the methods that wait before they block wait for.
    pub called: Arc<Semaphore>,
    pub cancelled: Arc<Semaphore>,
    pub threads: Arc<Mutex<Vec<ThreadId>>>,
}

impl<const TEST: usize> Ward for Patients<TEST> {
    async fn hold(&self, blocks: bool) -> remoting::Result<()> {
        self.threads.lock().unwrap().push(thread::current().id());
        self.entered.add_permits(1);
        if blocks {
            self.doors.wait();
        }
        Ok(())
    }

    async fn turn(&self, blocks: bool) -> remoting::Result<()> {
        self.hold(blocks).await
    }

    async fn hold_later(&self) -> remoting::Result<()> {
        self.called.acquire().await.unwrap().forget();
        self.entered.add_permits(1);
        self.doors.wait();
        Ok(())
    }

    async fn hold_marked(&self) -> remoting::Result<()> {
        self.entered.add_permits(1);
        self.doors.wait();
        Ok(())
    }

    async fn burn(&self) -> remoting::Result<()> {
        self.entered.add_permits(1);
        while !self.doors.is_open() {
            std::hint::spin_loop();
        }
        Ok(())
    }

    async fn count(&self) -> remoting::Result<u32> {
        Ok(7)
    }

    async fn drip(&self) -> remoting::Result<Streaming<u32>> {
        let (doors, entered) = (Arc::clone(&self.doors), Arc::clone(&self.entered));
        Ok(Streaming::of(std::iter::from_fn(move || {
            entered.add_permits(1);
            doors.wait();
            None
        })))
    }

    async fn outlive(&self) -> remoting::Result<()> {
        self.entered.add_permits(1);
        CallContext::current().unwrap().cancelled().await;
        self.cancelled.add_permits(1);
        Ok(())
    }
}

/// A server on a runtime of its own, which has two worker threads.
pub struct Hospital {
    pub host: Host,
    pub doors: Arc<Doors>,
    pub entered: Arc<Semaphore>,
    pub called: Arc<Semaphore>,
    pub cancelled: Arc<Semaphore>,
    pub threads: Arc<Mutex<Vec<ThreadId>>>,
    clients: Mutex<Vec<Host>>,
    /// Ended in the background: what blocks there may do so for as long as it likes.
    pub runtime: Option<Runtime>,
}

impl Hospital {
    pub async fn open<const TEST: usize>() -> Self {
        Self::with::<TEST>(|_| ()).await
    }

    pub async fn with<const TEST: usize>(set: impl FnOnce(&mut Limits)) -> Self {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let mut limits = Limits::default();
        set(&mut limits);
        let host = Host::builder()
            .limits(limits)
            .channel(TcpChannel::listen("127.0.0.1:0").named("tcp"))
            .channel(HttpChannel::listen("127.0.0.1:0").named("http"));
        let host = runtime.spawn(host.start()).await.unwrap().unwrap();
        let mut hospital = Self::of(host);
        hospital.runtime = Some(runtime);
        hospital.publish::<TEST>();
        hospital
    }

    pub fn of(host: Host) -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self {
            host,
            doors: Arc::default(),
            entered: closed(),
            called: closed(),
            cancelled: closed(),
            threads: Arc::default(),
            clients: Mutex::default(),
            runtime: None,
        }
    }

    pub fn publish<const TEST: usize>(&self) {
        let patients = Patients::<TEST> {
            doors: Arc::clone(&self.doors),
            entered: Arc::clone(&self.entered),
            called: Arc::clone(&self.called),
            cancelled: Arc::clone(&self.cancelled),
            threads: Arc::clone(&self.threads),
        };
        self.host
            .marshal("ward", WardDispatcher::new(patients))
            .unwrap();
    }

    pub fn address(&self, channel: &str) -> String {
        self.host.channel(channel).unwrap().address().unwrap()
    }

    /// A proxy over a connection of its own.
    pub fn ward(&self, channel: &str) -> WardProxy {
        let client = Host::builder()
            .channel(TcpChannel::client())
            .channel(HttpChannel::client());
        let client = client.start_client().unwrap();
        let url = format!("{}/ward", self.address(channel));
        let ward = client.get(&url).unwrap();
        self.clients.lock().unwrap().push(client);
        ward
    }

    /// Waits until so many have come in.
    pub async fn entered(&self, count: u32) {
        taken(&self.entered, count).await;
    }

    /// The server answers a peer that it knows, one that is new, and a PING of somebody's.
    pub async fn goes_on(&self, known: &WardProxy) {
        let answers = async {
            assert_eq!(known.count().await.unwrap(), 7);
            assert_eq!(self.ward("tcp").count().await.unwrap(), 7);
            let address = self.address("tcp");
            let mut raw = Raw::connect(address.trim_start_matches("tcp://")).await;
            raw.send(&greeting()).await;
            let mut ping = Vec::new();
            let (rx_count, opaque) = (0, 42);
            write_ping(&mut ping, Ping { rx_count, opaque });
            raw.send(&ping).await;
            assert_eq!(raw.answer().await, Some(Seen::Pong(42)));
        };
        within_patience(answers).await;
    }
}

impl Drop for Hospital {
    fn drop(&mut self) {
        self.doors.open();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub async fn taken(semaphore: &Semaphore, count: u32) {
    let acquired = within_patience(semaphore.acquire_many(count)).await;
    acquired.unwrap().forget();
}

pub async fn within_patience<F: Future>(future: F) -> F::Output {
    let done = tokio::time::timeout(Duration::from_secs(20), future).await;
    done.expect("somebody is stopped who should not be")
}

/// So many calls, made by `call`.
pub fn calls<F>(count: usize, call: impl Fn() -> F) -> JoinSet<remoting::Result<()>>
where
    F: IntoFuture<Output = remoting::Result<()>>,
    F::IntoFuture: Send + 'static,
{
    let mut calls = JoinSet::new();
    for _ in 0..count {
        calls.spawn(call().into_future());
    }
    calls
}

pub async fn all_end(calls: JoinSet<remoting::Result<()>>) {
    let ended = within_patience(calls.join_all()).await;
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

/// The log of all threads of this process.
pub fn the_log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
}

/// Waits for the line that names a method.
pub async fn line_that_names(interface: &str, method: &str) {
    let log = the_log();
    let [interface, method] =
        [("interface", interface), ("method", method)].map(|(key, name)| format!("{key}={name:?}"));
    let parts = ["WARN", "remoting::call", &interface, &method];
    within_patience(async {
        while log.lines(&parts).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
