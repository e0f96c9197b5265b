//! What users say about leases, and what they are told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const INITIAL: Duration = Duration::from_secs(300);
const RENEW_ON_CALL: Duration = Duration::from_secs(120);
const SPONSORSHIP: Duration = Duration::from_secs(120);
const ORPHAN_GRACE: Duration = Duration::from_secs(30);

/// How long objects live that nobody holds. (.NET: the properties of `ILease`.)
///
/// A policy is a value that is given to a host, a publication or an object; leases that
/// run already keep the policy they began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasePolicy {
    /// How long a new lease runs; `None`: for ever.
    pub(crate) initial: Option<Duration>,
    pub(crate) renew_on_call: Duration,
    pub(crate) sponsorship_timeout: Duration,
    pub(crate) orphan_grace: Duration,
    pub(crate) max_lifetime: Option<Duration>,
    /// Whether who holds a reference keeps the object.
    pub(crate) holds: bool,
}

impl Default for LeasePolicy {
    /// 5 minutes, renewed to 2 minutes by each call; 2 minutes for sponsors, 30 seconds for
    /// objects whose holder has vanished; no end for objects that are held or called.
    fn default() -> Self {
        Self {
            initial: Some(INITIAL),
            renew_on_call: RENEW_ON_CALL,
            sponsorship_timeout: SPONSORSHIP,
            orphan_grace: ORPHAN_GRACE,
            max_lifetime: None,
            holds: true,
        }
    }
}

impl LeasePolicy {
    /// The default policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// A lease that never runs out: the object lives until its last holder releases it, or
    /// until it is taken back.
    pub fn infinite() -> Self {
        Self {
            initial: None,
            ..Self::default()
        }
    }

    /// Whether a lease never runs out.
    pub(crate) fn is_endless(&self) -> bool {
        self.initial.is_none()
    }

    /// The rules of .NET Remoting: the lease alone decides, whoever holds a reference. A call
    /// renews the lease when it begins and not when it ends, sponsors are asked one after the
    /// other, and one that cannot be reached is asked no more.
    pub fn classic() -> Self {
        Self {
            holds: false,
            orphan_grace: Duration::ZERO,
            ..Self::default()
        }
    }

    /// Sets how long a new lease runs; zero: for ever.
    #[must_use]
    pub fn initial(mut self, initial: Duration) -> Self {
        self.initial = Some(initial).filter(|initial| !initial.is_zero());
        self
    }

    /// Sets how long a lease still runs, at least, when a call begins and when it ends.
    #[must_use]
    pub fn renew_on_call(mut self, renew_on_call: Duration) -> Self {
        self.renew_on_call = renew_on_call;
        self
    }

    /// Sets how long sponsors are asked, all attempts together; zero: there are no sponsors.
    #[must_use]
    pub fn sponsorship_timeout(mut self, timeout: Duration) -> Self {
        self.sponsorship_timeout = timeout;
        self
    }

    /// Sets how long an object is kept at least when the connection of its last holder was lost.
    /// The time is over when somebody else takes hold of it: then that holder is its last.
    #[must_use]
    pub fn orphan_grace(mut self, grace: Duration) -> Self {
        self.orphan_grace = grace;
        self
    }

    /// Sets when an object ends whoever holds, calls or sponsors it, counted from its beginning.
    /// A call that runs at that moment is not disturbed.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    pub(crate) const fn is_classic(&self) -> bool {
        !self.holds
    }
}

/// Where a lease stands. (.NET: `LeaseState`.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LeaseState {
    /// The object has no lease: it lives as long as its publication, or for one call.
    None,
    /// The object is not offered to anybody yet, so its lease has not begun.
    Initial,
    /// The lease runs, or somebody holds the object.
    Active,
    /// The lease is over and sponsors are being asked.
    Renewing,
    /// The object is gone.
    Expired,
}

/// What is known of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeaseInfo {
    /// Where it stands.
    pub state: LeaseState,
    /// How long it still runs; `None`: for ever.
    pub remaining: Option<Duration>,
    /// How long a new lease runs by its policy; `None`: for ever.
    pub initial: Option<Duration>,
    /// How long it still runs, at least, after a call.
    pub renew_on_call: Duration,
    /// How long sponsors are asked.
    pub sponsorship_timeout: Duration,
}

impl LeaseInfo {
    /// What is known where there is no lease.
    pub(crate) const fn without(state: LeaseState) -> Self {
        Self {
            state,
            remaining: None,
            initial: None,
            renew_on_call: Duration::ZERO,
            sponsorship_timeout: Duration::ZERO,
        }
    }
}
