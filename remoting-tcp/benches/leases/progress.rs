//! Lines that tell how far the benchmark is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::report::grouped;

/// Tells what happens, and when.
#[derive(Clone, Copy)]
pub(crate) struct Progress(Instant);

impl Progress {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn say(self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.0.elapsed().as_secs_f64());
    }

    /// Tells about every second how many there are of something.
    pub(crate) fn counting(self, what: &'static str, total: usize) -> Arc<Counting> {
        Arc::new(Counting {
            progress: self,
            what,
            total,
            count: AtomicUsize::new(0),
            second: AtomicU64::new(self.0.elapsed().as_secs()),
        })
    }
}

/// Counts from many tasks at once.
pub(crate) struct Counting {
    progress: Progress,
    what: &'static str,
    total: usize,
    count: AtomicUsize,
    /// In which second something was said last.
    second: AtomicU64,
}

impl Counting {
    pub(crate) fn add(&self) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let second = self.progress.0.elapsed().as_secs();
        if self.second.fetch_max(second, Ordering::Relaxed) < second {
            let (count, total) = (grouped(count), grouped(self.total));
            self.progress
                .say(&format!("{}: {count} of {total}", self.what));
        }
    }
}
