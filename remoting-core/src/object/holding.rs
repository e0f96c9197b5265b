//! What keeps a tenant: calls that run on it, and slots that refer to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Dispatched, RawCall, ServerObject, Tenant};

/// A call that runs; it keeps its object.
pub(crate) struct Busy(Arc<Tenant>);

impl Busy {
    /// For a call that has been counted.
    pub(super) fn new(tenant: Arc<Tenant>) -> Self {
        Self(tenant)
    }

    /// Keeps the object once more, for what goes on when the call has ended.
    pub(crate) fn again(&self) -> Option<Self> {
        self.0.begin_call().ok()?.busy
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// An object that a call has come to, with what keeps it until the call has ended.
pub(crate) struct Entered {
    pub(crate) object: Arc<dyn ServerObject>,
    pub(crate) busy: Option<Busy>,
}

impl Entered {
    /// An object that needs no keeping.
    pub(crate) fn plain(object: Arc<dyn ServerObject>) -> Self {
        Self { object, busy: None }
    }

    /// Runs the call.
    pub(crate) fn dispatch(self, call: RawCall<'_>) -> Dispatched {
        let running = self.object.dispatch(call);
        match self.busy {
            None => running,
            Some(busy) => Box::pin(async move {
                let result = running.await;
                drop(busy);
                result
            }),
        }
    }
}

/// A slot of a session; it keeps its object.
pub(crate) struct Hold {
    tenant: Arc<Tenant>,
    lost: AtomicBool,
}

impl Hold {
    /// For a holder that has been counted.
    pub(super) fn new(tenant: Arc<Tenant>) -> Self {
        let lost = AtomicBool::new(false);
        Self { tenant, lost }
    }

    /// Notes that the session was lost: its holder may not have meant to let go.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(crate) fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        self.tenant.hold_again()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.tenant.unhold(*self.lost.get_mut());
    }
}
