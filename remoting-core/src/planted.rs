//! Bugs on purpose, in tests only: what looks for bugs has to find these.

use std::cell::Cell;

/// A bug that a test can switch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Every fourth release is not sent.
    LostRelease,
    /// Every fourth release is sent twice.
    DoubleRelease,
    /// An object that is held expires with its lease.
    EarlyExpiry,
    /// A slot is free when the first of several references to it has come back.
    SlotReusedTooSoon,
    /// A sponsor that has refused is asked again.
    SponsorAskedAfterRefusal,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

/// Switches a bug on, or all off, on this thread.
pub(crate) fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether a bug is on.
pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether a bug is on that strikes every fourth time.
pub(crate) fn strikes(bug: Bug) -> bool {
    if !is(bug) {
        return false;
    }
    COUNT.set(COUNT.get().wrapping_add(1));
    COUNT.get() % 4 == 0
}
