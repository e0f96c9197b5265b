//! What goes into our logs: text of others made harmless, and not too many lines.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::clock;
use crate::text::printable;

/// How much of a foreign text goes into a log line, in bytes.
const MAX_FIELD: usize = 256;
/// How many lines of one category go into the log in one second.
const LINES_PER_SECOND: u32 = 100;

/// A foreign text as it may stand in a log.
pub(crate) fn clean(text: &str) -> String {
    printable(text, MAX_FIELD)
}

/// Bounds the lines of one category that a channel logs.
#[derive(Debug)]
pub struct Lines(Rate);

impl Lines {
    /// A category without lines.
    #[expect(clippy::new_without_default, reason = "each is a static of its own")]
    pub const fn new() -> Self {
        Self(Rate::new())
    }

    /// Whether there is room for one more line now.
    pub fn is_free(&self) -> bool {
        self.0.line().is_some()
    }
}

/// Counts the lines of one category.
#[derive(Debug)]
pub(crate) struct Rate(Mutex<Option<Window>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    lines: u32,
}

impl Rate {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Asks for a line; gives how many were left out since the last one, or `None` if this one is too.
    pub(crate) fn line(&self) -> Option<u32> {
        self.line_at(clock::now())
    }

    fn line_at(&self, now: Instant) -> Option<u32> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut current = window.unwrap_or(Window {
            since: now,
            lines: 0,
        });
        let mut missed = 0;
        if now.saturating_duration_since(current.since) >= Duration::from_secs(1) {
            missed = current.lines.saturating_sub(LINES_PER_SECOND);
            current = Window {
                since: now,
                lines: 0,
            };
        }
        current.lines = current.lines.saturating_add(1);
        *window = Some(current);
        (current.lines <= LINES_PER_SECOND).then_some(missed)
    }
}

/// Has something that happens again and again be told the first time, and then once a second at most.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Option<Instant>);

impl Seldom {
    /// Whether it is to be told now.
    pub(crate) fn take_turn(&mut self, now: Instant) -> bool {
        let since = self.0.map(|told| now.saturating_duration_since(told));
        let is_due = since.is_none_or(|since| since >= Duration::from_secs(1));
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let rate = Rate::new();
        let start = Instant::now();
        let written = (0..250).filter(|_| rate.line_at(start).is_some()).count();
        assert_eq!(written, 100);
        assert_eq!(rate.line_at(start + Duration::from_secs(1)), Some(150));
    }

    #[test]
    fn what_happens_again_and_again_is_told_at_once_and_then_seldom() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        let told = |nth: u64| seldom.take_turn(start + Duration::from_millis(nth * 10));
        assert_eq!((0..250).map(told).filter(|told| *told).count(), 3);
    }
}
