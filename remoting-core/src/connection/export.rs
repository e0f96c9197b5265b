//! What the slots of a session stand for.

use std::sync::Arc;

use super::Connection;
use crate::object::{Hold, ServerObject};

/// What a slot stands for.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) object: Arc<dyn ServerObject>,
    /// Keeps the object, where it is one that is kept for its holders.
    pub(crate) hold: Option<Arc<Hold>>,
}

impl Export {
    /// What stands for a publication, or for an object of somebody else.
    pub(crate) fn of(object: Arc<dyn ServerObject>) -> Self {
        Self { object, hold: None }
    }

    /// What keeps an object.
    pub(crate) fn holding(hold: Hold) -> Self {
        Self {
            object: Arc::clone(hold.tenant()) as _,
            hold: Some(Arc::new(hold)),
        }
    }
}

impl Connection {
    /// The incarnation of the peer's host, if it has told.
    pub(super) fn known_incarnation(&self) -> Option<u64> {
        let state = self.lock();
        let peer = state.session.peer()?;
        Some(peer.incarnation).filter(|number| *number != 0)
    }

    /// What the peer holds of this host's objects.
    pub(crate) fn holds(&self) -> Vec<Arc<Hold>> {
        let exported = self.lock().session.all_exported();
        exported
            .into_iter()
            .filter_map(|export| export.hold)
            .collect()
    }
}
