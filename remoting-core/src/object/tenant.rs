//! An object in the care of a host: with a lease, and a count of who keeps it.
//!
//! Whoever reaches a tenant by a slot or a name holds it, calls it, or learns why it is
//! gone. When nothing keeps it any more it is taken out, once, and let go of.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::quotas::Share;
use super::sponsors::Sponsors;
use super::{Busy, Entered, Guard, Hold, Keeper, ServerObject};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::lifetime::{Lease, LeasePolicy, Left, Moment, Schedule, Stay, Verdict};
use crate::url::is_ticket;

/// An object that a host keeps for others.
pub(crate) struct Tenant {
    pub(super) keeper: Weak<Keeper>,
    pub(super) policy: Arc<LeasePolicy>,
    pub(super) lease: Lease,
    pub(super) interface: &'static InterfaceDescriptor,
    pub(super) guard: Option<Arc<Guard>>,
    pub(super) guarded_elsewhere: bool,
    room: Mutex<Room>,
}

/// What changes; one short lock, under which nothing of the user's runs.
pub(super) struct Room {
    pub(super) stay: Stay,
    pub(super) object: Option<Arc<dyn ServerObject>>,
    /// What few have.
    pub(super) extras: Option<Box<Extras>>,
    /// The bucket of the schedule that it stands in.
    scheduled: Option<NonZeroU64>,
}

/// What few tenants have.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) sponsors: Sponsors,
    pub(super) name: Option<Arc<str>>,
    /// What it takes of the quota of whoever it was made for.
    _share: Option<Share>,
}

/// What an object leaves behind, to be let go of when nothing is locked.
pub(super) struct Leaving {
    pub(super) object: Option<Arc<dyn ServerObject>>,
    extras: Option<Box<Extras>>,
    pub(super) reason: GoneReason,
}

