//! Who keeps an object: the decision whether it stays, is to be asked about, or goes.

use super::{Lease, LeasePolicy, Moment};
use crate::error::GoneReason;
#[cfg(test)]
use crate::planted::{self, Bug};

/// What keeps an object beside its lease.
#[derive(Debug, Default)]
pub(crate) struct Stay {
    /// Calls that run on it.
    pub(crate) running: u32,
    /// Sessions' slots that refer to it.
    pub(crate) holds: u32,
    /// It has a name, under which calls can still come.
    pub(crate) named: bool,
    /// There are sponsors to ask.
    pub(crate) sponsored: bool,
    /// They are being asked.
    pub(crate) renewing: bool,
    /// How its last holder has left.
    pub(crate) left: Left,
    pub(crate) gone: Option<GoneReason>,
}

/// How the last holder of an object has left, if it has. One number, since there are very many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Left(u64);

impl Left {
    /// It has not, or there was none.
    pub(crate) const NOT: Self = Self(0);
    /// It has released the object, or said goodbye.
    pub(crate) const RELEASED: Self = Self(1);

    /// Its connection was lost; until then the object is kept for it.
    pub(crate) fn lost(grace: Moment) -> Self {
        Self(grace.0.max(2))
    }

    /// Until when the object is kept for a holder that was lost.
    fn grace(self) -> Option<Moment> {
        (self.0 > Self::RELEASED.0).then_some(Moment(self.0))
    }
}

/// What is to become of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays until something happens.
    Stays,
    /// It stays, and is to be looked at again then.
    Until(Moment),
    /// Its sponsors are to be asked.
    Ask,
    /// It goes.
    Goes(GoneReason),
}

impl Stay {
    /// Decides what is to become of the object now.
    pub(crate) fn verdict(&self, now: Moment, lease: &Lease, policy: &LeasePolicy) -> Verdict {
        if self.gone.is_some() || self.running > 0 {
            return Verdict::Stays;
        }
        if now >= lease.limit() {
            return Verdict::Goes(GoneReason::LeaseExpired);
        }
        let held = policy.holds && self.holds > 0;
        #[cfg(test)]
        let held = held && !planted::is(Bug::EarlyExpiry);
        if held {
            return until(lease.limit());
        }
        if self.renewing {
            return until(lease.limit());
        }
        let endless = lease.expires() == Moment::NEVER;
        // What is only kept until an end that never comes is kept for nobody.
        let wanted = self.named || (!endless && (self.sponsored || policy.is_classic()));
        if self.left == Left::RELEASED && !wanted {
            return Verdict::Goes(GoneReason::Released);
        }
        let lost = self.left.grace().filter(|_| policy.holds);
        let grace = lost.unwrap_or(Moment(0));
        let mut end = lease.expires().max(grace);
        if endless && self.left != Left::NOT && !wanted {
            // Nobody can reach it any more.
            end = grace;
        }
        if now < end {
            return until(end);
        }
        if self.sponsored {
            return Verdict::Ask;
        }
        Verdict::Goes(match lost {
            Some(_) if !self.named => GoneReason::SessionExpired,
            _ => GoneReason::LeaseExpired,
        })
    }
}

fn until(moment: Moment) -> Verdict {
    match moment {
        Moment::NEVER => Verdict::Stays,
        moment => Verdict::Until(moment),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LEASE: u64 = 10;

    /// What is decided after so many seconds of a lease of ten.
    fn after(seconds: u64, policy: &LeasePolicy, stay: &Stay) -> Verdict {
        let policy = &policy.clone().initial(Duration::from_secs(LEASE));
        let lease = Lease::begin(Moment(0), policy);
        stay.verdict(at(seconds), &lease, policy)
    }

    fn at(seconds: u64) -> Moment {
        Moment(0).after(Duration::from_secs(seconds))
    }

    const EXPIRED: Verdict = Verdict::Goes(GoneReason::LeaseExpired);

    #[test]
    fn an_object_that_nobody_holds_lives_by_its_lease() {
        let (policy, stay) = (LeasePolicy::new(), Stay::default());
        assert_eq!(after(9, &policy, &stay), Verdict::Until(at(LEASE)));
        assert_eq!(after(10, &policy, &stay), EXPIRED);
    }

    #[test]
    fn an_object_that_is_held_or_called_outlives_its_lease() {
        let policy = LeasePolicy::new();
        let held = Stay {
            holds: 1,
            ..Stay::default()
        };
        assert_eq!(after(99, &policy, &held), Verdict::Stays);
        let called = Stay {
            running: 1,
            ..Stay::default()
        };
        assert_eq!(after(99, &policy, &called), Verdict::Stays);
        assert_eq!(after(99, &LeasePolicy::classic(), &held), EXPIRED);
        assert_eq!(after(99, &LeasePolicy::classic(), &called), Verdict::Stays);
    }

    #[test]
    fn an_object_goes_with_its_last_holder_unless_somebody_else_wants_it() {
        let policy = LeasePolicy::new();
        let mut stay = Stay {
            left: Left::RELEASED,
            ..Stay::default()
        };
        assert_eq!(
            after(1, &policy, &stay),
            Verdict::Goes(GoneReason::Released)
        );
        assert_eq!(
            after(1, &LeasePolicy::classic(), &stay),
            Verdict::Until(at(LEASE))
        );
        stay.named = true;
        assert_eq!(after(1, &policy, &stay), Verdict::Until(at(LEASE)));
        stay.named = false;
        stay.sponsored = true;
        assert_eq!(after(1, &policy, &stay), Verdict::Until(at(LEASE)));
        assert_eq!(after(10, &policy, &stay), Verdict::Ask);
        stay.renewing = true;
        assert_eq!(after(10, &policy, &stay), Verdict::Stays);
    }

    #[test]
    fn an_orphan_is_kept_for_its_grace_and_its_lease() {
        let policy = LeasePolicy::new();
        let orphan = |seconds| Stay {
            left: Left::lost(at(seconds)),
            ..Stay::default()
        };
        let gone = Verdict::Goes(GoneReason::SessionExpired);
        assert_eq!(after(5, &policy, &orphan(30)), Verdict::Until(at(30)));
        assert_eq!(after(30, &policy, &orphan(30)), gone);
        assert_eq!(after(5, &policy, &orphan(7)), Verdict::Until(at(LEASE)));
        assert_eq!(after(10, &policy, &orphan(7)), gone);
        assert_eq!(after(10, &LeasePolicy::classic(), &orphan(30)), EXPIRED);
    }

    #[test]
    fn the_longest_life_ends_whatever_keeps_the_object() {
        let policy = LeasePolicy::infinite().max_lifetime(Duration::from_secs(20));
        let lease = Lease::begin(Moment(0), &policy);
        let mut stay = Stay {
            holds: 1,
            sponsored: true,
            ..Stay::default()
        };
        let verdict = |stay: &Stay, seconds| stay.verdict(at(seconds), &lease, &policy);
        assert_eq!(verdict(&stay, 19), Verdict::Until(at(20)));
        assert_eq!(verdict(&stay, 20), EXPIRED);
        stay.running = 1;
        assert_eq!(
            verdict(&stay, 20),
            Verdict::Stays,
            "a call is not disturbed"
        );
    }
}
