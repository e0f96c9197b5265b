//! Words that stand for objects outside of all sessions, for those who have none.
//!
//! A ticket is a name that cannot be guessed, with a lease: an object of its own in the host's care,
//! which it is taken from when the lease is over or whoever has the ticket gives it back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use dashmap::DashMap;

use super::ticketed::Ticketed;
use crate::connection::Export;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::id;
use crate::limits::{Counters, Limits};
use crate::object::{Keeper, ServerObject, Tenant, home};
use crate::peer::{Peer, Principal};
use crate::proxy::{Boarded, Forwarder};
use crate::sink::Ticket;
use crate::url::TICKETS;
use crate::wire::MAX_REFERENCES;

/// The tickets of a host.
pub(super) struct Tickets {
    /// The objects, or why they are gone. The table is made when it is needed first.
    table: LazyLock<DashMap<String, Given>>,
    valid: AtomicUsize,
    /// Those that are over, the oldest first.
    over: Mutex<VecDeque<String>>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
}

/// A ticket that was given out.
#[derive(Clone)]
struct Given {
    /// The object, or why it is gone.
    object: Result<Arc<Tenant>, GoneReason>,
    /// Who alone may use it: the principal whom it was given to. Anybody may if that was a stranger.
    owner: Option<Principal>,
}

impl Tickets {
    pub(super) fn new(limits: Arc<Limits>, counters: Arc<Counters>) -> Self {
        Self {
            table: LazyLock::new(DashMap::new),
            valid: AtomicUsize::new(0),
            over: Mutex::default(),
            limits,
            counters,
        }
    }

    /// Makes room for some tickets, which are then to be given out.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if there are as many as there may be.
    fn reserve(&self, count: usize) -> Result<(), Fault> {
        let before = self.valid.fetch_add(count, Ordering::Relaxed);
        if before.saturating_add(count) <= self.limits.tickets {
            return Ok(());
        }
        self.valid.fetch_sub(count, Ordering::Relaxed);
        self.counters.tickets.add();
        let text = "the host has given out as many tickets as it may; give back those that are not \
            needed, or wait until their leases are over";
        Err(Fault::refused(ErrorKind::ResourceExhausted, text))
    }

    /// Gives out a ticket for an object that was made for whoever gets it.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted`; the object is let go then.
    pub(super) fn give(
        &self,
        keeper: &Arc<Keeper>,
        tenant: &Arc<Tenant>,
        owner: Option<&Principal>,
    ) -> Result<Ticket, Fault> {
        let ticketed = match tenant.policy().is_endless() {
            true => with_a_lease(keeper, tenant, owner),
            false => Ok(Arc::clone(tenant)),
        };
        let given = ticketed.and_then(|ticketed| {
            self.reserve(1)?;
            Ok(self.enter(id::ticket(), &ticketed, owner))
        });
        given.inspect_err(|_| tenant.end(GoneReason::Released))
    }

    /// Gives out the tickets that stand in an answer.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted`; none is given out then.
    pub(super) fn give_all(
        &self,
        keeper: &Arc<Keeper>,
        boarded: &[Boarded],
        owner: Option<&Principal>,
    ) -> Result<(), Fault> {
        if boarded.len() > MAX_REFERENCES {
            let text = format!("the answer holds more than {MAX_REFERENCES} objects");
            return Err(Fault::refused(ErrorKind::TooLarge, text));
        }
        self.reserve(boarded.len())?;
        let taken_in = boarded
            .iter()
            .map(|boarded| take_in(keeper, boarded, owner));
        let taken_in: Result<Vec<_>, Fault> = taken_in.collect();
        let taken_in = taken_in.inspect_err(|_| {
            self.valid.fetch_sub(boarded.len(), Ordering::Relaxed);
        })?;
        for (boarded, tenant) in boarded.iter().zip(&taken_in) {
            self.enter(boarded.ticket.clone(), tenant, owner);
        }
        Ok(())
    }

