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
    /// How many of them have no connection.
    detached: Arc<AtomicUsize>,
}

/// The place of a session among those that have no connection.
pub(super) struct Place(Arc<AtomicUsize>);

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
    pub(super) fn enter(&self, limits: &Limits, counters: &Counters) -> Option<Place> {
        let place = Place(Arc::clone(&self.detached));
        if self.detached.fetch_add(1, Ordering::Relaxed) < limits.detached_sessions {
            return Some(place);
        }
        counters.detached_sessions.add();
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
