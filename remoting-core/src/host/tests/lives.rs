//! Objects that are sent around at random, over connections that are cut between any two
//! bytes, by hosts that are started anew; against a model of who keeps what.
//!
//! After each step: nothing that somebody holds is gone, nothing that nobody holds is kept
//! longer than its lease and grace, each is let go once. Time is virtual. A failure names its
//! seed; `LIVES_SEED` runs it again.

mod cutting;
mod model;
mod things;
mod world;

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::world::World;
use crate::planted::{self, Bug};

/// Numbers that look like chance; the same for the same seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn seed() -> u64 {
    let set = std::env::var("LIVES_SEED").ok();
    set.and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one("lives"))
}

/// How many steps one world lives through: the model looks at everything that ever was in it.
const AGE: usize = 250;

/// Runs one world after the other until so many steps are done.
fn run(steps: usize, seed: u64) {
    println!("LIVES_SEED={seed}");
    let mut builder = tokio::runtime::Builder::new_current_thread();
    for number in 0..steps.div_ceil(AGE) {
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let chance = Chance(seed.wrapping_add(number as u64));
            let mut world = World::new(chance).await;
            for _ in 0..AGE {
                world.step().await;
            }
            world.end().await;
        });
    }
}

/// A quarter of a million steps each, so that they run side by side.
macro_rules! quarters {
    ($($name:ident)+) => { $(
        #[test]
        fn $name() {
            run(250_000, seed());
        }
    )+ };
}

quarters! {
    nothing_goes_early_and_nothing_stays_one
    nothing_goes_early_and_nothing_stays_two
    nothing_goes_early_and_nothing_stays_three
    nothing_goes_early_and_nothing_stays_four
}

/// Whether a run with a bug in the library fails.
fn finds(bug: Bug) {
    let seed = seed();
    planted::plant(Some(bug));
    let found = catch_unwind(AssertUnwindSafe(|| run(250_000, seed)));
    planted::plant(None);
    assert!(found.is_err(), "{bug:?} was not found");
}

#[test]
fn a_release_that_is_lost_is_found() {
    finds(Bug::LostRelease);
}

#[test]
fn a_release_that_is_sent_twice_is_found() {
    finds(Bug::DoubleRelease);
}

#[test]
fn an_object_that_expires_though_it_is_held_is_found() {
    finds(Bug::EarlyExpiry);
}

#[test]
fn a_slot_that_is_reused_too_soon_is_found() {
    finds(Bug::SlotReusedTooSoon);
}

#[test]
fn a_sponsor_that_is_asked_after_it_has_refused_is_found() {
    finds(Bug::SponsorAskedAfterRefusal);
}
