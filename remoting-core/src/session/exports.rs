//! The objects that the peer holds: slot to object and count.

use std::collections::HashMap;

use slab::Slab;

use crate::id::{InterfaceId, Slot};
#[cfg(test)]
use crate::planted::{self, Bug};
use crate::wire::Violation;

/// What each slot stands for, and how many references to it the peer holds.
///
/// A slot is given to another object only after the peer has released it wholly.
#[derive(Debug)]
pub(super) struct Exports<T> {
    held: Slab<Export<T>>,
    /// The slots of objects that were lent along with payloads.
    lent: HashMap<ExportKey, Slot>,
    /// Slots from here on were never given to anything.
    first_fresh: usize,
    most: usize,
}

#[derive(Debug)]
struct Export<T> {
    object: T,
    count: u32,
    /// Rare, and long.
    key: Option<Box<ExportKey>>,
}

/// What tells an object that is lent from all others, as long as it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExportKey {
    /// A number that no other object has at the same time.
    pub object: usize,
    /// The interface that it is seen through.
    pub interface: InterfaceId,
}

/// Why a slot stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoObject {
    /// It never stood for anything.
    Unknown,
    /// The peer has released it.
    Released,
}

impl<T> Exports<T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            held: Slab::new(),
            lent: HashMap::new(),
            first_fresh: 0,
            most,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Gives a new slot to `object`, held once; gives it back if there are too many.
    pub(super) fn add(&mut self, object: T) -> Result<Slot, T> {
        self.insert(object, None)
    }

    /// Gives the slot that `object` has, or a new one, held once more. Gives back what is not
    /// needed: a second hand on an object that was lent before, or one object too many.
    pub(super) fn lend(&mut self, object: T, key: ExportKey) -> Result<(Slot, Option<T>), T> {
        if let Some(slot) = self.lent.get(&key).copied() {
            if let Some(export) = self.held.get_mut(place(slot)) {
                let Some(count) = export.count.checked_add(1) else {
                    return Err(object);
                };
                export.count = count;
                return Ok((slot, Some(object)));
            }
        }
        let slot = self.insert(object, Some(key))?;
        self.lent.insert(key, slot);
        Ok((slot, None))
    }

    fn insert(&mut self, object: T, key: Option<ExportKey>) -> Result<Slot, T> {
        let Ok(slot) = u32::try_from(self.held.vacant_key()) else {
            return Err(object);
        };
        if self.held.len() >= self.most {
            return Err(object);
        }
        if self.held.len() == self.held.capacity() {
            // By a quarter: twice as much would be room for thousands of objects that never come.
            let more = (self.held.len() / 4).max(4);
            self.held.reserve_exact(more);
        }
        let place = self.held.insert(Export {
            object,
            count: 1,
            key: key.map(Box::new),
        });
        self.first_fresh = self.first_fresh.max(place.saturating_add(1));
        Ok(Slot(slot))
    }

    /// What the slot stands for.
    pub(super) fn get(&self, slot: Slot) -> Result<&T, NoObject> {
        let place = place(slot);
        match self.held.get(place) {
            Some(export) => Ok(&export.object),
            None if place < self.first_fresh => Err(NoObject::Released),
            None => Err(NoObject::Unknown),
        }
    }

    /// Takes `count` references back; gives the object if those were the last.
    pub(super) fn release(&mut self, slot: Slot, count: u32) -> Result<Option<T>, Violation> {
        let export = self
            .held
            .get_mut(place(slot))
            .ok_or(Violation::ReleaseOfMoreThanHeld)?;
        export.count = export
            .count
            .checked_sub(count)
            .ok_or(Violation::ReleaseOfMoreThanHeld)?;
        #[cfg(test)]
        if planted::is(Bug::SlotReusedTooSoon) {
            export.count = 0;
        }
        if export.count > 0 {
            return Ok(None);
        }
        let Some(export) = self.held.try_remove(place(slot)) else {
            return Ok(None);
        };
        if let Some(key) = export.key {
            self.lent.remove(&key);
        }
        Ok(Some(export.object))
    }

    /// All objects that are held.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.held.iter().map(|(_, export)| &export.object)
    }

    /// Takes everything back.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.lent.clear();
        self.held.drain().map(|export| export.object)
    }
}

fn place(slot: Slot) -> usize {
    usize::try_from(slot.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_reused_only_after_it_was_released_wholly() {
        let mut exports = Exports::new(3);
        let first = exports.add('a').unwrap();
        let second = exports.add('b').unwrap();
        assert_ne!(first, second);
        assert_eq!(exports.release(first, 1), Ok(Some('a')));
        assert_eq!(exports.get(first), Err(NoObject::Released));
        assert_eq!(exports.get(Slot(7)), Err(NoObject::Unknown));
        assert_eq!(exports.add('c'), Ok(first));
        assert_eq!(exports.get(first), Ok(&'c'));
        assert_eq!(exports.get(second), Ok(&'b'));
    }

    #[test]
    fn an_object_that_is_lent_again_keeps_its_slot_until_all_of_it_has_come_back() {
        let key = |object| ExportKey {
            object,
            interface: InterfaceId(1),
        };
        let mut exports = Exports::new(3);
        let (first, _) = exports.lend('a', key(1)).unwrap();
        assert_eq!(exports.lend('a', key(1)), Ok((first, Some('a'))));
        let (other, _) = exports.lend('a', key(2)).unwrap();
        assert_ne!(first, other);
        assert_eq!(exports.release(first, 1), Ok(None));
        assert_eq!(exports.release(first, 1), Ok(Some('a')));
        assert_eq!(exports.lend('b', key(3)), Ok((first, None)));
        assert_ne!(exports.lend('a', key(1)).unwrap().0, first);
    }

    #[test]
    fn more_than_held_cannot_be_released() {
        let mut exports = Exports::new(3);
        let slot = exports.add('a').unwrap();
        assert_eq!(
            exports.release(slot, 2),
            Err(Violation::ReleaseOfMoreThanHeld)
        );
        assert_eq!(
            exports.release(Slot(9), 1),
            Err(Violation::ReleaseOfMoreThanHeld)
        );
        assert_eq!(exports.release(slot, 1), Ok(Some('a')));
        assert_eq!(
            exports.release(slot, 1),
            Err(Violation::ReleaseOfMoreThanHeld)
        );
    }

    #[test]
    fn an_object_too_many_is_given_back() {
        let mut exports = Exports::new(1);
        assert!(exports.add('a').is_ok());
        assert_eq!(exports.add('b'), Err('b'));
        assert_eq!(exports.drain().collect::<String>(), "a");
        assert_eq!(exports.len(), 0);
    }
}