    fn enter(&self, ticket: String, tenant: &Arc<Tenant>, owner: Option<&Principal>) -> Ticket {
        let name = format!("{TICKETS}{ticket}");
        let given = Given {
            object: Ok(Arc::clone(tenant)),
            owner: owner.cloned(),
        };
        self.table.insert(ticket, given);
        tenant.give_name(&name);
        let lease = tenant.info().remaining;
        Ticket::new(name, lease)
    }

    /// The object of a ticket. Another principal's is not found, just as one that there is not.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ObjectGone`.
    pub(super) fn find(&self, ticket: &str, caller: &Peer) -> Result<Arc<Tenant>, Fault> {
        let found = self.table.get(ticket).map(|found| found.clone());
        let own = found.filter(|found| found.is_for(caller));
        match own.map(|found| found.object) {
            Some(Ok(tenant)) => Ok(tenant),
            Some(Err(reason)) => Err(Fault::of(ErrorKind::ObjectGone(reason))),
            None => {
                let text = "no such ticket was given out here, or it was over long ago";
                Err(Fault::refused(ErrorKind::NotFound, text))
            }
        }
    }

    /// Takes a ticket back, and lets its object go unless somebody else keeps it.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find).
    pub(super) fn take_back(&self, ticket: &str, caller: &Peer) -> Result<(), Fault> {
        let tenant = self.find(ticket, caller)?;
        tenant.admit(caller, None)?;
        self.bury(ticket, GoneReason::Released);
        tenant.take_name(GoneReason::Released);
        Ok(())
    }

    /// Notes that a ticket is over. The oldest of too many of those are forgotten.
    pub(super) fn bury(&self, ticket: &str, reason: GoneReason) {
        let Some(mut entry) = self.table.get_mut(ticket) else {
            return;
        };
        if entry.object.is_err() {
            return;
        }
        let before = std::mem::replace(&mut entry.object, Err(reason));
        drop(entry);
        drop(before);
        self.valid.fetch_sub(1, Ordering::Relaxed);
        let oldest = {
            let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.push_back(ticket.to_owned());
            match over.len() > self.limits.tombstones {
                true => over.pop_front(),
                false => None,
            }
        };
        if let Some(oldest) = oldest {
            self.counters.tombstones.add();
            self.table.remove(&oldest);
        }
    }
}

impl Given {
    fn is_for(&self, caller: &Peer) -> bool {
        let caller = caller.principal().map(Principal::name);
        let owner = self.owner.as_ref().map(Principal::name);
        owner.is_none() || owner == caller
    }
}

/// An object without an end, held for as long as its ticket is renewed: nobody would miss it otherwise.
fn with_a_lease(
    keeper: &Arc<Keeper>,
    tenant: &Arc<Tenant>,
    owner: Option<&Principal>,
) -> Result<Arc<Tenant>, Fault> {
    let (interface, object) = (tenant.interface(), Arc::clone(tenant));
    let export = Export::seen(Arc::clone(&object) as _, tenant.hold());
    let ticketed = Ticketed::new(export, home(object), interface);
    Ok(keeper.take_in(Arc::new(ticketed), keeper.vacancy_for(owner)?, None))
}

/// Takes an object in for whoever gets its ticket.
fn take_in(
    keeper: &Arc<Keeper>,
    boarded: &Boarded,
    owner: Option<&Principal>,
) -> Result<Arc<Tenant>, Fault> {
    let endpoint = boarded.reference.endpoint();
    let object = endpoint.object().unwrap_or_else(|| {
        let reference = boarded.reference.clone();
        Arc::new(Forwarder::new(reference, Some(boarded.interface.id)))
    });
    let export = Export::lent(keeper, object)?;
    let reference = boarded.reference.clone();
    let ticketed: Arc<dyn ServerObject> =
        Arc::new(Ticketed::new(export, reference, boarded.interface));
    Ok(keeper.take_in(ticketed, keeper.vacancy_for(owner)?, None))
}
