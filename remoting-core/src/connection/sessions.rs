//! The sessions of a host that peers may come back to, by the words that they know them by.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use dashmap::DashMap;

use super::Connection;
use crate::limits::{Counters, Limits};
use crate::wire::SessionId;

/// Sessions whose peers have dialled. Those that are over are not in it.
#[derive(Default)]
pub(crate) struct Sessions {
    table: LazyLock<DashMap<SessionId, Weak<Connection>>>,
    /// Those of them that have no connection.
    detached: Arc<Detached>,
}

/// How many bytes are kept for each session that has no connection, on the average at most.
const BYTES_EACH: usize = 16 * 1024;

/// The place of a session among those that have no connection, and how many bytes are kept for it.
pub(super) struct Place(Arc<Detached>, usize);

/// The sessions that have no connection.
#[derive(Default)]
struct Detached {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

impl Sessions {
    pub(super) fn add(&self, id: SessionId, connection: &Arc<Connection>) {
        self.table.insert(id, Arc::downgrade(connection));
    }

    pub(super) fn remove(&self, id: SessionId) {
        let removed = self.table.remove(&id);
        drop(removed);
    }

    pub(super) fn find(&self, id: SessionId) -> Option<Arc<Connection>> {
        self.table.get(&id)?.upgrade()
    }

    /// Makes room for one that has lost its connection, if there may be one more.
    ///
    /// - `held`: how many bytes are kept for it.
    pub(super) fn enter(&self, held: usize, limits: &Limits, counters: &Counters) -> Option<Place> {
        let place = Place(Arc::clone(&self.detached), held);
        let count = self.detached.count.fetch_add(1, Ordering::Relaxed);
        let bytes = self.detached.bytes.fetch_add(held, Ordering::Relaxed);
        let most = limits.detached_sessions.saturating_mul(BYTES_EACH);
        if count < limits.detached_sessions && bytes.saturating_add(held) <= most.max(limits.unsent)
        {
            return Some(place);
        }
        counters.detached_sessions.add();
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}
