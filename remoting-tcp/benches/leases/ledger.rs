//! What became of the watched objects: how many, how often, and how late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Notes the births and deaths of objects, from all threads at once.
#[derive(Default)]
pub(crate) struct Ledger {
    made: AtomicU64,
    dropped: AtomicU64,
    early: AtomicU64,
    not_once: AtomicU64,
    late: Histogram,
    /// The first and the last end of a lease.
    due: Mutex<Option<(Instant, Instant)>>,
    /// For how long what the killed have held is to stay.
    grace: Duration,
    /// When each of the holders was killed.
    killed: Vec<OnceLock<Instant>>,
}

/// When an object may go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Due {
    At(Instant),
    /// When the grace is over that begins when this holder is killed.
    AfterDeathOf(usize),
}

/// What a [`Ledger`] says of a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) made: u64,
    /// How many were not dropped.
    pub(crate) left: u64,
    /// How many were dropped before their time was over.
    pub(crate) early: u64,
    /// How often an object was told for a second time that it is let go, or was not told at all.
    pub(crate) not_once: u64,
    pub(crate) late: Lateness,
    /// From the first lease that was over to the last.
    pub(crate) window: Duration,
}

impl Ledger {
    pub(crate) fn of_holders(count: usize, grace: Duration) -> Self {
        let killed = (0..count).map(|_| OnceLock::new()).collect();
        Self {
            grace,
            killed,
            ..Self::default()
        }
    }

    pub(crate) fn made(&self, due: Due) {
        add(&self.made);
        if let Due::At(due) = due {
            let mut known = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let (first, last) = known.unwrap_or((due, due));
            *known = Some((first.min(due), last.max(due)));
        }
    }

    /// A holder is going to be killed now.
    pub(crate) fn killing(&self, holder: usize) {
        let _first = self.killed[holder].set(Instant::now());
    }

    /// An object is told that it is let go.
    pub(crate) fn released(&self, again: bool) {
        if again {
            add(&self.not_once);
        }
    }

    pub(crate) fn dropped(&self, due: Due, released: bool) {
        let now = Instant::now();
        let due = match due {
            Due::At(due) => Some(due),
            Due::AfterDeathOf(holder) => {
                let killed = self.killed.get(holder).and_then(OnceLock::get);
                killed.map(|killed| *killed + self.grace)
            }
        };
        match due.and_then(|due| now.checked_duration_since(due)) {
            Some(late) => self.late.add(late),
            None => add(&self.early),
        }
        if !released {
            add(&self.not_once);
        }
        add(&self.dropped);
    }

    pub(crate) fn tally(&self) -> Tally {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        Tally {
            made: get(&self.made),
            left: get(&self.made) - get(&self.dropped),
            early: get(&self.early),
            not_once: get(&self.not_once),
            late: self.late.lateness(),
            window: due.map_or(Duration::ZERO, |(first, last)| last - first),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How late half of something was at most, ninety-nine of a hundred, and the last.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Lateness {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) worst: Duration,
}

/// How often which time was taken, in steps of a tenth of a millisecond.
pub(crate) struct Histogram {
    counts: Box<[AtomicU64]>,
    worst: AtomicU64,
}

const STEP: u64 = 100_000;
/// What has taken more steps, ten seconds, is counted at the last.
const STEPS: u64 = 100_000;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: (0..=STEPS).map(|_| AtomicU64::new(0)).collect(),
            worst: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(crate) fn add(&self, time: Duration) {
        let nanos = nanos(time);
        add(&self.counts[(nanos / STEP).min(STEPS) as usize]);
        self.worst.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(crate) fn lateness(&self) -> Lateness {
        let worst = Duration::from_nanos(get(&self.worst));
        Lateness {
            p50: self.quantile(50).min(worst),
            p99: self.quantile(99).min(worst),
            worst,
        }
    }

    /// The time that so many of a hundred have not exceeded.
    fn quantile(&self, percent: u64) -> Duration {
        let all: u64 = self.counts.iter().map(get).sum();
        let (wanted, mut seen) = ((all * percent).div_ceil(100), 0);
        let place = self.counts.iter().position(|count| {
            seen += get(count);
            seen >= wanted
        });
        Duration::from_nanos((place.unwrap_or(0) as u64 + 1) * STEP)
    }
}
