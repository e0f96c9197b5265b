//! A line that is cut, while the processes at its ends live on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use remoting::prelude::*;
use remoting::testing::{CallId, Cut, FaultProxy, Journal, Lane, Trouble, check};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::chance::Chance;
use crate::folder::Folder;
use crate::number;

#[remote]
pub trait Counter {
    async fn increment(&self, id: CallId) -> remoting::Result<u64>;
}

struct Counted {
    count: Arc<AtomicU64>,
    journal: Journal,
}

impl Counter for Counted {
    async fn increment(&self, id: CallId) -> remoting::Result<u64> {
        self.journal.ran(id).expect("the journal can be written");
        Ok(self.count.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

const CALLERS: u64 = 16;

/// Cuts the line every 200 to 800 ms, each time in another way, as long as it is polled.
async fn cut(line: &FaultProxy, journal: &Journal, mut chance: Chance) {
    loop {
        let pause = 200 + u64::try_from(chance.below(601)).unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let how = [Cut::Reset, Cut::Close, Cut::HalfClose][chance.below(3)];
        let lane = [Lane::ToServer, Lane::ToClient][chance.below(2)];
        journal.fault(&format!("{how:?} {lane:?}")).unwrap();
        line.set_open(lane, Trouble::none().cut_after(0, how));
    }
}

/// Increments so often, evenly spread over the time, but no call before the one before it has ended.
async fn call(
    counter: CounterProxy,
    journal: Arc<Journal>,
    client: u64,
    calls: u64,
    pace: Duration,
) {
    let mut pace = tokio::time::interval(pace);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut before = 0;
    for call in 0..calls {
        pace.tick().await;
        let id = CallId { client, call };
        journal.begun(id).unwrap();
        match counter.increment(id).await {
            Ok(count) => {
                journal.ok(id).unwrap();
                assert!(before < count, "{count} after {before}");
                before = count;
            }
            Err(error) => journal.failed(id, &error).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_increment_is_lost_doubled_or_left_in_doubt_over_a_line_that_is_cut_again_and_again() {
    let time = Duration::from_secs(number("CUTS", 2));
    let calls = number("INCREMENTS", 2000_u64).div_ceil(CALLERS);
    let chance = Chance::from_env("KILL_SEED");
    let folder = Folder::new("cuts");
    let paths = ["client", "server"].map(|name| folder.path().join(name));
    let [journal, server] = [0, 1].map(|nth: usize| Journal::open(&paths[nth]).unwrap());
    let (journal, count) = (Arc::new(journal), Arc::new(AtomicU64::new(0)));
    let counted = Counted {
        count: Arc::clone(&count),
        journal: server,
    };
    let channel = TcpChannel::listen("127.0.0.1:0");
    let server = Host::builder().channel(channel).start().await.unwrap();
    server
        .marshal("counter", CounterDispatcher::new(counted))
        .unwrap();
    let address = server.channels()[0].address().unwrap();
    let line = FaultProxy::to(address)
        .seed(chance.0)
        .start()
        .await
        .unwrap();

    let client = Host::builder()
        .channel(TcpChannel::client())
        .start_client()
        .unwrap();
    let counter: CounterProxy = client
        .get(&format!("tcp://{}/counter", line.addr()))
        .unwrap();
    let begun = Instant::now();
    let pace = time.div_f64(calls as f64);
    let mut callers = JoinSet::new();
    for client in 0..CALLERS {
        callers.spawn(call(
            counter.clone(),
            Arc::clone(&journal),
            client,
            calls,
            pace,
        ));
    }
    tokio::select! {
        () = cut(&line, &journal, chance) => {}
        _ = callers.join_all() => {}
    }
    let verdict = check(&paths).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} connections in {seconds:.1} s:\n{verdict}",
        line.connections()
    );
    verdict.assert_clean();
    assert_eq!(verdict.ok, calls * CALLERS, "sessions go on");
    assert_eq!(verdict.ok, count.load(Ordering::SeqCst));
    assert!(verdict.faults > 0 && line.connections() > 1);
}
