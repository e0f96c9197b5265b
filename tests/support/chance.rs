//! Numbers that look like chance; the same for the same seed.

use std::hash::{BuildHasher, RandomState};

pub struct Chance(pub u64);

impl Chance {
    /// A seed that the test prints when it fails; the variable of the environment sets it.
    pub fn from_env(variable: &str) -> Self {
        let set = std::env::var(variable).ok();
        let set = set.map(|seed| seed.parse().expect("a seed is a number"));
        let seed = set.unwrap_or_else(|| RandomState::new().hash_one(variable));
        println!("{variable}={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}
