//! The peer's objects that are held here, and the releases that are due.
//!
//! The peer counts the references it gave; this side counts who uses them. When
//! the last user is gone all references to the slot go back at once.

use std::collections::HashMap;

use crate::id::Slot;
#[cfg(test)]
use crate::planted::{self, Bug};

/// Which slots of the peer are held here. The peer chooses their numbers, so they
/// are keys and not places.
#[derive(Debug, Default)]
pub(super) struct Imports {
    held: HashMap<Slot, Import>,
    due: Vec<(Slot, u32)>,
}

#[derive(Debug, Default)]
struct Import {
    /// References that the peer gave.
    given: u32,
    /// How many users here there are.
    users: u32,
}

impl Imports {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Takes a reference that the peer gave, for one user.
    pub(super) fn add(&mut self, slot: Slot) {
        let import = self.held.entry(slot).or_default();
        import.given = import.given.saturating_add(1);
        import.users = import.users.saturating_add(1);
    }

    /// Counts one more user. Does nothing if the slot is not held.
    pub(super) fn retain(&mut self, slot: Slot) {
        if let Some(import) = self.held.get_mut(&slot) {
            import.users = import.users.saturating_add(1);
        }
    }

    /// Counts `count` users less; after the last one a release is due.
    pub(super) fn release(&mut self, slot: Slot, count: u32) {
        let Some(import) = self.held.get_mut(&slot) else {
            return;
        };
        import.users = import.users.saturating_sub(count);
        if import.users == 0 {
            let given = import.given;
            self.held.remove(&slot);
            #[cfg(test)]
            if planted::strikes(Bug::LostRelease) {
                return;
            } else if planted::strikes(Bug::DoubleRelease) {
                self.due.push((slot, given));
            }
            self.due.push((slot, given));
        }
    }

    /// The releases that are due; they are the caller's to send and to [`sent`](Self::sent).
    pub(super) fn due(&self) -> &[(Slot, u32)] {
        &self.due
    }

    /// How many bytes the releases take that are due.
    pub(super) fn due_bytes(&self) -> usize {
        self.due.len().saturating_mul(size_of::<(Slot, u32)>())
    }

    /// The releases that were due have been sent.
    pub(super) fn sent(&mut self) {
        self.due.clear();
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.due.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_references_go_back_when_the_last_user_is_gone() {
        let mut imports = Imports::default();
        let slot = Slot(4);
        imports.add(slot);
        imports.add(slot);
        imports.retain(slot);
        imports.release(slot, 2);
        assert_eq!((imports.due(), imports.len()), (&[][..], 1));
        imports.release(slot, 1);
        assert_eq!((imports.due(), imports.len()), (&[(slot, 2)][..], 0));
        imports.release(slot, 1);
        imports.sent();
        assert_eq!(imports.due(), &[]);
    }

    #[test]
    fn a_slot_that_comes_again_before_its_release_was_sent_counts_anew() {
        let mut imports = Imports::default();
        imports.add(Slot(4));
        imports.release(Slot(4), 1);
        imports.add(Slot(4));
        assert_eq!((imports.due().len(), imports.len()), (1, 1));
    }
}
