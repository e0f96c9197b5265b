//! How long the methods of objects keep a thread to themselves.
//!
//! A handler is polled once where its frame was read, which is the fastest for
//! those that end or wait soon, and unfair to everybody behind one that does not.
//! So polls are timed, and it is known of each method what to expect of it:
//!
//! - nothing yet: it was not called before;
//! - that it is quick;
//! - that it is slow: it was so again and again, and starts on a task of its own until it
//!   has been quick for a while. Once is not enough: the system may have taken the
//!   processor away meanwhile;
//! - that it may block: it has held a thread for very long, or for long and again, and is believed to be
//!   quick only after many quick polls.
//!
//! A method behaves alike in all objects of one type, so what is known is known of the type.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Dispatch, watchdog};
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};

/// A first poll that takes longer holds up the connection too much.
const SLOW: Duration = Duration::from_micros(100);
/// A poll that takes as long may as well have blocked its thread, if it is not the only one.
pub(super) const LONG: Duration = Duration::from_millis(10);
/// One that takes as long has.
pub(super) const STUCK: Duration = Duration::from_millis(100);
/// What a slow poll weighs, in quick ones.
const WEIGHT: u32 = 128;
/// The most that is remembered of slow polls. What is above was seen to block.
const MOST: u32 = 3 * WEIGHT;
/// What a poll weighs that has blocked, and for how many quick ones a long one is remembered.
const BLOCKED: u32 = 10_000;
/// How many polls after the first one have to be quick until that is expected of others, if no call has ended before.
const TRIAL: u32 = 64;
/// Instead of a weight: the method was not called yet.
const UNTRIED: u32 = u32::MAX;

/// What is known of the methods of one interface, in the objects of one type.
#[derive(Debug)]
pub(crate) struct Profile {
    methods: Box<[Conduct]>,
    constructors: Box<[Conduct]>,
}

impl Profile {
    fn new(interface: &InterfaceDescriptor) -> Self {
        let of = |methods: &[MethodDescriptor]| {
            let names = methods.iter().map(|method| method.name);
            names
                .map(|name| Conduct::new(interface.name, name))
                .collect()
        };
        Self {
            methods: of(interface.methods),
            constructors: of(interface.constructors),
        }
    }

    /// That of objects of type `T` behind the interface of `P`. There is one for each such pair in the program.
    pub(super) fn of<P: Dispatch<T>, T: 'static>() -> &'static Self {
        static ALL: LazyLock<RwLock<HashMap<TypeId, &'static Profile>>> =
            LazyLock::new(RwLock::default);
        let key = TypeId::of::<(P, T)>();
        let read = || ALL.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read().get(&key).copied() {
            return known;
        }
        let interface = P::interface();
        let mut all = ALL.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(key).or_insert_with(|| {
            let new: &'static Self = Box::leak(Box::new(Self::new(interface)));
            watchdog::enlist(&new.methods);
            watchdog::enlist(&new.constructors);
            new
        })
    }

    /// That of objects whose methods are not known here.
    pub(crate) fn unknown() -> &'static Self {
        static UNKNOWN: LazyLock<Profile> = LazyLock::new(|| Profile {
            methods: Box::new([]),
            constructors: Box::new([]),
        });
        &UNKNOWN
    }

    /// What stands for whatever produces streams.
    fn producers() -> &'static Conduct {
        static PRODUCERS: LazyLock<&'static [Conduct; 1]> = LazyLock::new(|| {
            let new: &'static _ = Box::leak(Box::new([Conduct::new("Streaming", "produce")]));
            watchdog::enlist(new);
            new
        });
        let [producers] = *PRODUCERS;
        producers
    }

    /// - `index`: the method's place in its interface.
    pub(super) fn method(&'static self, index: usize) -> Option<&'static Conduct> {
        self.methods.get(index)
    }

    /// - `index`: the constructor's place in its interface.
    pub(super) fn constructor(&'static self, index: usize) -> Option<&'static Conduct> {
        self.constructors.get(index)
    }
}

/// Polls the producer of a stream, under the eyes of the watchdog. `poll` must not unwind.
pub(crate) fn poll_producer<R>(poll: impl FnOnce() -> R) -> R {
    watchdog::during(Some(Profile::producers()), poll)
}

/// What is known of one method.
#[derive(Debug)]
pub(crate) struct Conduct {
    pub(super) interface: &'static str,
    pub(super) method: &'static str,
    /// What the watchdog knows it by.
    pub(super) number: u32,
    /// Its recent slow first polls and those that have blocked, less its quick ones.
    first: AtomicU32,
    /// The same of later polls, as far as they have blocked; none has to be shown not to.
    later: AtomicU32,
    /// For how many quick polls a long one is still remembered.
    long: AtomicU32,
    /// The place that is the method's own.
    own_place: Semaphore,
}

/// Which poll of a call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The one in which the user's code begins.
    First,
    Later,
}

impl Conduct {
    pub(super) fn new(interface: &'static str, method: &'static str) -> Self {
        Self {
            interface,
            method,
            number: watchdog::number(),
            first: AtomicU32::new(UNTRIED),
            later: AtomicU32::new(TRIAL),
            long: AtomicU32::new(0),
            own_place: Semaphore::new(1),
        }
    }

    /// Whether the method was not called yet, as far as is known.
    pub(super) fn is_untried(&self) -> bool {
        self.first.load(Ordering::Relaxed) == UNTRIED
    }

    /// Whether a call should start on a task of its own.
    pub(super) fn is_slow(&self) -> bool {
        self.first.load(Ordering::Relaxed) > WEIGHT
    }

