//! The names behind which there is nothing any more, in the order in which they were withdrawn.
//!
//! Each name is in here once at most, however often it was published and withdrawn.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Names that were withdrawn and not published again.
#[derive(Default)]
pub(super) struct Tombstones {
    by_age: BTreeMap<u64, Arc<str>>,
    ages: HashMap<Arc<str>, u64>,
    next: u64,
}

impl Tombstones {
    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Adds a name as the youngest, also if it was there as an older one.
    pub(super) fn bury(&mut self, name: &str) {
        self.take_out(name);
        let name = Arc::<str>::from(name);
        self.by_age.insert(self.next, Arc::clone(&name));
        self.ages.insert(name, self.next);
        self.next += 1;
    }

    /// Takes a name out, if it is there.
    pub(super) fn take_out(&mut self, name: &str) {
        if let Some(age) = self.ages.remove(name) {
            self.by_age.remove(&age);
        }
    }

    /// Takes the oldest name out.
    pub(super) fn pop_oldest(&mut self) -> Option<Arc<str>> {
        let (_, name) = self.by_age.pop_first()?;
        self.ages.remove(&name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_there_once_and_as_young_as_it_was_buried_last() {
        let mut tombstones = Tombstones::default();
        for name in ["one", "two", "one", "three"] {
            tombstones.bury(name);
        }
        tombstones.take_out("three");
        tombstones.take_out("nobody");
        assert_eq!(tombstones.len(), 2);
        assert_eq!(tombstones.pop_oldest().as_deref(), Some("two"));
        assert_eq!(tombstones.pop_oldest().as_deref(), Some("one"));
        assert_eq!(tombstones.pop_oldest(), None);
        assert!(tombstones.ages.is_empty());
    }
}
