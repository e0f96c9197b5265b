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
    bounds: Bounds,
}

/// How much there may be without a connection: of all, and of one address.
#[derive(Clone, Copy)]
struct Bounds {
    all: Share,
    of_address: Share,
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
    /// Counts one more if there may be one.
    fn enter(&mut self, source: Option<IpAddr>, held: usize, bounds: Bounds) -> bool {
        let there = source.and_then(|source| self.of_address.get(&source));
        let there = there.copied().unwrap_or_default().with(held);
        let has_room = source.is_none() || there.is_within(bounds.of_address);
        let enters = has_room && self.all.with(held).is_within(bounds.all);
        if enters {
            self.add(source, held);
        }
        enters
    }

    /// Counts one more, whether there may be one or not.
    fn add(&mut self, source: Option<IpAddr>, held: usize) {
        self.all = self.all.with(held);
        if let Some(source) = source {
            let there = self.of_address.entry(source).or_default();
            *there = there.with(held);
        }
    }

    /// Counts one less.
    fn leave(&mut self, source: Option<IpAddr>, held: usize) {
        self.all = self.all.without(held);
        let Some(source) = source else { return };
        if let Some(there) = self.of_address.get_mut(&source) {
            *there = there.without(held);
            if there.sessions == 0 {
                self.of_address.remove(&source);
            }
        }
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

    fn is_within(self, most: Self) -> bool {
        self.sessions <= most.sessions && self.bytes <= most.bytes
    }
}

impl Bounds {
    fn of(limits: &Limits) -> Self {
        let bytes = limits.detached_sessions.saturating_mul(BYTES_EACH);
        Self {
            all: Share {
                sessions: limits.detached_sessions,
                bytes: bytes.max(limits.unsent),
            },
            of_address: Share {
                sessions: limits.connections_per_address,
                bytes: (bytes / ADDRESS_PART).max(limits.unsent),
            },
        }
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
        let bounds = Bounds::of(limits);
        let entered = lock(&self.detached).enter(source, held, bounds);
        if !entered {
            counters.detached_sessions.add();
            return None;
        }
        Some(Place {
            among: Arc::clone(&self.detached),
            source,
            held,
            bounds,
        })
    }
}

impl Place {
    /// Notes how many bytes are kept for the session now. Tells whether so many may be.
    pub(super) fn keeps(&mut self, held: usize, counters: &Counters) -> bool {
        if held == self.held {
            return true;
        }
        let mut detached = lock(&self.among);
        detached.leave(self.source, self.held);
        let fits = detached.enter(self.source, held, self.bounds);
        if fits {
            self.held = held;
        } else {
            detached.add(self.source, self.held);
            counters.detached_sessions.add();
        }
        fits
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.among).leave(self.source, self.held);
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
    fn what_comes_to_be_kept_counts_as_well() {
        let (sessions, limits, counters) = (Sessions::default(), limits(), Counters::default());
        let enter = |source, held| sessions.enter(source, held, &limits, &counters);
        let mut first = enter(HERE, 0).unwrap();
        let second = enter(HERE, 10).unwrap();
        assert!(first.keeps(BYTES_EACH - 10, &counters));
        assert!(!first.keeps(BYTES_EACH - 9, &counters), "of one address");
        assert_eq!(counters.detached_sessions.get(), 1);
        drop(second);
        assert!(first.keeps(BYTES_EACH, &counters));
        assert!(first.keeps(1, &counters), "and less again");
        drop(first);
        assert_eq!(lock(&sessions.detached).all.bytes, 0);
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
