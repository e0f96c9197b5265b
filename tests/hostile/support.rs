//! A server under attack, and a client of it that has nothing to do with that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorDetail, HostBuilder, LeasePolicy, Limits, Principal, Principals};

pub use crate::chance::Chance;
use crate::objects::*;
use crate::raw::{Raw, resolve};
pub use crate::until::until;

/// How long a test may take: far longer than any does, so that a hang is a failure.
const PATIENCE: Duration = Duration::from_secs(40);

/// Longer than any test.
pub const HOUR: Duration = Duration::from_secs(3600);

/// Panics of the library itself: there must be none.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Runs a test on a runtime of its own; one that hangs fails, and one in which the library panics.
pub fn within_patience(test: impl Future<Output = ()>) {
    within_patience_on(&mut tokio::runtime::Builder::new_multi_thread(), test);
}

/// The same, on a runtime that the test has asked for.
pub fn within_patience_on(builder: &mut tokio::runtime::Builder, test: impl Future<Output = ()>) {
    watch_panics();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ended = tokio::time::timeout(PATIENCE, test).await;
        ended.expect("the test ends in time");
    });
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "the library panicked");
}

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let of_tests = panic
                .location()
                .is_some_and(|at| at.file().contains("tests/"));
            PANICS.fetch_add(usize::from(!of_tests), Ordering::SeqCst);
            before(panic);
        }));
    });
}

/// Lets no timer look after connections: what one of them would heal stays as it is.
pub fn without_timers(limits: &mut Limits) {
    limits.handshake_time = HOUR;
    limits.ping_after = HOUR;
    limits.write_stall = HOUR;
}

/// How often a limit was reached.
pub fn counter(host: &Host, name: &str) -> u64 {
    let counters = host.counters().all();
    let found = counters.iter().find(|(known, _)| *known == name);
    found.expect("each limit has a counter").1
}

/// A server, and a client that goes on whatever is done to the server.
pub struct Server {
    pub host: Host,
    pub address: String,
    pub gate: Arc<Gate>,
    good: Good,
}

/// The client, with an object that lives as long as its connection.
struct Good {
    host: Host,
    own: ProbeProxy,
    expected: u64,
}

impl Server {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// - `change`: makes limits small.
    pub async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let channel = TcpChannel::listen("127.0.0.1:0");
        let (host, gate) = serve(Host::builder().limits(limits).channel(channel)).await;
        let url = host.channel("tcp").unwrap().address().unwrap();
        let client = client(Limits::default());
        let makers = client.activate::<ProbeProxy>(&format!("{url}/makers"));
        let good = Good {
            own: makers.make().await.unwrap(),
            host: client,
            expected: 0,
        };
        Self {
            address: url.trim_start_matches("tcp://").to_owned(),
            host,
            gate,
            good,
        }
    }

    /// The URL of a name here.
    pub fn url(&self, name: &str) -> String {
        format!("tcp://{}/{name}", self.address)
    }

    /// A proxy of the well-known probe, by the good client.
    pub fn probe(&self) -> ProbeProxy {
        self.good.host.get(&self.url("probe")).unwrap()
    }

    /// The good client's host.
    pub fn client(&self) -> &Host {
        &self.good.host
    }

    /// A peer that has greeted, and knows slot 0 as the well-known probe; calls 0 is in use.
    pub async fn attacker(&self) -> Raw {
        let mut raw = Raw::greeted(&self.address).await;
        raw.send(&resolve(0, "probe")).await;
        assert!(raw.answer().await.is_some());
        raw
    }

    /// Calls an object of the good client's until `attack` is over, and loses nothing meanwhile.
    pub async fn during(&self, attack: impl Future<Output = ()>) {
        let makers = self.good.host.activate::<ProbeProxy>(&self.url("makers"));
        let own = makers.make().await.unwrap();
        let mut attack = std::pin::pin!(attack);
        for expected in 0.. {
            tokio::select! {
                () = &mut attack => return,
                counted = own.next() => assert_eq!(counted.unwrap(), expected),
            }
        }
    }

    /// Checks that the good client has lost nothing: neither a call nor its connection.
    pub async fn goes_on(&mut self) {
        for _ in 0..3 {
            assert_eq!(self.good.own.next().await.unwrap(), self.good.expected);
            self.good.expected += 1;
        }
    }
}

/// A host that offers `probe`, `vault` and `makers`.
pub async fn serve(builder: HostBuilder) -> (Host, Arc<Gate>) {
    // Objects whose holders have vanished go at once, so that tests need not wait for it.
    let short = Duration::from_millis(1);
    let policy = LeasePolicy::new().initial(short).renew_on_call(short);
    let known = Principals::new().token(TOKEN, Principal::new("somebody"));
    let builder = builder
        .authenticator(known.or_strangers())
        .error_detail(ErrorDetail::Off);
    let builder = builder.lease(policy.orphan_grace(Duration::ZERO));
    let host = builder.start().await.unwrap();
    let gate = Gate::new();
    let for_probe = Arc::clone(&gate);
    let probe = ProbeDispatcher::singleton(move || Target::new(&for_probe));
    let for_vault = Arc::clone(&gate);
    let vault = VaultDispatcher::singleton(move || Target::new(&for_vault));
    let makers = ProbeDispatcher::activated_with(TargetFactory(Arc::clone(&gate)));
    host.publish("probe", probe).unwrap();
    host.publish("vault", vault).unwrap();
    host.publish("makers", makers).unwrap();
    (host, gate)
}

/// What a client shows that is not a stranger.
pub const TOKEN: &str = "a token of a client that is known";

/// A host that only calls, and says who it is.
pub fn known_client() -> Host {
    let channel = TcpChannel::client().token(TOKEN);
    Host::builder().channel(channel).start_client().unwrap()
}

/// A host that only calls.
pub fn client(limits: Limits) -> Host {
    let builder = Host::builder().limits(limits);
    builder
        .channel(TcpChannel::client())
        .start_client()
        .unwrap()
}

/// The chance of a test; `HOSTILE_SEED` sets its seed.
pub fn chance() -> Chance {
    Chance::from_env("HOSTILE_SEED")
}

impl Chance {
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
