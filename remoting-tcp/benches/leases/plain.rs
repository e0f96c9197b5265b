//! The control: a plain map of objects with deadlines, and a heap that tells whose is next.
//!
//! It does nothing that a library has to do beside: nobody holds an entry, nobody calls it over
//! a connection, and nobody is told when it goes. As in the library, a renewal changes nothing
//! but the deadline; here it never moves it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use crate::ledger::{Histogram, Lateness, nanos};
use crate::server::resident;

const TICK: Duration = Duration::from_millis(33);
/// How long it takes until the first entry is due: until then all have been renewed.
const HEAD_START: Duration = Duration::from_secs(3);

/// What the map has cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlainFigures {
    /// By how much the process had grown with all entries, and when all were gone.
    pub(crate) grown: u64,
    pub(crate) kept: u64,
    /// How long it took to renew every entry once.
    pub(crate) renewing: Duration,
    pub(crate) late: Lateness,
}

struct Plain {
    begin: Instant,
    /// The deadlines are in nanoseconds.
    entries: HashMap<u64, Arc<AtomicU64>>,
    next: BinaryHeap<Reverse<(u64, u64)>>,
}

/// Lets so many entries run out, evenly within `window`.
pub(crate) async fn run(count: usize, window: Duration) -> PlainFigures {
    let late = Histogram::default();
    let before = resident();
    let mut plain = Plain::of(count as u64, window);
    let grown = resident().saturating_sub(before);
    let renewing = plain.renew_all();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !plain.entries.is_empty() {
        ticks.tick().await;
        plain.sweep(&late);
    }
    drop(plain);
    PlainFigures {
        grown,
        kept: resident().saturating_sub(before),
        renewing,
        late: late.lateness(),
    }
}

impl Plain {
    fn of(count: u64, window: Duration) -> Self {
        let mut plain = Self {
            begin: Instant::now(),
            entries: HashMap::new(),
            next: BinaryHeap::new(),
        };
        let step = nanos(window) / count.max(1);
        for entry in 0..count {
            let due = nanos(HEAD_START) + entry * step;
            plain.entries.insert(entry, Arc::new(AtomicU64::new(due)));
            plain.next.push(Reverse((due, entry)));
        }
        plain
    }

    /// Renews each entry in an order that no cache foresees.
    fn renew_all(&self) -> Duration {
        /// A prime that is longer than any count here, so that every entry has its turn.
        const STRIDE: u64 = 15_485_863;
        let (began, count) = (Instant::now(), self.entries.len() as u64);
        for turn in 0..count {
            let now = nanos(self.begin.elapsed());
            if let Some(due) = self.entries.get(&(turn * STRIDE % count)) {
                due.fetch_max(now, Ordering::AcqRel);
            }
        }
        began.elapsed()
    }

    /// Lets go what is due.
    fn sweep(&mut self, lateness: &Histogram) {
        let now = nanos(self.begin.elapsed());
        while let Some(Reverse((known, entry))) = self.next.peek().copied() {
            if known > now {
                break;
            }
            self.next.pop();
            let due = self.entries.remove(&entry);
            let due = due.map_or(known, |due| due.load(Ordering::Acquire));
            let late = self.begin.elapsed();
            lateness.add(late.saturating_sub(Duration::from_nanos(due)));
        }
    }
}
