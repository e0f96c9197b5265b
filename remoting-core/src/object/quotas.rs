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
pub(super) struct Quotas(LazyLock<DashMap<String, Arc<Quota>>>);

/// What one principal has.
struct Quota {
    objects: AtomicUsize,
    activations: Mutex<Rate>,
}

/// One object of a principal's; given back on drop.
pub(super) struct Share(Arc<Quota>);

impl Default for Quotas {
    fn default() -> Self {
        Self(LazyLock::new(DashMap::new))
    }
}

impl Quotas {
    /// Counts one more object for a principal.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if it has as many as it may, or asks too often.
    pub(super) fn share(
        &self,
        principal: &Principal,
        limits: &Limits,
        counters: &Counters,
    ) -> Result<Share, Fault> {
        let quota = self.of(principal, limits);
        let before = quota.objects.fetch_add(1, Ordering::Relaxed);
        let share = Share(Arc::clone(&quota));
        if before >= limits.objects_per_principal {
            counters.objects_per_principal.add();
            let text =
                "the caller has as many objects here as `objects_per_principal` allows; drop some";
            return Err(Fault::refused(ErrorKind::ResourceExhausted, text));
        }
        let mut activations = quota
            .activations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !activations.allow(clock::now()) {
            counters.activations_per_second.add();
            let text =
                "the caller activates more objects a second than `activations_per_second` allows";
            return Err(Fault::refused(ErrorKind::ResourceExhausted, text));
        }
        drop(activations);
        Ok(share)
    }

    fn of(&self, principal: &Principal, limits: &Limits) -> Arc<Quota> {
        if let Some(known) = self.0.get(principal.name()) {
            return Arc::clone(&known);
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, quota| Arc::strong_count(quota) > 1);
        }
        let rate = limits.activations_per_second;
        let make = || {
            Arc::new(Quota {
                objects: AtomicUsize::new(0),
                activations: Mutex::new(Rate::new(rate, rate.saturating_mul(5), clock::now())),
            })
        };
        let entry = self.0.entry(principal.name().to_owned());
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
        let taken = (0..100).filter(|_| quotas.share(&ann, &limits, &counters).is_ok());
        assert_eq!(taken.count(), 10);
        assert_eq!(counters.activations_per_second.get(), 90);
        assert!(
            quotas
                .share(&Principal::new("bob"), &limits, &counters)
                .is_ok()
        );
    }
}
