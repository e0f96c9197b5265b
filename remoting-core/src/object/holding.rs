//! What keeps a tenant: calls that run on it, and slots that refer to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Tenant;

/// A call that runs; it keeps its object.
pub(crate) struct Busy(Arc<Tenant>);

impl Busy {
    /// For a call that has been counted.
    pub(super) fn new(tenant: Arc<Tenant>) -> Self {
        Self(tenant)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.leave();
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