impl Tenant {
    pub(super) fn new(
        keeper: Weak<Keeper>,
        object: Arc<dyn ServerObject>,
        policy: Arc<LeasePolicy>,
        now: Moment,
    ) -> Self {
        Self {
            keeper,
            lease: Lease::begin(now, &policy),
            policy,
            interface: object.interface(),
            guard: object.guard().cloned(),
            guarded_elsewhere: object.is_guarded_elsewhere(),
            room: Mutex::new(Room {
                stay: Stay::default(),
                object: Some(object),
                extras: None,
                scheduled: None,
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the host; the end of all time if there is no host any more.
    pub(super) fn now(&self) -> Moment {
        self.keeper
            .upgrade()
            .map_or(Moment::NEVER, |keeper| keeper.now())
    }

    /// Notes whose quota it counts for, until it is gone.
    pub(super) fn take_share(&self, share: Share) {
        let mut room = self.lock();
        let extras = room.extras.get_or_insert_default();
        extras._share = Some(share);
    }

    /// How long it lives.
    pub(crate) fn policy(&self) -> Arc<LeasePolicy> {
        Arc::clone(&self.policy)
    }

    pub(crate) fn is_of(&self, keeper: &Arc<Keeper>) -> bool {
        std::ptr::eq(self.keeper.as_ptr(), Arc::as_ptr(keeper))
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.lock().stay.gone.is_some()
    }

    /// Begins a call: gives the object, and what keeps it until the call has ended.
    ///
    /// # Errors
    ///
    /// `ObjectGone` with the reason.
    pub(super) fn begin_call(self: &Arc<Self>) -> Result<Entered, Fault> {
        let now = self.now();
        // The lease may be over and nobody have looked yet.
        self.settle(now);
        let mut room = self.lock();
        let Some(object) = room.object.clone() else {
            let reason = room.stay.gone.unwrap_or(GoneReason::Released);
            return Err(Fault::of(ErrorKind::ObjectGone(reason)));
        };
        room.stay.running = room.stay.running.saturating_add(1);
        drop(room);
        self.lease.renew(now, self.policy.renew_on_call);
        let busy = Some(Busy::new(Arc::clone(self)));
        Ok(Entered { object, busy })
    }

    /// The object itself, for its own process, where it lives as long as anybody has it in hand.
    ///
    /// # Errors
    ///
    /// `ObjectGone` with the reason.
    pub(crate) fn object(&self) -> Result<Arc<dyn ServerObject>, Fault> {
        let room = self.lock();
        room.object.clone().ok_or_else(|| {
            let reason = room.stay.gone.unwrap_or(GoneReason::Released);
            Fault::of(ErrorKind::ObjectGone(reason))
        })
    }

    /// Ends a call.
    pub(super) fn leave(self: &Arc<Self>) {
        let now = self.now();
        if !self.policy.is_classic() {
            self.lease.renew(now, self.policy.renew_on_call);
        }
        let idle = {
            let mut room = self.lock();
            room.stay.running = room.stay.running.saturating_sub(1);
            room.stay.running == 0 && (room.stay.holds == 0 || self.lease.limit() <= now)
        };
        if idle || self.policy.is_classic() {
            self.settle(now);
        }
    }

    /// Gives an object that is held one hold more. Runs no code of the user's.
    pub(super) fn hold_again(self: &Arc<Self>) -> Hold {
        let mut room = self.lock();
        room.stay.holds = room.stay.holds.saturating_add(1);
        Hold::new(Arc::clone(self))
    }

    /// Gives the object a holder more.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        let mut room = self.lock();
        room.stay.holds = room.stay.holds.saturating_add(1);
        room.stay.left = Left::NOT;
        let waits = room.scheduled.is_some();
        drop(room);
        // Some go though they are held, and nobody may ever call them.
        if !waits && (self.policy.is_classic() || self.lease.limit() != Moment::NEVER) {
            self.settle(self.now());
        }
        Hold::new(Arc::clone(self))
    }

    pub(super) fn unhold(self: &Arc<Self>, lost: bool) {
        let now = self.now();
        let last = {
            let mut room = self.lock();
            room.stay.holds = room.stay.holds.saturating_sub(1);
            let last = room.stay.holds == 0;
            if last {
                room.stay.left = if lost {
                    Left::lost(now.after(self.policy.orphan_grace))
                } else {
                    Left::RELEASED
                };
            }
            last
        };
        if last {
            self.settle(now);
        }
    }

    /// It is reached by its publication, which calls can come by though nobody holds it.
    pub(super) fn stay_called(self: &Arc<Self>) {
        self.lock().stay.named = true;
        self.settle(self.now());
    }

    /// Gives it a name, under which it can be called though nobody holds it.
    pub(crate) fn give_name(self: &Arc<Self>, name: &str) {
        self.rename(Some(name));
        self.settle(self.now());
    }

    /// Takes its name away. It goes, unless somebody holds it.
    ///
    /// - `reason`: why it goes.
    pub(crate) fn take_name(self: &Arc<Self>, reason: GoneReason) {
        self.rename(None);
        self.go_unnamed(reason);
    }

    /// Notes its name, if it has one, and lets nothing go. Runs no code of the user's.
    pub(crate) fn rename(&self, name: Option<&str>) {
        let mut room = self.lock();
        room.stay.named = name.is_some();
        if room.stay.gone.is_none() {
            room.extras.get_or_insert_default().name = name.map(Arc::from);
        }
    }

    /// Its name was taken away: it goes, unless somebody holds it or has named it anew.
    ///
    /// - `reason`: why it goes.
    pub(crate) fn go_unnamed(self: &Arc<Self>, reason: GoneReason) {
        let leaving = {
            let mut room = self.lock();
            if room.stay.named {
                return;
            }
            let kept = room.stay.holds > 0 || room.stay.running > 0;
            if kept && room.stay.left == Left::NOT {
                room.stay.left = Left::RELEASED;
            }
            (!kept).then(|| room.go(reason)).flatten()
        };
        self.let_go(leaving);
    }

    /// Looks whether anything keeps the object, and does what is to be done if not.
    pub(super) fn settle(self: &Arc<Self>, now: Moment) {
        let mut enter = None;
        let mut leaving = None;
        let mut ask = None;
        {
            let mut room = self.lock();
            match room.stay.verdict(now, &self.lease, &self.policy) {
                Verdict::Stays => {}
                Verdict::Until(moment) => enter = room.schedule(moment),
                Verdict::Ask => {
                    room.stay.renewing = true;
                    let sponsors = &mut room.extras.get_or_insert_default().sponsors;
                    ask = Some(sponsors.begin());
                    // It may have to go before they have answered.
                    enter = room.schedule(self.lease.limit());
                }
                Verdict::Goes(reason) => leaving = room.go(reason),
            }
        }
        if let (Some(bucket), Some(keeper)) = (enter, self.keeper.upgrade()) {
            keeper.enter(bucket, Arc::clone(self));
        }
        if let Some(begun) = ask {
            super::sponsors::ask(self, begun);
        }
        self.let_go(leaving);
    }

    /// The schedule has come to its bucket.
    pub(super) fn on_due(self: &Arc<Self>, bucket: u64, now: Moment) {
        {
            let mut room = self.lock();
            if room.scheduled != NonZeroU64::new(bucket) {
                return;
            }
            room.scheduled = None;
        }
        self.settle(now);
    }

    /// Lets the object go now, whatever keeps it.
    pub(crate) fn end(self: &Arc<Self>, reason: GoneReason) {
        let leaving = self.lock().go(reason);
        self.let_go(leaving);
    }

    fn let_go(self: &Arc<Self>, leaving: Option<Leaving>) {
        let Some(leaving) = leaving else { return };
        if let Some(keeper) = self.keeper.upgrade() {
            keeper.forget(self, &leaving);
        }
        self.drop_quietly(leaving);
    }

    /// Lets the user's code know and drops what is left. It may panic.
    fn drop_quietly(&self, leaving: Leaving) {
        let Leaving {
            object,
            extras,
            reason,
        } = leaving;
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if let Some(object) = &object {
                object.on_released(reason);
            }
            drop((object, extras));
        }));
        if dropped.is_err() {
            tracing::error!(target: "remoting::object", interface = self.interface.name, "releasing an object panicked");
        }
    }

