//! The host's open door: who is let in, and what becomes of them.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::channels::Registered;
use super::{HostInner, construct, exchange};
use crate::channel::{Accept, Admission, BoxFuture, Link, TurnedAway};
use crate::connection::{Connection, judge};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::log::Rate;
use crate::peer::Peer;
use crate::secret::Secret;
use crate::sink::{CallMessage, ReplyMessage, Ticket};
use crate::url::TICKETS;

/// What one channel hands its links to.
pub(super) struct HostAcceptor {
    host: Weak<HostInner>,
    channel: Weak<Registered>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    allow_plaintext: bool,
    allow_anonymous: bool,
    authenticates: bool,
}

impl HostAcceptor {
    pub(super) fn new(host: Weak<HostInner>, channel: Weak<Registered>) -> Self {
        let inner = host.upgrade();
        let (limits, counters) = inner
            .as_ref()
            .map(|host| (&host.registry.limits, &host.registry.counters))
            .map(|(limits, counters)| (Arc::clone(limits), Arc::clone(counters)))
            .unwrap_or_default();
        let allow_plaintext = inner.as_ref().is_some_and(|host| host.allow_plaintext);
        let allow_anonymous = inner.as_ref().is_some_and(|host| host.allow_anonymous);
        let authenticates = inner.is_some_and(|host| host.registry.authenticator.is_some());
        Self {
            host,
            channel,
            limits,
            counters,
            allow_plaintext,
            allow_anonymous,
            authenticates,
        }
    }
}

impl HostAcceptor {
    fn host(&self) -> Result<Arc<HostInner>, Fault> {
        self.host.upgrade().ok_or_else(host_is_gone)
    }
}

impl Accept for HostAcceptor {
    fn admit(&self, source: Option<IpAddr>) -> Result<Admission, TurnedAway> {
        let (Some(host), Some(channel)) = (self.host.upgrade(), self.channel.upgrade()) else {
            let reason = "the host has been dropped";
            return Err(TurnedAway { reason });
        };
        let entered = host.door.enter(source, &host);
        let (visitor, stranger) = entered.inspect_err(|turned_away| {
            static LINES: Rate = Rate::new();
            if LINES.line().is_some() {
                let peer = source.map(tracing::field::display);
                tracing::warn!(target: "remoting::host", peer, "a connection was turned away: {turned_away}");
            }
        })?;
        Ok(Admission::new(visitor, Arc::new(stranger), channel.visit()))
    }

    fn visit(&self) -> Box<dyn Send + Sync> {
        Box::new(self.channel.upgrade().map(|channel| channel.visit()))
    }

    fn accept(&self, link: Link, admission: Admission) {
        let (Some(host), Some(channel)) = (self.host.upgrade(), self.channel.upgrade()) else {
            return;
        };
        let (guard, handshake) = admission.into_parts();
        let config = host.connection_config(&channel);
        let connection = Connection::start(config, link, guard, handshake);
        channel.accepted(&connection);
        if channel.address().is_none() {
            // The channel stopped to listen while the link was being set up.
            connection.go_away(std::time::Duration::ZERO, "the channel stopped listening");
        }
    }

    fn exchange(&self, call: CallMessage, peer: Arc<Peer>) -> BoxFuture<'static, ReplyMessage> {
        match self.host.upgrade() {
            Some(host) => Box::pin(exchange::run(Arc::clone(&host.registry), call, peer)),
            None => Box::pin(std::future::ready(Err(host_is_gone()))),
        }
    }

    fn construct(
        &self,
        call: CallMessage,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Ticket, Fault>> {
        match self.host.upgrade() {
            Some(host) => Box::pin(construct::run(Arc::clone(&host.registry), call, peer)),
            None => Box::pin(std::future::ready(Err(host_is_gone()))),
        }
    }

    fn renew(&self, name: &str, time: Duration, caller: &Peer) -> Result<Option<Duration>, Fault> {
        let tenant = self.host()?.registry.ticket(name, caller)?;
        match tenant.renew(time) {
            Some(Duration::ZERO) => Err(Fault::of(ErrorKind::ObjectGone(GoneReason::LeaseExpired))),
            granted => Ok(granted),
        }
    }

    fn release(&self, name: &str, caller: &Peer) -> Result<(), Fault> {
        let host = self.host()?;
        let ticket = name.strip_prefix(TICKETS).unwrap_or_default();
        host.registry.tickets.take_back(ticket, caller)
    }

    fn interface(
        &self,
        name: &str,
        wanted: Option<InterfaceId>,
        caller: &Peer,
    ) -> Result<&'static InterfaceDescriptor, Fault> {
        self.host()?.registry.interface(name, wanted, caller)
    }

    fn authenticate(
        &self,
        token: Option<Secret>,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Arc<Peer>, Fault>> {
        let registry = self.host().map(|host| Arc::clone(&host.registry));
        Box::pin(async move {
            let registry = registry?;
            let Some(authenticator) = &registry.authenticator else {
                return Ok(peer);
            };
            let judged = judge(
                authenticator,
                token.as_ref(),
                &peer,
                registry.limits.handshake_time,
            );
            judged
                .await
                .map_err(|_denied| Fault::of(ErrorKind::Unauthenticated))
        })
    }

    fn publications(&self, caller: &Peer) -> Vec<(String, &'static InterfaceDescriptor)> {
        let host = self.host.upgrade();
        host.map_or_else(Vec::new, |host| host.registry.publications(caller))
    }

    fn formatters(&self) -> Vec<FormatterRef> {
        let host = self.host.upgrade();
        host.map_or_else(Vec::new, |host| host.registry.formatters().to_vec())
    }

    fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    fn allow_plaintext(&self) -> bool {
        self.allow_plaintext
    }

    fn allow_anonymous(&self) -> bool {
        self.allow_anonymous
    }

    fn authenticates(&self) -> bool {
        self.authenticates
    }

    fn denies_strangers(&self) -> bool {
        let host = self.host.upgrade();
        let authenticator = host.and_then(|host| host.registry.authenticator.clone());
        authenticator.is_some_and(|authenticator| authenticator.denies_strangers())
    }
}

fn host_is_gone() -> Fault {
    Fault::refused(ErrorKind::Disconnected, "the host has been dropped")
}