    /// Whether a poll may block its thread.
    pub(super) fn may_block(&self, stage: Stage) -> bool {
        match stage {
            Stage::First => self.first.load(Ordering::Relaxed) > MOST,
            Stage::Later => self.later.load(Ordering::Relaxed) > 0,
        }
    }

    /// Notes how long a poll took.
    pub(super) fn note(&self, stage: Stage, took: Duration) {
        let long = self.long.load(Ordering::Relaxed);
        if took >= STUCK || (took >= LONG && long > 0) {
            return self.has_blocked();
        }
        if took >= LONG {
            self.long.store(BLOCKED, Ordering::Relaxed);
        } else if long > 0 {
            self.long.store(long.saturating_sub(1), Ordering::Relaxed);
        }
        let weight = match stage {
            Stage::First => &self.first,
            Stage::Later => &self.later,
        };
        let before = weight.load(Ordering::Relaxed);
        let after = match stage {
            Stage::First if before == UNTRIED && took > SLOW => WEIGHT,
            Stage::First if before == UNTRIED => 0,
            Stage::First if took > SLOW => before.max(before.saturating_add(WEIGHT).min(MOST)),
            Stage::First | Stage::Later => before.saturating_sub(1),
        };
        if after != before {
            weight.store(after, Ordering::Relaxed);
        }
    }

    /// Notes that a call has ended that had waited, and none of its polls has blocked.
    pub(super) fn note_end(&self) {
        if self.later.load(Ordering::Relaxed) <= TRIAL {
            self.later.store(0, Ordering::Relaxed);
        }
    }

    /// Notes that a poll has blocked its thread, or does so now.
    pub(super) fn has_blocked(&self) {
        self.first.store(MOST + BLOCKED, Ordering::Relaxed);
        self.later.store(BLOCKED, Ordering::Relaxed);
    }

    /// Notes that the first poll of the method ever has not come back in time.
    pub(super) fn is_late(&self) {
        let (before, after) = (UNTRIED, MOST + TRIAL);
        let relaxed = Ordering::Relaxed;
        let _changed = self.first.compare_exchange(before, after, relaxed, relaxed);
    }

    /// The place that the method has for itself, where its calls may block: whoever else does, one of them goes on.
    pub(super) fn own_place(&self) -> &Semaphore {
        &self.own_place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried() -> Conduct {
        let conduct = Conduct::new("I", "m");
        first(&conduct, 1, 1);
        conduct
    }

    fn first(conduct: &Conduct, times: usize, micros: u64) {
        for _ in 0..times {
            conduct.note(Stage::First, Duration::from_micros(micros));
        }
    }

    fn later(conduct: &Conduct, times: usize, micros: u64) {
        for _ in 0..times {
            conduct.note(Stage::Later, Duration::from_micros(micros));
        }
    }

    #[test]
    fn a_method_is_slow_after_two_slow_polls_and_quick_again_after_a_while() {
        let conduct = tried();
        first(&conduct, 1, 1000);
        first(&conduct, 10, 100);
        assert!(!conduct.is_slow(), "once may be chance");
        first(&conduct, 1, 101);
        assert!(conduct.is_slow());
        first(&conduct, 10, 5000);
        first(&conduct, 200, 1);
        assert!(conduct.is_slow());
        assert!(!conduct.may_block(Stage::First), "slow is not yet stuck");
        first(&conduct, 100, 1);
        assert!(!conduct.is_slow());
    }

    #[test]
    fn a_method_that_is_slow_now_and_then_is_slow_and_a_rare_delay_is_forgotten() {
        let conduct = tried();
        for _ in 0..100 {
            first(&conduct, 1, 1000);
            first(&conduct, 63, 1);
        }
        assert!(conduct.is_slow(), "when the next slow one comes");
        first(&conduct, 400, 1);
        for _ in 0..100 {
            first(&conduct, 1, 1000);
            assert!(!conduct.is_slow());
            first(&conduct, 300, 1);
        }
    }

    #[test]
    fn of_a_method_that_was_never_called_the_worst_is_expected_until_it_comes_back() {
        let conduct = Conduct::new("I", "m");
        assert!(conduct.is_untried() && conduct.is_slow());
        assert!(conduct.may_block(Stage::First) && conduct.may_block(Stage::Later));
        first(&conduct, 1, 150);
        assert!(!conduct.is_untried() && !conduct.is_slow());
        assert!(conduct.may_block(Stage::Later), "that is still to be seen");
        later(&conduct, 1, 1);
        assert!(conduct.may_block(Stage::Later), "one poll of many");
        conduct.note_end();
        assert!(!conduct.may_block(Stage::Later));

        let endless = tried();
        later(&endless, 64, 1);
        assert!(!endless.may_block(Stage::Later));

        let late = Conduct::new("I", "m");
        late.is_late();
        assert!(!late.is_untried() && late.may_block(Stage::First));
        let known = tried();
        known.is_late();
        assert!(!known.is_slow(), "it has come back meanwhile");
    }

    #[test]
    fn a_method_that_has_blocked_is_expected_to_for_long_and_not_for_ever() {
        let conduct = tried();
        later(&conduct, 1, 10_000);
        assert!(!conduct.may_block(Stage::First), "once may be chance");
        first(&conduct, 9_000, 1);
        later(&conduct, 1, 10_000);
        first(&conduct, 9_000, 1);
        first(&conduct, 10, 1_000);
        assert!(conduct.may_block(Stage::First));
        conduct.note_end();
        assert!(conduct.may_block(Stage::Later));
        later(&conduct, 10_000, 1);
        first(&conduct, 1_500, 1);
        assert!(!conduct.is_slow());
        assert!(!conduct.may_block(Stage::First) && !conduct.may_block(Stage::Later));
        first(&conduct, 1, 100_000);
        assert!(conduct.may_block(Stage::First), "that was no chance");
    }
}
