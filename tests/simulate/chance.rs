//! Numbers that look like chance; the same for the same seed.

use std::ops::Range;
use std::time::Duration;

/// SplitMix64: each seed is a stream of its own.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another stream, which what is drawn from this one later does not change.
    pub fn fork(&mut self) -> Self {
        Self(self.next() ^ 0x5851_F42D_4C95_7F2D)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.within(0..all.len() as u64) as usize]
    }

    /// A number of which each order of magnitude is equally likely.
    pub fn magnitude(&mut self, range: Range<u64>) -> u64 {
        let (from, to) = (range.start as f64, range.end as f64);
        let part = self.next() as f64 / u64::MAX as f64;
        ((from * (to / from).powf(part)) as u64).clamp(range.start, range.end - 1)
    }

    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }
}
