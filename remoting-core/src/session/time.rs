//! Arithmetic of instants that cannot overflow, and the next instant of a table.

use std::time::{Duration, Instant};

/// Far enough away to be never, near enough to be an instant.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The instant `wait` after `now`, or one far away if there is none.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(FAR)).unwrap_or(now)
}

/// An instant before which nothing in a table is due.
///
/// It may be earlier than needed: entries that go away leave it as it is, and a
/// scan of the table once it has come sets it anew. So a table is scanned no more
/// often than its deadlines pass.
#[derive(Debug, Default)]
pub(super) struct Next(Option<Instant>);

impl Next {
    pub(super) fn get(&self) -> Option<Instant> {
        self.0
    }

    /// Something is due at `at`.
    pub(super) fn include(&mut self, at: Instant) {
        if self.0.is_none_or(|next| at < next) {
            self.0 = Some(at);
        }
    }

    pub(super) fn has_come(&self, now: Instant) -> bool {
        self.0.is_some_and(|next| next <= now)
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

/// The earliest of some instants.
pub(super) fn earliest(instants: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    instants.into_iter().flatten().min()
}
