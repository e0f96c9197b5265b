//! How much of a host each principal may take for itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use dashmap::DashMap;

use crate::clock;
use crate::error::{ErrorKind, Fault};
use crate::limits::{Counters, Limits};
use crate::peer::Principal;
use crate::session::Rate;

/// How many principals are remembered before those who have nothing are forgotten.
const REMEMBERED: usize = 1024;

/// What each principal has. The table is made when it is needed first.
pub(super) struct Quotas {
    table: LazyLock<DashMap<String, Arc<Quota>>>,
    /// With how many of them those are forgotten who have nothing.
    tidy_at: AtomicUsize,
}

/// What one principal has.
struct Quota {
    objects: AtomicUsize,
    activations: Mutex<Rate>,
}

/// One object of a principal's; given back on drop.
pub(super) struct Share(Arc<Quota>);

impl Default for Quotas {
    fn default() -> Self {
        Self {
            table: LazyLock::new(DashMap::new),
            tidy_at: AtomicUsize::new(REMEMBERED),
        }
    }
}

impl Quotas {
    /// Counts one more object for a principal.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if it has as many as it may.
    pub(super) fn share(
        &self,
        principal: &Principal,
        limits: &Limits,
        counters: &Counters,
    ) -> Result<Share, Fault> {
        let quota = self.of(principal, limits);
        let before = quota.objects.fetch_add(1, Ordering::Relaxed);
        let share = Share(quota);
        if before < limits.objects_per_principal {
            return Ok(share);
        }
        counters.objects_per_principal.add();
        let text =
            "the caller has as many objects here as `objects_per_principal` allows; drop some";
        Err(Fault::refused(ErrorKind::ResourceExhausted, text))
    }

    /// Counts one more activation of a principal's.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if it asks too often.
    pub(super) fn activate(
        &self,
        principal: &Principal,
        limits: &Limits,
        counters: &Counters,
    ) -> Result<(), Fault> {
        let quota = self.of(principal, limits);
        let mut activations = quota
            .activations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if activations.allow(clock::now()) {
            return Ok(());
        }
        counters.activations_per_second.add();
        let text =
            "the caller activates more objects a second than `activations_per_second` allows";
        Err(Fault::refused(ErrorKind::ResourceExhausted, text))
    }

    fn of(&self, principal: &Principal, limits: &Limits) -> Arc<Quota> {
        if let Some(known) = self.table.get(principal.name()) {
            return Arc::clone(&known);
        }
        if self.table.len() >= self.tidy_at.load(Ordering::Relaxed) {
            self.table.retain(|_, quota| Arc::strong_count(quota) > 1);
            // So that each one pays for a look at one other at most, however many have objects.
            let next = self.table.len().saturating_mul(2).max(REMEMBERED);
            self.tidy_at.store(next, Ordering::Relaxed);
        }
        let rate = limits.activations_per_second;
        let make = || {
            Arc::new(Quota {
                objects: AtomicUsize::new(0),
                activations: Mutex::new(Rate::new(rate, rate.saturating_mul(5), clock::now())),
            })
        };
        let entry = self.table.entry(principal.name().to_owned());
        Arc::clone(&entry.or_insert_with(make))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.objects.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_principal_has_a_quota_of_its_own_and_gets_it_back() {
        let (quotas, counters) = (Quotas::default(), Counters::default());
        let limits = Limits {
            objects_per_principal: 2,
            ..Limits::default()
        };
        let (ann, bob) = (Principal::new("ann"), Principal::new("bob"));
        let share = |who: &Principal| quotas.share(who, &limits, &counters);
        let held = [share(&ann).unwrap(), share(&ann).unwrap()];
        assert!(share(&ann).is_err());
        assert!(share(&bob).is_ok());
        assert_eq!(counters.objects_per_principal.get(), 1);
        drop(held);
        assert!(share(&ann).is_ok());
    }

    #[test]
    fn who_activates_too_often_has_to_wait() {
        let (quotas, counters) = (Quotas::default(), Counters::default());
        let limits = Limits {
            activations_per_second: 2,
            ..Limits::default()
        };
        let ann = Principal::new("ann");
        let taken = (0..100).filter(|_| quotas.activate(&ann, &limits, &counters).is_ok());
        assert_eq!(taken.count(), 10);
        assert_eq!(counters.activations_per_second.get(), 90);
        assert!(
            quotas
                .activate(&Principal::new("bob"), &limits, &counters)
                .is_ok()
        );
    }
}
