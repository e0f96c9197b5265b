//! What the slots of a session stand for.

use std::sync::Arc;

use super::Connection;
use crate::error::Fault;
use crate::object::{Busy, Hold, Keeper, ServerObject, Tenant};
use crate::session::Exported;

/// What a slot stands for. Small, since a session may have very many.
#[derive(Clone)]
pub(crate) enum Export {
    /// A publication, or an object of somebody else.
    Plain(Arc<dyn ServerObject>),
    /// An object that is kept for its holders.
    Kept(Hold),
    /// The same, seen through another of its interfaces.
    Seen(Box<(Arc<dyn ServerObject>, Hold)>),
}

impl Exported for Export {
    fn shared(&self) -> Self {
        Self::Plain(self.object())
    }
}

impl Export {
    /// What keeps an object, and shows it as `object`.
    pub(crate) fn seen(object: Arc<dyn ServerObject>, hold: Hold) -> Self {
        Self::Seen(Box::new((object, hold)))
    }

    /// An object that somebody is to hold: it comes into the host's care, if it is one of the user's.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if the host keeps as many objects as it may.
    pub(crate) fn lent(keeper: &Arc<Keeper>, object: Arc<dyn ServerObject>) -> Result<Self, Fault> {
        let tenant = Arc::clone(&object).tenant();
        if let Some(tenant) = tenant.filter(|tenant| tenant.is_of(keeper)) {
            return Ok(Self::seen(object, tenant.hold()));
        }
        if object.wants_care() {
            return keeper.lodge(object, None).map(Self::Kept);
        }
        Ok(Self::Plain(object))
    }

    /// What calls go to.
    pub(crate) fn object(&self) -> Arc<dyn ServerObject> {
        match self {
            Self::Plain(object) => Arc::clone(object),
            Self::Kept(hold) => Arc::clone(hold.tenant()) as _,
            Self::Seen(seen) => Arc::clone(&seen.0),
        }
    }

    /// Keeps the object as a running call does, if anybody keeps it.
    pub(crate) fn keep_busy(&self) -> Option<Busy> {
        let target = self.object().target().ok()?;
        target.tenant()?.enter().ok()?.busy
    }

    /// What keeps the object, where it is kept.
    pub(crate) fn hold(&self) -> Option<&Hold> {
        match self {
            Self::Plain(_) => None,
            Self::Kept(hold) => Some(hold),
            Self::Seen(seen) => Some(&seen.1),
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

    /// Whether the peer has said that it takes no more calls.
    pub(super) fn is_sent_away(&self) -> bool {
        self.lock().session.is_sent_away()
    }

    /// What the peer holds of this host's objects.
    pub(crate) fn held(&self) -> Vec<Arc<Tenant>> {
        let state = self.lock();
        let holds = state.session.all_exported().filter_map(Export::hold);
        holds.map(|hold| Arc::clone(hold.tenant())).collect()
    }
}
