//! The one of a host who looks after its tenants: takes them in, looks at them when their
//! time is over, and knows which object is which tenant.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use dashmap::{DashMap, Entry};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::quotas::{Quotas, Share};
use super::tenant::Leaving;
use super::tracking::{Tracked, TrackingEvent};
use super::turns::Turns;
use super::{Hold, ServerObject, Tenant, Tracking};
use crate::clock;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::lifetime::{LeasePolicy, Moment, Schedule};
use crate::limits::{Counters, Limits};
use crate::peer::{Peer, Principal};
use crate::proxy::{own_runtime, runtime};

/// The keepers of all hosts of the process: an object does not know who keeps it.
static KEEPERS: Mutex<Vec<Weak<Keeper>>> = Mutex::new(Vec::new());

/// How many tenants are looked at before others may run.
const AT_ONCE: usize = 512;

/// Looks after the tenants of a host.
pub(crate) struct Keeper {
    epoch: Instant,
    policy: Arc<LeasePolicy>,
    schedule: Mutex<Schedule<Arc<Tenant>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    sooner: Arc<Notify>,
    /// The tenants that objects are, by the objects' numbers. A host that only calls makes none.
    known: LazyLock<DashMap<usize, Weak<Tenant>>>,
    count: AtomicUsize,
    quotas: Quotas,
    pub(super) limits: Arc<Limits>,
    pub(super) counters: Arc<Counters>,
    /// How many sponsors may be asked at the same time, and how many of one peer.
    pub(super) asking: Turns,
    names: OnceLock<Weak<dyn Names>>,
    tracking: Tracking,
    on_own_runtime: bool,
}

/// Who has to know that a named object is gone.
pub(crate) trait Names: Send + Sync {
    /// The object of that number, which had this name, is gone.
    fn forget(&self, name: &str, identity: usize, reason: GoneReason);
}

/// Room for one tenant more; given back on drop.
pub(crate) struct Vacancy {
    keeper: Arc<Keeper>,
    /// What it takes of the quota of whoever it is for.
    share: Option<Share>,
}

