//! How long methods keep the connection busy before they first wait.
//!
//! A handler is polled once where its frame was read, which is the fastest for
//! those that end or wait soon, and unfair to everybody behind one that does not.
//! So each method's first poll is timed, and one that took long starts on a task
//! of its own from then on, until it has been quick for a while.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::descriptor::InterfaceDescriptor;

/// A first poll that takes longer holds up the connection too much.
const SLOW: Duration = Duration::from_micros(100);
/// By which part of it what is remembered fades with each call.
const FADING: u32 = 64;
/// A poll that takes longer deserves a line in the log.
const STUCK: Duration = Duration::from_millis(100);

/// The longest recent first poll of each method of one class of objects, in microseconds.
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
        self.0
            .get(index)
            .is_some_and(|longest| u128::from(longest.load(Ordering::Relaxed)) > SLOW.as_micros())
    }

    /// Notes how long a first poll took. What is remembered fades slowly, so that a method which
    /// is slow once in a while is taken for slow.
    pub(crate) fn note(&self, index: usize, method: &str, took: Duration) {
        let Some(longest) = self.0.get(index) else {
            return;
        };
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let before = longest.load(Ordering::Relaxed);
        let after = micros.max(before - before.div_ceil(FADING));
        if after != before {
            longest.store(after, Ordering::Relaxed);
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

    #[test]
    fn a_method_is_slow_after_one_slow_poll_and_quick_again_after_a_while() {
        static INTERFACE: InterfaceDescriptor =
            InterfaceDescriptor::new("I", 0).methods(&[MethodDescriptor::new("m", &[])]);
        let profile = Profile::new(&INTERFACE);
        profile.note(0, "m", Duration::from_micros(99));
        assert!(!profile.is_slow(0));
        profile.note(0, "m", Duration::from_millis(1));
        assert!(profile.is_slow(0));
        for _ in 0..100 {
            profile.note(0, "m", Duration::from_micros(1));
        }
        assert!(profile.is_slow(0));
        for _ in 0..60 {
            profile.note(0, "m", Duration::from_micros(1));
        }
        assert!(!profile.is_slow(0));
        assert!(
            !profile.is_slow(7),
            "a method that does not exist is not slow"
        );
    }
}
