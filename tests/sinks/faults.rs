//! Faults on purpose, what is said of calls that meet them, and a retry in front of them. The clock moves by itself where
//! nothing else does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remoting::prelude::*;
use remoting::sink::{Faults, Metrics, Retry, Side};
use remoting::{Error, ErrorKind, Executed};
use tokio::time::Instant;

use crate::ground::*;

#[remote(name = "sinks.Ledger")]
trait Ledger {
    async fn enter(&self, number: u32) -> remoting::Result<u32>;
    #[idempotent]
    async fn set(&self, number: u32) -> remoting::Result<u32>;
}

/// Counts how often each number has come.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<u32, u32>>>);

impl Book {
    fn add(&self, number: u32) -> u32 {
        *self
            .0
            .lock()
            .unwrap()
            .entry(number)
            .and_modify(|count| *count += 1)
            .or_insert(1)
    }

    fn count(&self, number: u32) -> u32 {
        self.0.lock().unwrap().get(&number).copied().unwrap_or(0)
    }
}

impl Ledger for Book {
    async fn enter(&self, number: u32) -> remoting::Result<u32> {
        Ok(self.add(number))
    }
    async fn set(&self, number: u32) -> remoting::Result<u32> {
        Ok(self.add(number))
    }
}

/// A ledger behind the sinks of its client and its server.
async fn ledger(
    name: &str,
    client: remoting::HostBuilder,
    server: remoting::HostBuilder,
) -> ((Host, Host), Book, LedgerProxy) {
    let (server, client) = near(name, server, client).await;
    let book = Book::default();
    let own = book.clone();
    let publication = LedgerDispatcher::singleton(move || own.clone());
    server.publish("ledger", publication).unwrap();
    let ledger = client.get(&server.url("ledger").unwrap()).unwrap();
    ((server, client), book, ledger)
}