    pub(crate) fn interface_name(&self) -> &'static str {
        self.interface.name
    }
}

impl Leaving {
    /// The name that it had.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.name.as_ref()
    }

    /// The same, to be shown: a ticket is nobody's business.
    pub(super) fn shown_name(&self) -> Option<&Arc<str>> {
        self.name().filter(|name| !is_ticket(name))
    }
}

impl Room {
    /// Its sponsors, if it ever had any.
    pub(super) fn sponsors(&mut self) -> Option<&mut Sponsors> {
        self.extras.as_mut().map(|extras| &mut extras.sponsors)
    }

    /// Notes that it is to be looked at then; gives the bucket that it has to enter for that.
    pub(super) fn schedule(&mut self, moment: Moment) -> Option<u64> {
        let bucket = Schedule::<Arc<Tenant>>::bucket(moment);
        let known = self.scheduled.map(NonZeroU64::get);
        if moment == Moment::NEVER || known.is_some_and(|known| known <= bucket) {
            return None;
        }
        self.scheduled = NonZeroU64::new(bucket);
        Some(bucket)
    }

    /// Takes everything out, the first time.
    fn go(&mut self, reason: GoneReason) -> Option<Leaving> {
        if self.stay.gone.is_some() {
            return None;
        }
        self.stay.gone = Some(reason);
        self.stay.sponsored = false;
        Some(Leaving {
            object: self.object.take(),
            extras: self.extras.take(),
            reason,
        })
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // Nothing holds it, names it, has it scheduled or asks about it: it has gone, or its host has.
        let Some(leaving) = self.lock().go(GoneReason::Drained) else {
            return;
        };
        if let Some(keeper) = self.keeper.upgrade() {
            keeper.forget(self, &leaving);
        }
        self.drop_quietly(leaving);
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("interface", &self.interface.name)
            .field("lease", &self.info())
            .finish_non_exhaustive()
    }
}