impl Keeper {
    pub(crate) fn new(
        policy: LeasePolicy,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
        on_own_runtime: bool,
    ) -> Arc<Self> {
        let asking = Turns::new(limits.sponsor_calls);
        let keeper = Arc::new(Self {
            epoch: clock::now(),
            policy: Arc::new(policy),
            schedule: Mutex::default(),
            task: Mutex::default(),
            sooner: Arc::default(),
            known: LazyLock::new(DashMap::new),
            count: AtomicUsize::new(0),
            quotas: Quotas::default(),
            limits,
            counters,
            asking,
            names: OnceLock::new(),
            tracking: Tracking::default(),
            on_own_runtime,
        });
        let mut all = KEEPERS.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&keeper));
        drop(all);
        keeper
    }

    /// Says who has to know of named objects that are gone.
    pub(crate) fn set_names(&self, names: Weak<dyn Names>) {
        let _known = self.names.set(names);
    }

    pub(crate) fn tracking(&self) -> &Tracking {
        &self.tracking
    }

    /// How many objects are kept.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn now(&self) -> Moment {
        Moment(0).after(clock::now().saturating_duration_since(self.epoch))
    }

    /// Makes room for one tenant more.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if there are as many as there may be.
    pub(crate) fn vacancy(self: &Arc<Self>) -> Result<Vacancy, Fault> {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        let vacancy = Vacancy {
            keeper: Arc::clone(self),
            share: None,
        };
        if before < self.limits.objects_per_host {
            return Ok(vacancy);
        }
        self.counters.objects_per_host.add();
        Err(Fault::refused(
            ErrorKind::ResourceExhausted,
            "the host keeps too many objects for its clients",
        ))
    }

    /// The same for a caller that has an object made for itself.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if there are as many as there may be, or as many as are the caller's, or it asks too often.
    pub(crate) fn vacancy_of(self: &Arc<Self>, caller: &Peer) -> Result<Vacancy, Fault> {
        let Some(principal) = caller.principal() else {
            return self.vacancy();
        };
        self.quotas
            .activate(principal, &self.limits, &self.counters)?;
        self.vacancy_for(Some(principal))
    }

    /// The same for an object that a principal alone gets, if that is known.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if there are as many as there may be, or as many as are the principal's.
    pub(crate) fn vacancy_for(
        self: &Arc<Self>,
        owner: Option<&Principal>,
    ) -> Result<Vacancy, Fault> {
        let share = match owner {
            Some(owner) => Some(self.quotas.share(owner, &self.limits, &self.counters)?),
            None => None,
        };
        let mut vacancy = self.vacancy()?;
        vacancy.share = share;
        Ok(vacancy)
    }

    /// Takes an object in for a holder, unless it is a tenant already.
    ///
    /// - `name`: the one it is going to have.
    ///
    /// # Errors
    ///
    /// Those of [`vacancy`](Self::vacancy).
    pub(crate) fn lodge(
        self: &Arc<Self>,
        object: Arc<dyn ServerObject>,
        name: Option<&str>,
    ) -> Result<Hold, Fault> {
        loop {
            let tenant = match self.tenant_of(&object) {
                Some(known) => known,
                None => self.take_in(Arc::clone(&object), self.vacancy()?, name),
            };
            let hold = tenant.hold();
            // Another holder may have been its last before this one was counted.
            if !tenant.is_gone() {
                return Ok(hold);
            }
        }
    }

    /// The tenant that an object is, if it is one.
    pub(crate) fn tenant_of(
        self: &Arc<Self>,
        object: &Arc<dyn ServerObject>,
    ) -> Option<Arc<Tenant>> {
        if let Some(tenant) = Arc::clone(object).tenant() {
            return Some(tenant).filter(|tenant| tenant.is_of(self) && !tenant.is_gone());
        }
        let known = self.known.get(&object.identity())?;
        known.upgrade().filter(|tenant| !tenant.is_gone())
    }

    /// Takes an object in, unless somebody else has done so meanwhile.
    pub(crate) fn take_in(
        self: &Arc<Self>,
        object: Arc<dyn ServerObject>,
        vacancy: Vacancy,
        name: Option<&str>,
    ) -> Arc<Tenant> {
        let policy = object.policy().unwrap_or_else(|| Arc::clone(&self.policy));
        let (identity, interface) = (object.identity(), object.interface());
        let sponsors = object.sponsors();
        let make = || {
            let keeper = Arc::downgrade(self);
            Arc::new(Tenant::new(keeper, object, policy, self.now()))
        };
        let tenant = match self.known.entry(identity) {
            Entry::Vacant(place) => {
                let tenant = make();
                place.insert(Arc::downgrade(&tenant));
                tenant
            }
            Entry::Occupied(mut place) => {
                let known = place.get().upgrade();
                if let Some(known) = known.filter(|known| !known.is_gone()) {
                    return known;
                }
                let tenant = make();
                place.insert(Arc::downgrade(&tenant));
                tenant
            }
        };
        if let Some(share) = vacancy.fill() {
            tenant.take_share(share);
        }
        for sponsor in sponsors {
            // A policy may leave no time for sponsors; then there are none.
            let _registered = tenant.register(sponsor, None);
        }
        self.tracking
            .tell(|| TrackingEvent::of(Tracked::Marshalled, interface, name));
        tenant
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, tenant: &Tenant, leaving: &Leaving) {
        let identity = leaving.object.as_ref();
        let identity = identity.map_or(0, |object| object.identity());
        self.known
            .remove_if(&identity, |_, known| std::ptr::eq(known.as_ptr(), tenant));
        self.count.fetch_sub(1, Ordering::Relaxed);
        if let Some(name) = leaving.name() {
            let names = self.names.get().and_then(Weak::upgrade);
            if let Some(names) = names {
                names.forget(name, identity, leaving.reason);
            }
        }
        let (interface, reason) = (tenant.interface(), leaving.reason);
        self.tracking.tell(|| {
            TrackingEvent::of(
                Tracked::Released(reason),
                interface,
                leaving.shown_name().map(|name| &**name),
            )
        });
    }

    /// Has a tenant looked at when its bucket is due.
    pub(super) fn enter(self: &Arc<Self>, bucket: u64, tenant: Arc<Tenant>) {
        let first = self.lock().insert(bucket, tenant);
        if first {
            self.sooner.notify_one();
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        // It ends with its runtime, and this host may outlive that.
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            let watch = watch(Arc::downgrade(self), Arc::clone(&self.sooner));
            *task = Some(self.runtime().spawn(watch));
        }
    }

    /// Where what the host does by itself runs.
    pub(super) fn runtime(&self) -> Handle {
        if self.on_own_runtime {
            own_runtime()
        } else {
            runtime()
        }
    }

    /// All tenants.
    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        let known = self.known.iter();
        known.filter_map(|known| known.upgrade()).collect()
    }

    /// Lets all tenants go, with the host.
    pub(crate) fn close(&self) {
        let scheduled = self.lock().take_all();
        for tenant in self.tenants() {
            tenant.end(GoneReason::Drained);
        }
        drop(scheduled);
    }

    fn lock(&self) -> MutexGuard<'_, Schedule<Arc<Tenant>>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tenant that an object of this process is, whichever host keeps it.
pub(super) fn tenant_anywhere(identity: usize) -> Option<Arc<Tenant>> {
    let all = KEEPERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let mut keepers = all.iter().filter_map(Weak::upgrade);
    keepers.find_map(|keeper| {
        let known = keeper.known.get(&identity)?.upgrade();
        known.filter(|tenant| !tenant.is_gone())
    })
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Who watches sees that there is nothing more to watch.
        self.sooner.notify_one();
    }
}

/// Looks at tenants when their time is over, until the host is gone.
async fn watch(keeper: Weak<Keeper>, sooner: Arc<Notify>) {
    loop {
        let (next, epoch) = {
            let Some(keeper) = keeper.upgrade() else {
                return;
            };
            let next = keeper.lock().next();
            (next, keeper.epoch)
        };
        match next.and_then(|next| epoch.checked_add(next.since(Moment(0))?)) {
            None => sooner.notified().await,
            Some(due) => {
                let sooner = sooner.notified();
                if tokio::time::timeout_at(due.into(), sooner).await.is_ok() {
                    continue;
                }
            }
        }
        loop {
            let due = {
                let Some(keeper) = keeper.upgrade() else {
                    return;
                };
                let now = keeper.now();
                let due = keeper.lock().take_due(now);
                due.map(|due| (now, due))
            };
            let Some((now, (bucket, tenants))) = due else {
                break;
            };
            for (number, tenant) in tenants.into_iter().enumerate() {
                tenant.on_due(bucket, now);
                if number % AT_ONCE == AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

impl Vacancy {
    /// The room is taken for good: the tenant gives it back when it goes.
    fn fill(mut self) -> Option<Share> {
        self.keeper.count.fetch_add(1, Ordering::Relaxed);
        self.share.take()
    }
}

impl Drop for Vacancy {
    fn drop(&mut self) {
        self.keeper.count.fetch_sub(1, Ordering::Relaxed);
    }
}
