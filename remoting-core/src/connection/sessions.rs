//! The sessions of a host that peers may come back to, by the words that they know them by.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use dashmap::DashMap;

use super::Connection;
use crate::limits::{Counters, Limits};
use crate::wire::SessionId;

/// Sessions whose peers have dialled. Those that are over are not in it.
#[derive(Default)]
pub(crate) struct Sessions {
    table: LazyLock<DashMap<SessionId, Weak<Connection>>>,
    /// Those of them that have no connection.
    detached: Arc<Mutex<Detached>>,
}

/// How many bytes are kept for each session that has no connection, on the average at most.
const BYTES_EACH: usize = 16 * 1024;
/// What part of those bytes one address may take.
const ADDRESS_PART: usize = 4;

/// The place of a session among those that have no connection.
pub(super) struct Place {
    among: Arc<Mutex<Detached>>,
    source: Option<IpAddr>,
    held: usize,
}

/// The sessions that have no connection: all, and those of each address.
#[derive(Default)]
struct Detached {
    all: Share,
    of_address: HashMap<IpAddr, Share>,
}

/// Some of them, and how many bytes are kept for them.
#[derive(Default, Clone, Copy)]
struct Share {
    sessions: usize,
    bytes: usize,
}

impl Detached {
    fn of(&self, source: IpAddr) -> Share {
        self.of_address.get(&source).copied().unwrap_or_default()
    }
}

impl Share {
    /// With one more.
    fn with(self, held: usize) -> Self {
        Self {
            sessions: self.sessions.saturating_add(1),
            bytes: self.bytes.saturating_add(held),
        }
    }

    /// With one less.
    fn without(self, held: usize) -> Self {
        Self {
            sessions: self.sessions.saturating_sub(1),
            bytes: self.bytes.saturating_sub(held),
        }
    }

    fn is_within(self, sessions: usize, bytes: usize) -> bool {
        self.sessions <= sessions && self.bytes <= bytes
    }
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

    /// Makes room for one that has lost its connection, if there may be one more, also from where its peer is.
    ///
    /// - `held`: how many bytes are kept for it.
    pub(super) fn enter(
        &self,
        source: Option<IpAddr>,
        held: usize,
        limits: &Limits,
        counters: &Counters,
    ) -> Option<Place> {
        let bytes = limits.detached_sessions.saturating_mul(BYTES_EACH);
        let part = (bytes / ADDRESS_PART).max(limits.unsent);
        let mut detached = lock(&self.detached);
        let all = detached.all.with(held);
        let there = source.map(|source| (source, detached.of(source).with(held)));
        if !all.is_within(limits.detached_sessions, bytes.max(limits.unsent))
            || there
                .is_some_and(|(_, there)| !there.is_within(limits.connections_per_address, part))
        {
            drop(detached);
            counters.detached_sessions.add();
            return None;
        }
        detached.all = all;
        detached.of_address.extend(there);
        drop(detached);
        let among = Arc::clone(&self.detached);
        Some(Place {
            among,
            source,
            held,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut detached = lock(&self.among);
        detached.all = detached.all.without(self.held);
        let Some(source) = self.source else { return };
        if let Some(there) = detached.of_address.get_mut(&source) {
            *there = there.without(self.held);
            if there.sessions == 0 {
                detached.of_address.remove(&source);
            }
        }
    }
}

fn lock(detached: &Mutex<Detached>) -> MutexGuard<'_, Detached> {
    detached.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn limits() -> Limits {
        Limits {
            detached_sessions: 4,
            connections_per_address: 2,
            unsent: 0,
            ..Limits::default()
        }
    }

    #[test]
    fn one_address_leaves_room_for_the_sessions_of_others() {
        let (sessions, limits, counters) = (Sessions::default(), limits(), Counters::default());
        let enter = |source| sessions.enter(source, 0, &limits, &counters);
        let here = [HERE; 3].map(enter);
        assert_eq!(here.each_ref().map(Option::is_some), [true, true, false]);
        assert_eq!(counters.detached_sessions.get(), 1);
        let there = [THERE; 2].map(enter);
        assert!(
            there.iter().all(Option::is_some),
            "they have a part of their own"
        );
        assert!(enter(None).is_none(), "there are as many as there may be");
        drop(here);
        assert!(enter(HERE).is_some(), "what has gone counts no more");
        drop(there);
        let detached = lock(&sessions.detached);
        assert_eq!((detached.all.sessions, detached.of_address.len()), (0, 0));
    }

    #[test]
    fn one_address_leaves_bytes_for_the_sessions_of_others() {
        let (sessions, limits, counters) = (Sessions::default(), limits(), Counters::default());
        let enter = |source, held| sessions.enter(source, held, &limits, &counters);
        let own = enter(HERE, BYTES_EACH);
        assert!(own.is_some(), "a quarter of them");
        assert!(enter(HERE, 1).is_none());
        assert!(
            enter(None, 4 * BYTES_EACH).is_none(),
            "a part has been taken"
        );
        let others = enter(None, 3 * BYTES_EACH);
        assert!(others.is_some());
        assert!(enter(THERE, 1).is_none(), "no byte is left");
        drop((own, others));
        assert_eq!(lock(&sessions.detached).all.bytes, 0);
    }
}