const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn an_error_comes_before_the_call_and_a_delay_before_that() {
    let delay = Duration::from_millis(40);
    let faults = Faults::seeded(1)
        .delays(1.0, delay)
        .errors(1.0, ErrorKind::ConnectFailed);
    let (_hosts, book, ledger) = ledger(
        "faults-error",
        Host::builder().client_sink(faults),
        Host::builder(),
    )
    .await;
    let begun = Instant::now();
    let error = ledger.enter(1).await.unwrap_err();
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    assert_eq!(error.kind(), ErrorKind::ConnectFailed);
    assert_eq!(error.executed(), Executed::No);
    assert_eq!(book.count(1), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_ends_at_its_deadline_and_has_not_run() {
    for at_server in [false, true] {
        let faults = Faults::seeded(1).lost_requests(1.0);
        let (mut outer, mut inner) = (Host::builder(), Host::builder());
        match at_server {
            false => outer = outer.client_sink(faults),
            true => inner = inner.server_sink(faults),
        }
        let name = format!("faults-request-{at_server}");
        let (_hosts, book, ledger) = ledger(&name, outer, inner).await;
        let begun = Instant::now();
        let error = ledger.enter(1).deadline(DEADLINE).await.unwrap_err();
        assert!(begun.elapsed() >= DEADLINE);
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert_ne!(error.executed(), Executed::Yes);
        if !at_server {
            assert_eq!(error.executed(), Executed::No);
        }
        assert_eq!(book.count(1), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_leaves_open_whether_the_call_has_run() {
    let faults = Faults::seeded(1).lost_replies(1.0);
    let builder = Host::builder().client_sink(faults);
    let (_hosts, book, near_loss) = ledger("faults-reply", builder, Host::builder()).await;
    let error = near_loss.enter(1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionLost);
    assert_eq!(error.executed(), Executed::Unknown);
    assert_eq!(book.count(1), 1);

    let faults = Faults::seeded(1).lost_replies(1.0);
    let builder = Host::builder().server_sink(faults);
    let (_hosts, book, far_loss) = ledger("faults-far-reply", Host::builder(), builder).await;
    let error = far_loss.enter(1).deadline(DEADLINE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_ne!(error.executed(), Executed::No);
    assert_eq!(book.count(1), 1);
}

#[tokio::test(start_paused = true)]
async fn other_methods_and_interfaces_are_left_alone() {
    let failing = || Faults::seeded(1).errors(1.0, ErrorKind::Overloaded);
    let builder = Host::builder()
        .client_sink(failing().only_method("sinks.Ledger", "set"))
        .client_sink(failing().only_interface("sinks.Desk"));
    let (_hosts, _book, ledger) = ledger("faults-filter", builder, Host::builder()).await;
    assert_eq!(ledger.enter(1).await.unwrap(), 1);
    let error = ledger.set(2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
}

#[tokio::test]
async fn a_seed_gives_the_same_faults_over_each_way() {
    let mut all = Vec::new();
    for way in WAYS {
        let server = server(Host::builder()).await;
        let faults = Faults::seeded(99)
            .errors(0.3, ErrorKind::Overloaded)
            .lost_replies(0.2);
        let client = client(Host::builder().client_sink(faults));
        let desk = way.desk(&client, &server);
        let mut ended = Vec::new();
        for _ in 0..40 {
            ended.push(desk.count().await.map_err(|error| error.kind()).err());
        }
        all.push(ended);
    }
    assert!(all[0].contains(&None));
    assert!(all[0].contains(&Some(ErrorKind::SessionLost)));
    assert!(all[0].contains(&Some(ErrorKind::Overloaded)));
    assert!(all.iter().all(|ended| *ended == all[0]), "{all:?}");
}

/// How a call of a number ended, beside how often it has run.
fn check(seed: u64, idempotent: bool, ended: &Result<u32, Error>, ran: u32) {
    let executed = ended
        .as_ref()
        .map_or_else(Error::executed, |_| Executed::Yes);
    let is_true = match (executed, idempotent) {
        (Executed::No, _) => ran == 0,
        (Executed::Yes, false) => ran == 1,
        (Executed::Yes, true) => ran >= 1,
        (Executed::Unknown, false) => ran <= 1,
        (Executed::Unknown, true) => true,
    };
    assert!(is_true, "seed {seed}: {ended:?}, and it ran {ran} times");
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_nothing_wrong_is_said_of_whether_a_call_has_run() {
    const CALLS: u32 = 60;
    for seed in 0..100 {
        let faults = |seed| {
            Faults::seeded(seed)
                .delays(0.2, Duration::from_millis(300))
                .errors(0.25, ErrorKind::Overloaded)
                .lost_requests(0.05)
                .lost_replies(0.15)
        };
        let tries = Metrics::new();
        let outer = Host::builder()
            .client_sink(Retry::new().tries(4).percent(20))
            .client_sink(tries.clone())
            .client_sink(faults(seed));
        let inner = Host::builder().server_sink(faults(seed + 1000).lost_requests(0.0));
        let name = format!("faults-{seed}");
        let (_hosts, book, ledger) = ledger(&name, outer, inner).await;
        let mut failed = 0;
        for number in 0..CALLS {
            let idempotent = number % 2 == 0;
            let call = match idempotent {
                true => ledger.set(number),
                false => ledger.enter(number),
            };
            let ended = call.deadline(Duration::from_secs(2)).await;
            failed += u32::from(ended.is_err());
            check(seed, idempotent, &ended, book.count(number));
        }
        let tried: u64 = tries.snapshot().iter().map(|own| own.ended()).sum();
        let again = tried - u64::from(CALLS);
        assert!(again <= 10 + u64::from(CALLS) / 5, "seed {seed}: {again}");
        assert!(again > 0 && failed > 0, "seed {seed} has shown nothing");
        assert!(tries.snapshot().iter().all(|own| own.side == Side::Client));
    }
}
