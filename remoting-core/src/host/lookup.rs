//! What is reached by a name of a host, or by a ticket.

use std::sync::Arc;

use super::entry::{Entry, Named};
use super::registry::Registry;
use crate::authentication::Authenticator;
use crate::connection::{Events, Export, Service, Sessions};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Fault};
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::object::{Class, Keeper, ServerObject, Tenant, Workers, home, seen_through};
use crate::peer::Peer;
use crate::proxy::{Redeem, Reference};
use crate::stream::Freight;
use crate::url::TICKETS;

impl Registry {
    pub(super) fn entry(&self, name: &str) -> Result<Arc<Entry>, Fault> {
        self.known(name).ok_or_else(|| {
            let text = format!(
                "nothing is published under the name `{}`; publish it there with `host.publish(..)`, \
                 or look at the spelling: names are case-sensitive",
                crate::log::clean(name)
            );
            Fault::refused(ErrorKind::NotFound, text)
        })
    }

    /// What a ticket stands for.
    ///
    /// - `name`: the one that calls have: `~/rt1.…`.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ObjectGone`.
    pub(super) fn ticket(&self, name: &str, caller: &Peer) -> Result<Arc<Tenant>, Fault> {
        let ticket = name.strip_prefix(TICKETS).unwrap_or_default();
        let tenant = self.tickets.find(ticket, caller)?;
        tenant.admit(caller, None)?;
        Ok(tenant)
    }

    /// The object that calls by a name, or by `~/` and a ticket, reach.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ObjectGone`, `WrongInterface`.
    pub(super) fn object(
        &self,
        name: &str,
        wanted: InterfaceId,
        caller: &Peer,
    ) -> Result<Arc<dyn ServerObject>, Fault> {
        match name.strip_prefix(TICKETS) {
            None => {
                let entry = self.entry(name)?;
                entry.admit(caller)?;
                entry.object(wanted)
            }
            Some(ticket) => seen_as(self.tickets.find(ticket, caller)?, wanted),
        }
    }

    /// The interface through which calls by a name, or by `~/` and a ticket, come.
    ///
    /// - `wanted`: the one that the caller has, if it has said so.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ObjectGone`, `WrongInterface`.
    pub(super) fn interface(
        &self,
        name: &str,
        wanted: Option<InterfaceId>,
        caller: &Peer,
    ) -> Result<&'static InterfaceDescriptor, Fault> {
        match name.strip_prefix(TICKETS) {
            None => {
                let entry = self.entry(name)?;
                entry.admit(caller)?;
                entry.interface(wanted)
            }
            Some(_) => {
                let tenant = self.ticket(name, caller)?;
                let wanted = wanted.unwrap_or(tenant.interface().id);
                Ok(seen_as(tenant, wanted)?.interface())
            }
        }
    }
}

fn seen_as(tenant: Arc<Tenant>, wanted: InterfaceId) -> Result<Arc<dyn ServerObject>, Fault> {
    let object: Arc<dyn ServerObject> = tenant;
    seen_through(&object, wanted).ok_or_else(|| {
        let text = format!("the object has the interface `{}`", object.interface().name);
        Fault::refused(ErrorKind::WrongInterface, text)
    })
}

/// What the paths in the arguments of one caller stand for.
#[derive(Clone)]
pub(super) struct Redeemer {
    pub(super) registry: Arc<Registry>,
    pub(super) caller: Arc<Peer>,
    /// What came beside the arguments.
    pub(super) stream: Option<Freight>,
}

impl Redeem for Redeemer {
    fn redeem(&self, path: &str, wanted: &'static InterfaceDescriptor) -> Result<Reference, Error> {
        let name = path.strip_prefix('/').unwrap_or_default();
        let object = self.registry.object(name, wanted.id, &self.caller);
        // What it may not call itself, it cannot have called by somebody who may.
        let admitted = object.and_then(|object| {
            object.admit(&self.caller, None)?;
            Ok(object)
        });
        match admitted {
            Ok(object) => Ok(home(object)),
            Err(Fault::Error(error)) => Err(error),
            Err(Fault::App(_)) => Err(Error::new(ErrorKind::Internal, "no object")),
        }
    }

    fn stream(&self) -> Option<Freight> {
        self.stream.clone()
    }
}

impl Service for Registry {
    fn resolve(&self, name: &str, interface: InterfaceId, caller: &Peer) -> Result<Export, Fault> {
        let entry = self.entry(name)?;
        entry.admit(caller)?;
        let descriptor = entry.object(interface)?.interface();
        Ok(Export::Plain(Arc::new(Named::new(
            entry, interface, descriptor,
        ))))
    }

    fn redeem(&self, ticket: &str, interface: InterfaceId, caller: &Peer) -> Result<Export, Fault> {
        let tenant = self.tickets.find(ticket, caller)?;
        tenant.admit(caller, None)?;
        let hold = tenant.hold();
        Ok(Export::seen(seen_as(tenant, interface)?, hold))
    }

    fn class(
        &self,
        name: &str,
        interface: InterfaceId,
        caller: &Peer,
    ) -> Result<Arc<dyn Class>, Fault> {
        let entry = self.entry(name)?;
        entry.admit(caller)?;
        entry.class(interface)
    }

    fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    fn formatter(&self, codec: u8) -> Option<FormatterRef> {
        self.formatters()
            .iter()
            .find(|formatter| formatter.codec().0 == codec)
            .cloned()
    }

    fn authenticator(&self) -> Option<&Arc<dyn Authenticator>> {
        self.authenticator.as_ref()
    }

    fn shows_details(&self, peer: &Peer) -> bool {
        self.error_detail.shows(peer)
    }

    fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn events(&self) -> &Events {
        &self.events
    }
}
