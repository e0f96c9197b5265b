//! Lines that tell how far the contest is.

use std::time::Instant;

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

    /// Begins a line that [`word`](Self::word) goes on and [`done`](Self::done) ends.
    pub(crate) fn open(self, text: &str) {
        eprint!("[{:6.1} s] {text}", self.0.elapsed().as_secs_f64());
    }

    pub(crate) fn word(self, text: &str) {
        eprint!("  {text}");
    }

    pub(crate) fn done(self) {
        eprintln!();
    }
}
