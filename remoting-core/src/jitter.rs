//! Chance that need not be secret: pauses between attempts, of which no two are alike, so that those who wait do not
//! all come back at once, and the numbers by which hosts tell each other's lives apart.
//!
//! A test may have it start from a seed, so that what has happened once happens again.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::id::random_bytes;

thread_local! {
    /// Where this thread's numbers go on, if they come from a seed.
    static SEEDED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The longest that the first pause before dialling again may be.
const FIRST: Duration = Duration::from_millis(50);
/// The longest that any gets.
const LONGEST: Duration = Duration::from_secs(5);

/// A time at random, up to `longest`.
pub(crate) fn full(longest: Duration) -> Duration {
    let part = f64::from((number() >> 32) as u32) / f64::from(u32::MAX);
    longest.mul_f64(part)
}

/// A number at random that others may know, and may guess.
pub(crate) fn number() -> u64 {
    match SEEDED.get() {
        None => u64::from_le_bytes(random_bytes()),
        Some(state) => {
            let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            SEEDED.set(Some(state));
            scrambled(state)
        }
    }
}

/// Draws from a seed on this thread from now on; without one, from the system.
pub(crate) fn seed(seed: Option<u64>) {
    SEEDED.set(seed);
}

/// One number for each, in which neighbours have nothing in common (SplitMix64).
fn scrambled(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// The pauses of one who dials until somebody is there: each may be twice as long as the one before it, up to 5 s.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) const fn new() -> Self {
        Self(FIRST)
    }

    /// The next one.
    pub(crate) fn draw(&mut self) -> Duration {
        let longest = self.0;
        self.0 = longest.saturating_mul(2).min(LONGEST);
        full(longest)
    }
}

/// The pauses of many who share them.
///
/// Failures that come together count as one: pauses grow no faster than they pass. After a time without any, they begin anew.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    /// When the pause grew last.
    grown: Option<Instant>,
    /// When the pause is over.
    until: Option<Instant>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            longest: FIRST,
            grown: None,
            until: None,
        }
    }
}

impl Backoff {
    /// Notes a failure, which begins a pause unless there is one.
    pub(crate) fn failed(&mut self, now: Instant) {
        if self.pause(now).is_some() {
            return;
        }
        let since = |time: Instant| now.saturating_duration_since(time);
        if self.until.is_none_or(|until| since(until) > LONGEST) {
            self.longest = FIRST;
            self.grown = Some(now);
        } else if self.grown.is_none_or(|grown| since(grown) >= self.longest) {
            self.longest = self.longest.saturating_mul(2).min(LONGEST);
            self.grown = Some(now);
        }
        self.until = now.checked_add(full(self.longest));
    }

    /// How much is left of the pause, if there is one.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let until = self.pause(now)?;
        Some(until.saturating_duration_since(now))
    }

    /// Until when there is a pause, if there is one.
    pub(crate) fn pause(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_most_and_no_two_are_alike() {
        let mut pauses = Pauses::new();
        let drawn: Vec<_> = (0..40).map(|_| pauses.draw()).collect();
        for (nth, pause) in drawn.iter().enumerate() {
            let most = FIRST * (1 << nth.min(10));
            assert!(*pause <= most.min(LONGEST), "{nth}: {pause:?}");
        }
        assert!(drawn.iter().any(|pause| *pause > LONGEST / 4));
        assert!(drawn.windows(2).any(|two| two[0] != two[1]));
    }

    #[test]
    fn many_failures_at_one_time_are_one() {
        let (mut many, now) = (Backoff::default(), Instant::now());
        for nth in 0..10_000_u64 {
            many.failed(now + Duration::from_micros(nth));
        }
        assert!(many.longest <= FIRST * 2, "{many:?}");
        let until = many.until.unwrap();
        assert!(until <= now + Duration::from_millis(110), "{many:?}");
        assert_eq!(many.pause(until), None, "it is over");
    }

    #[test]
    fn shared_pauses_grow_while_there_are_failures_and_begin_anew_after_a_quiet_time() {
        let (mut shared, begin) = (Backoff::default(), Instant::now());
        let mut now = begin;
        let mut attempts = 0;
        while now < begin + Duration::from_secs(60) {
            shared.failed(now);
            now = shared.until.unwrap().max(now + Duration::from_micros(50));
            attempts += 1;
        }
        assert_eq!(shared.longest, LONGEST);
        assert!((15..150).contains(&attempts), "{attempts} attempts in 60 s");
        shared.failed(now + LONGEST * 2);
        assert_eq!(shared.longest, FIRST);
    }

    #[test]
    fn a_seed_gives_the_same_pauses_again_and_none_of_them_is_too_long() {
        let longest = Duration::from_secs(5);
        let draw = |from| -> Vec<Duration> {
            seed(from);
            (0..100).map(|_| full(longest)).collect()
        };
        let first = draw(Some(7));
        assert_eq!(first, draw(Some(7)));
        assert_ne!(first, draw(Some(8)));
        assert_ne!(draw(None), draw(None));
        assert!(first.iter().all(|pause| *pause <= longest));
        assert!(first.iter().any(|pause| *pause > longest / 2));
    }
}
