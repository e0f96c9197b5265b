//! Ten thousand networks that never were: real hosts, connections, sessions and proxies over a channel of the test's
//! own, whose lines fail in ways drawn from a seed, on a clock that stands still while anybody has something to do.
//!
//! Each seed is a world: a server and two clients that talk while lines are cut, stalled and refused, and then while
//! they are not. What is held to be true of each is in `verdict.rs`. A world in a hundred is run twice, and has to be
//! the same to the millisecond.
//!
//! ```sh
//! cargo test --features testing --test simulate                            # 10,000 seeds, the same each time
//! SEED=123 cargo test --features testing --test simulate -- --nocapture    # one seed again, with all that happens in it
//! SEEDS=200000 cargo test --release --features testing --test simulate     # a campaign, with others each time
//! ```

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod actor;
mod book;
mod chance;
mod contract;
mod found;
mod line;
mod network;
mod plan;
mod server;
mod sinks;
mod storm;
mod verdict;
mod world;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use world::{Outcome, live};

/// How many seeds a run has by itself.
const SEEDS: u64 = 10_000;

/// Of so many worlds one is run twice.
const TWICE: u64 = 100;

/// After so many worlds that failed a run is over.
const ENOUGH: usize = 5;

/// How much of what is wrong with a world is told.
const SHOWN: usize = 4;

/// A world that takes longer by the clock on the wall never ends: somebody in it has something to do for ever.
const ENDLESS: Duration = Duration::from_secs(60);

fn number(variable: &str) -> Option<u64> {
    let set = std::env::var(variable).ok()?;
    Some(set.parse().expect("a number"))
}

/// What came of many worlds.
#[derive(Default)]
struct Tally {
    worlds: AtomicU64,
    calls: AtomicU64,
    links: AtomicU64,
    twice: AtomicU64,
    failures: Mutex<Vec<String>>,
    /// The worlds that have begun and not ended.
    alive: Mutex<BTreeMap<u64, Instant>>,
}

impl Tally {
    /// Runs the world of a seed.
    fn run(&self, seed: u64, is_sample: bool) {
        self.alive.lock().unwrap().insert(seed, Instant::now());
        let lived = catch_unwind(AssertUnwindSafe(|| self.live(seed, is_sample)));
        self.alive.lock().unwrap().remove(&seed);
        if lived.is_err() {
            let failed = format!("{}\nit has panicked, see above", replay(seed));
            self.failures.lock().unwrap().push(failed);
        }
    }

    fn live(&self, seed: u64, is_sample: bool) {
        let first = live(seed, false);
        let mut wrong = first.wrong.clone();
        if is_sample {
            let again = live(seed, false);
            self.twice.fetch_add(1, Ordering::Relaxed);
            if again.trace != first.trace {
                let (one, other) = (first.trace, again.trace);
                wrong.push(format!(
                    "it is another world the second time: {one:016x}, {other:016x}"
                ));
            }
        }
        self.count(&first);
        if !wrong.is_empty() {
            let mut failures = self.failures.lock().unwrap();
            let more = wrong.len().saturating_sub(SHOWN);
            wrong.truncate(SHOWN);
            let wrong = wrong.join("\n");
            failures.push(format!("{}\n{wrong}\nand {more} more", replay(seed)));
        }
    }

    fn count(&self, outcome: &Outcome) {
        self.worlds.fetch_add(1, Ordering::Relaxed);
        self.calls.fetch_add(outcome.calls, Ordering::Relaxed);
        self.links.fetch_add(outcome.links, Ordering::Relaxed);
    }

    /// Waits for the threads that run worlds. Gives the whole test up for a world without an end, which cannot be stopped.
    fn watch(&self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(ENDLESS / 10) == Err(RecvTimeoutError::Timeout) {
            let alive = self.alive.lock().unwrap();
            let endless = alive.iter().find(|(_, since)| since.elapsed() > ENDLESS);
            if let Some((seed, _)) = endless {
                // Nobody else says what was caught of this test's words.
                let words = format!("a world does not end: {}\n", replay(*seed));
                let _told = io::stderr().write_all(words.as_bytes());
                process::exit(1);
            }
        }
    }

    fn is_enough(&self) -> bool {
        self.failures.lock().unwrap().len() >= ENOUGH
    }
}

fn replay(seed: u64) -> String {
    format!("SEED={seed} cargo test --features testing --test simulate -- --nocapture")
}

#[test]
fn networks_that_fail_in_ten_thousand_ways_lose_and_double_nothing() {
    if let Some(seed) = number("SEED") {
        let log = tracing_subscriber::fmt().without_time();
        log.with_max_level(tracing::Level::TRACE).init();
        let outcome = live(seed, true);
        println!("trace {:016x}", outcome.trace);
        assert!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
        return;
    }
    let (first, seeds) = match number("SEEDS") {
        None => (0, SEEDS),
        Some(seeds) => (RandomState::new().hash_one("worlds"), seeds),
    };
    let (begun, tally, next) = (Instant::now(), Tally::default(), AtomicU64::new(0));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let run = &|_running: Sender<()>| {
        while !tally.is_enough() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds {
                break;
            }
            tally.run(first.wrapping_add(number), number % TWICE == 0);
        }
    };
    thread::scope(|scope| {
        let (running, stopped) = mpsc::channel();
        for _ in 0..threads {
            let running = running.clone();
            scope.spawn(move || run(running));
        }
        drop(running);
        tally.watch(&stopped);
    });
    let failures = tally.failures.into_inner().unwrap();
    let [worlds, calls, links, twice] =
        [tally.worlds, tally.calls, tally.links, tally.twice].map(AtomicU64::into_inner);
    println!(
        "{worlds} worlds from seed {first} with {calls} calls over {links} links in {:.1} s, {twice} of them twice",
        begun.elapsed().as_secs_f64()
    );
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
    assert_eq!(worlds, seeds);
}
