//! The time that an object has left.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::LeasePolicy;

/// A moment, in nanoseconds since the clock of its host began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) fn after(self, wait: Duration) -> Self {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long it is from `earlier` to here; nothing if that is for ever.
    pub(crate) fn since(self, earlier: Self) -> Option<Duration> {
        let wait = Duration::from_nanos(self.0.saturating_sub(earlier.0));
        (self != Self::NEVER).then_some(wait)
    }
}

/// When an object's time is over. Renewed by one atomic operation, and never shortened.
#[derive(Debug)]
pub(crate) struct Lease {
    expires: AtomicU64,
    /// No renewal goes beyond this.
    limit: Moment,
}

impl Lease {
    /// A lease that begins now.
    pub(crate) fn begin(now: Moment, policy: &LeasePolicy) -> Self {
        let limit = policy
            .max_lifetime
            .map_or(Moment::NEVER, |lifetime| now.after(lifetime));
        let expires = policy
            .initial
            .map_or(Moment::NEVER, |initial| now.after(initial));
        Self {
            expires: AtomicU64::new(expires.min(limit).0),
            limit,
        }
    }

    pub(crate) fn expires(&self) -> Moment {
        Moment(self.expires.load(Ordering::Acquire))
    }

    /// When the object ends whatever keeps it.
    pub(crate) const fn limit(&self) -> Moment {
        self.limit
    }

    /// Lets it run for `time` from now on, at least. Gives how long it runs; nothing if for ever.
    pub(crate) fn renew(&self, now: Moment, time: Duration) -> Option<Duration> {
        let wanted = now.after(time).min(self.limit);
        let before = self.expires.fetch_max(wanted.0, Ordering::AcqRel);
        Moment(before).max(wanted).since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment(5);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_renewal_never_shortens_a_lease() {
        let policy = LeasePolicy::new().initial(seconds(10));
        let lease = Lease::begin(START, &policy);
        assert_eq!(lease.renew(START, seconds(30)), Some(seconds(30)));
        assert_eq!(lease.renew(START, seconds(1)), Some(seconds(30)));
        let later = START.after(seconds(20));
        assert_eq!(lease.renew(later, seconds(1)), Some(seconds(10)));
    }

    #[test]
    fn an_infinite_lease_stays_infinite() {
        let lease = Lease::begin(START, &LeasePolicy::infinite());
        assert_eq!(lease.renew(START, seconds(1)), None);
        let zero = LeasePolicy::new().initial(Duration::ZERO);
        assert_eq!(Lease::begin(START, &zero).expires(), Moment::NEVER);
    }

    #[test]
    fn no_renewal_goes_beyond_the_longest_life() {
        let policy = LeasePolicy::new().max_lifetime(seconds(60));
        let lease = Lease::begin(START, &policy);
        assert_eq!(lease.expires(), START.after(seconds(60)));
        assert_eq!(lease.renew(START, seconds(600)), Some(seconds(60)));
    }
}
