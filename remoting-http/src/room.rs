//! The memory for the bodies of requests: how much all of them take, and how much those of one caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remoting_core::Peer;

use crate::once::caller_of;

/// How many bodies of the longest kind a channel holds at a time.
pub(crate) const LONGEST_AT_ONCE: usize = 64;

/// What part of that one caller may take.
const CALLER_PART: usize = 4;

/// The memory that all bodies of a channel may take, from their first byte until their call has ended.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    taken: Arc<Mutex<Taken>>,
    /// How long a body may be.
    longest: usize,
    /// Who takes of it; nothing if only all callers together are bounded.
    caller: Option<Arc<str>>,
}

/// How many bytes are taken: by all, and by each caller.
#[derive(Debug, Default)]
struct Taken {
    by_all: usize,
    by_caller: HashMap<Arc<str>, usize>,
}

impl Room {
    /// Room for some bodies of the longest kind, and many short ones.
    ///
    /// - `longest`: how many bytes are taken of one.
    pub(crate) fn new(longest: usize) -> Self {
        Self {
            taken: Arc::default(),
            longest,
            caller: None,
        }
    }

    /// The same room, as a caller may take of it: whom the host knows for itself, and strangers with all others at their
    /// address.
    pub(crate) fn of(&self, peer: &Peer) -> Self {
        let known = peer.principal().map(|_| caller_of(peer));
        let at = || peer.source().map(|source| source.to_string());
        Self {
            caller: known.or_else(at).map(Arc::from),
            ..self.clone()
        }
    }

    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// A place for one body, which has no bytes yet.
    pub(crate) fn place(&self) -> Place {
        Place {
            room: self.clone(),
            bytes: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body takes, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Room,
    bytes: usize,
}

impl Place {
    /// Makes room for more of the body. Tells whether there was some.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let most = self.room.longest.saturating_mul(LONGEST_AT_ONCE);
        let caller = self.room.caller.as_ref();
        let mut taken = self.room.lock();
        let by_all = taken.by_all.saturating_add(bytes);
        let own = caller.and_then(|caller| taken.by_caller.get(caller));
        let own = own.copied().unwrap_or_default().saturating_add(bytes);
        if by_all > most || caller.is_some() && own > most / CALLER_PART {
            return false;
        }
        taken.by_all = by_all;
        if let Some(caller) = caller {
            taken.by_caller.insert(Arc::clone(caller), own);
        }
        drop(taken);
        self.bytes = self.bytes.saturating_add(bytes);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.lock();
        taken.by_all = taken.by_all.saturating_sub(self.bytes);
        let Some(caller) = &self.room.caller else {
            return;
        };
        if let Some(own) = taken.by_caller.get_mut(caller) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                taken.by_caller.remove(caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use remoting_core::Certificate;

    use super::*;

    /// A place of so many bytes, if there is room.
    fn take(room: &Room, bytes: usize) -> Option<Place> {
        let mut place = room.place();
        place.grow(bytes).then_some(place)
    }

    #[test]
    fn one_caller_leaves_room_for_the_bodies_of_others() {
        let room = Room::new(1);
        let at = |address: &str| Peer::at(address.parse().unwrap());
        let part = LONGEST_AT_ONCE / CALLER_PART;
        let first = take(&room.of(&at("192.0.2.1:1")), part);
        assert!(first.is_some());
        assert!(
            take(&room.of(&at("[::ffff:192.0.2.1]:2")), 1).is_none(),
            "the address is the same"
        );
        let ann = Certificate::new("CN=ann", Vec::new());
        let known = room.of(&at("192.0.2.1:3").with_certificate(Some(ann)));
        let others = [room.of(&at("192.0.2.2:1")), known].map(|room| take(&room, part));
        assert!(others.iter().all(Option::is_some));
        drop(first);
        assert!(take(&room.of(&at("192.0.2.1:2")), 1).is_some());
        drop(others);
        let taken = room.lock();
        assert_eq!((taken.by_all, taken.by_caller.len()), (0, 0));
    }
}
