//! The objects that live and die here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use remoting_core::prelude::*;
use remoting_core::{GoneReason, LeasePolicy, Publication, Result};

use crate::ledger::{Due, Ledger};

#[remote]
pub(crate) trait Thing {
    /// - `holder`: the number of the process that is going to hold it.
    #[constructor]
    async fn make(holder: usize) -> Result<Self>;

    async fn touch(&self) -> Result<u32>;
}

/// An object of no size: what it costs is what the library takes for it.
pub(crate) struct Nothing;

impl Thing for Nothing {
    async fn make(_holder: usize) -> Result<Self> {
        Ok(Self)
    }

    async fn touch(&self) -> Result<u32> {
        Ok(1)
    }
}

/// An object that notes when it goes.
pub(crate) struct Watched {
    due: Due,
    released: AtomicBool,
    ledger: Arc<Ledger>,
}

impl Thing for Watched {
    async fn touch(&self) -> Result<u32> {
        Ok(1)
    }
}

impl Watched {
    fn on_released(&self, _reason: GoneReason) {
        let again = self.released.swap(true, Ordering::Relaxed);
        self.ledger.released(again);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.ledger.dropped(self.due, *self.released.get_mut());
    }
}

/// Makes objects that are watched.
struct Watcher {
    /// How long their leases run, if those alone decide.
    lease: Option<Duration>,
    ledger: Arc<Ledger>,
}

impl ThingFactory for Watcher {
    type Object = Watched;

    async fn make(&self, holder: usize) -> Result<Watched> {
        // A little before the lease begins: so what is late is told as no less than it is.
        let due = match self.lease {
            Some(lease) => Due::At(Instant::now() + lease),
            None => Due::AfterDeathOf(holder),
        };
        self.ledger.made(due);
        Ok(Watched {
            due,
            released: AtomicBool::new(false),
            ledger: Arc::clone(&self.ledger),
        })
    }
}

/// Watched objects that live as long as their lease, whoever holds them.
pub(crate) fn leased(lease: Duration, ledger: &Arc<Ledger>) -> Publication<Watched> {
    watched(LeasePolicy::classic().initial(lease), Some(lease), ledger)
}

/// Watched objects that live as long as they are held, and when their holder dies for a grace,
/// which must be longer than a second: so their leases never last longer.
pub(crate) fn orphaned(grace: Duration, ledger: &Arc<Ledger>) -> Publication<Watched> {
    let policy = LeasePolicy::new().initial(Duration::from_secs(1));
    watched(policy.orphan_grace(grace), None, ledger)
}

fn watched(
    policy: LeasePolicy,
    lease: Option<Duration>,
    ledger: &Arc<Ledger>,
) -> Publication<Watched> {
    let ledger = Arc::clone(ledger);
    ThingDispatcher::activated_with(Watcher { lease, ledger })
        .lease(policy)
        .on_released(Watched::on_released)
}
