//! Which methods keep the connection busy before they first wait.
//!
//! A handler is polled once where its frame was read, which is the fastest for
//! those that end or wait soon, and unfair to everybody behind one that does not.
//! So each method's first poll is timed, and a method that is slow again and again starts on a
//! task of its own from then on, until it has been quick for a while. Once is not enough:
//! the system may have taken the processor away meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::descriptor::InterfaceDescriptor;

/// A first poll that takes longer holds up the connection too much.
const SLOW: Duration = Duration::from_micros(100);
/// What a slow poll weighs, in quick ones.
const WEIGHT: u32 = 128;
/// The most that is remembered.
const MOST: u32 = 3 * WEIGHT;
/// A poll that takes longer deserves a line in the log.
const STUCK: Duration = Duration::from_millis(100);

/// For each method of one class of objects: its recent slow first polls, less its quick ones.
#[derive(Debug)]
pub(crate) struct Profile(Box<[AtomicU32]>);

impl Profile {
    pub(crate) fn new(interface: &InterfaceDescriptor) -> Self {
        Self(
            interface
                .methods
                .iter()
                .map(|_| AtomicU32::new(0))
                .collect(),
        )
    }

    /// That of objects whose methods are not known here.
    pub(crate) fn unknown() -> Arc<Self> {
        static UNKNOWN: LazyLock<Arc<Profile>> = LazyLock::new(|| Arc::new(Profile(Box::new([]))));
        Arc::clone(&UNKNOWN)
    }

    /// Tells whether a method should start on a task of its own.
    pub(crate) fn is_slow(&self, index: usize) -> bool {
        let weight = self.0.get(index);
        weight.is_some_and(|weight| weight.load(Ordering::Relaxed) > WEIGHT)
    }

    /// Notes how long a first poll took.
    pub(crate) fn note(&self, index: usize, method: &str, took: Duration) {
        let Some(weight) = self.0.get(index) else {
            return;
        };
        let before = weight.load(Ordering::Relaxed);
        let after = match took > SLOW {
            true => before.saturating_add(WEIGHT).min(MOST),
            false => before.saturating_sub(1),
        };
        if after != before {
            weight.store(after, Ordering::Relaxed);
        }
        watch(method, took);
    }
}

/// Names a method that kept a worker thread to itself for long.
pub(crate) fn watch(method: &str, took: Duration) {
    if took > STUCK {
        tracing::warn!(
            target: "remoting::call",
            method,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "a method held a worker thread without awaiting; mark it `#[blocking]` or await in between",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::MethodDescriptor;

    static INTERFACE: InterfaceDescriptor =
        InterfaceDescriptor::new("I", 0).methods(&[MethodDescriptor::new("m", &[])]);

    fn note(profile: &Profile, times: usize, micros: u64) {
        for _ in 0..times {
            profile.note(0, "m", Duration::from_micros(micros));
        }
    }

    #[test]
    fn a_method_is_slow_after_two_slow_polls_and_quick_again_after_a_while() {
        let profile = Profile::new(&INTERFACE);
        note(&profile, 1, 1000);
        note(&profile, 10, 100);
        assert!(!profile.is_slow(0), "once may be chance");
        note(&profile, 1, 101);
        assert!(profile.is_slow(0));
        note(&profile, 10, 5000);
        note(&profile, 200, 1);
        assert!(profile.is_slow(0));
        note(&profile, 100, 1);
        assert!(!profile.is_slow(0));
        assert!(
            !profile.is_slow(7),
            "a method that does not exist is not slow"
        );
    }

    #[test]
    fn a_method_that_is_slow_now_and_then_is_slow_and_a_rare_delay_is_forgotten() {
        let profile = Profile::new(&INTERFACE);
        for _ in 0..100 {
            note(&profile, 1, 1000);
            note(&profile, 63, 1);
        }
        assert!(profile.is_slow(0), "when the next slow one comes");
        note(&profile, 400, 1);
        for _ in 0..100 {
            note(&profile, 1, 1000);
            assert!(!profile.is_slow(0));
            note(&profile, 300, 1);
        }
    }
}
