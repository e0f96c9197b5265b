//! Leases as their users see them: a handle that asks the object's host.
//!
//! What a lease can do is an ordinary interface, whose methods every object has beside
//! its own; so they work through each proxy, over each channel.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use remoting_macros::remote;

use super::{Instance, Kind, ServerObject, Tenant};
use crate::error::{Error, Result};
use crate::lifetime::{LeaseInfo, LeaseState, Moment};
use crate::proxy::{Call, Reference, Stub};

/// Who is asked when a lease is over: gives it more time, or none. (.NET: `ISponsor`.)
#[remote(name = "remoting.Sponsor")]
pub trait Sponsor {
    /// For how long the object is to live on; zero to let it go.
    async fn renewal(&self, lease: LeaseInfo) -> Result<Duration>;
}

/// What every object offers beside its own interface.
#[remote(name = "remoting.Lease")]
trait LeaseControl {
    #[rename = "$lease.info"]
    async fn info(&self) -> Result<LeaseInfo>;

    #[rename = "$lease.renew"]
    async fn renew(&self, time: Duration) -> Result<Option<Duration>>;

    #[rename = "$lease.register"]
    async fn register(&self, sponsor: SponsorProxy, time: Option<Duration>) -> Result<bool>;

    #[rename = "$lease.unregister"]
    async fn unregister(&self, sponsor: SponsorProxy) -> Result<bool>;
}

/// A function as a sponsor, for an object in the same process.
///
/// ```
/// use std::time::Duration;
/// use remoting_core::{LeaseInfo, Proxy, SponsorProxy, sponsor_fn};
///
/// let patient = SponsorProxy::local(sponsor_fn(|_: LeaseInfo| Duration::from_secs(60)));
/// # drop(patient);
/// ```
pub fn sponsor_fn<F>(renewal: F) -> impl Sponsor + 'static
where
    F: Fn(LeaseInfo) -> Duration + Send + Sync + 'static,
{
    SponsorFn(renewal)
}

struct SponsorFn<F>(F);

impl<F> Sponsor for SponsorFn<F>
where
    F: Fn(LeaseInfo) -> Duration + Send + Sync + 'static,
{
    async fn renewal(&self, lease: LeaseInfo) -> Result<Duration> {
        Ok((self.0)(lease))
    }
}

/// The lease of the object behind a proxy: asks the object's host. (.NET: `ILease`.)
///
/// Its calls are calls like any other: nothing is sent before one is polled, each has a
/// deadline, and each may fail.
#[derive(Clone)]
pub struct Lease(LeaseControlProxy);

impl Lease {
    pub(crate) fn of(reference: &Reference) -> Self {
        Self(LeaseControlProxy::from_reference(reference.clone()))
    }

    /// What is known of the lease: its state, how long it runs, its policy.
    pub fn info(&self) -> Call<LeaseInfo, Error> {
        self.0.info()
    }

    /// Lets the object live for `time` from now on, at least. Gives how long its lease runs
    /// then, which may be longer, or shorter where the host allows no more; `None`: for ever.
    ///
    /// On an expired lease it gives zero and changes nothing. By name nothing is there any more, and
    /// it ends with `ObjectGone`.
    pub fn renew(&self, time: Duration) -> Call<Option<Duration>, Error> {
        self.0.renew(time)
    }

    /// Has a sponsor asked when the lease is over. Tells whether it will be: not if the object is
    /// gone, has no lease, has as many sponsors as it may, or a policy without time for sponsors.
    ///
    /// - `sponsor`: usually an object of this process, `SponsorProxy::local(..)`; the host keeps
    ///   it until it refuses, is unregistered, or cannot be reached for long.
    /// - `time`: for how long the lease is renewed immediately, before anybody is asked.
    pub fn register(&self, sponsor: SponsorProxy, time: Option<Duration>) -> Call<bool, Error> {
        self.0.register(sponsor, time)
    }

    /// Has a sponsor asked no more. Tells whether it was one.
    pub fn unregister(&self, sponsor: SponsorProxy) -> Call<bool, Error> {
        self.0.unregister(sponsor)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease of {:?}", self.0.reference())
    }
}

/// The host's end.
struct Control(Option<Arc<Tenant>>, LeaseState);

impl LeaseControl for Control {
    async fn info(&self) -> Result<LeaseInfo> {
        Ok(match &self.0 {
            Some(tenant) => tenant.info(),
            None => LeaseInfo::without(self.1),
        })
    }

    async fn renew(&self, time: Duration) -> Result<Option<Duration>> {
        Ok(match &self.0 {
            Some(tenant) => tenant.renew(time),
            None => None,
        })
    }

    async fn register(&self, sponsor: SponsorProxy, time: Option<Duration>) -> Result<bool> {
        let Some(tenant) = &self.0 else {
            return Ok(false);
        };
        let time = time.map(|time| tenant.clamp(time));
        Ok(tenant.register(sponsor, time))
    }

    async fn unregister(&self, sponsor: SponsorProxy) -> Result<bool> {
        Ok(match &self.0 {
            Some(tenant) => tenant.unregister(&sponsor),
            None => false,
        })
    }
}

impl Tenant {
    fn clamp(&self, time: Duration) -> Duration {
        match self.keeper.upgrade() {
            Some(keeper) if time > keeper.limits.lease_renewal => {
                keeper.counters.lease_renewal.add();
                keeper.limits.lease_renewal
            }
            Some(_) | None => time,
        }
    }

    /// Renews the lease for `time` from now on at least; zero if it is over.
    pub(crate) fn renew(self: &Arc<Self>, time: Duration) -> Option<Duration> {
        let now = self.now();
        self.settle(now);
        if self.is_gone() || now == Moment::NEVER {
            return Some(Duration::ZERO);
        }
        self.lease.renew(now, self.clamp(time))
    }
}

/// The object that stands for the lease of another.
///
/// - `state`: what to say of an object that is no tenant.
pub(super) fn control(tenant: Option<Arc<Tenant>>, state: LeaseState) -> Arc<dyn ServerObject> {
    static KIND: LazyLock<Arc<Kind<Control>>> = LazyLock::new(Kind::new::<LeaseControlProxy>);
    Arc::new(Instance::new(Control(tenant, state), &KIND))
}

/// The interface that every object offers beside its own.
pub(super) fn interface() -> &'static crate::descriptor::InterfaceDescriptor {
    LeaseControlProxy::interface()
}
