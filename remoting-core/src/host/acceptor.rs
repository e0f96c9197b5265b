//! The host's open door: who is let in, and what becomes of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::channels::Registered;
use super::registry::Registry;
use super::{HostInner, construct, exchange};
use crate::channel::{Accept, Admission, BoxFuture, Link, TurnedAway};
use crate::connection::{Connection, Room, judge};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::log::Rate;
use crate::peer::Peer;
use crate::secret::Secret;
use crate::sink::{CallMessage, ReplyMessage, Sinks, Ticket};
use crate::url::TICKETS;

/// How many connections a host has accepted, in all and from each address.
#[derive(Debug, Default)]
pub(super) struct Door(Mutex<Crowd>);

#[derive(Debug, Default)]
struct Crowd {
    connections: usize,
    handshakes: usize,
    sources: HashMap<IpAddr, usize>,
}

impl Door {
    /// Lets one more in, if there is room.
    ///
    /// # Errors
    ///
    /// A limit is reached.
    fn enter(
        self: &Arc<Self>,
        source: Option<IpAddr>,
        host: &HostInner,
    ) -> Result<Visitor, TurnedAway> {
        let (limits, counters) = (&host.registry.limits, &host.registry.counters);
        let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from_there = source
            .and_then(|source| crowd.sources.get(&source).copied())
            .unwrap_or(0);
        let full = [
            (
                crowd.connections >= limits.connections,
                &counters.connections,
                "it has as many connections as its `connections` limit allows",
            ),
            (
                from_there >= limits.connections_per_address,
                &counters.connections_per_address,
                "your address has as many connections as `connections_per_address` allows",
            ),
            (
                crowd.handshakes >= limits.handshakes,
                &counters.handshakes,
                "as many peers as `handshakes` allows have connected and said nothing yet",
            ),
        ];
        if let Some((_, counter, reason)) = full.into_iter().find(|(full, ..)| *full) {
            counter.add();
            return Err(TurnedAway { reason });
        }
        crowd.connections += 1;
        crowd.handshakes += 1;
        if let Some(source) = source {
            *crowd.sources.entry(source).or_default() += 1;
        }
        Ok(Visitor {
            door: Arc::clone(self),
            source,
        })
    }
}

/// Somebody who was let in, until dropped.
struct Visitor {
    door: Arc<Door>,
    source: Option<IpAddr>,
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut crowd = self.door.0.lock().unwrap_or_else(PoisonError::into_inner);
        crowd.connections = crowd.connections.saturating_sub(1);
        let Some(source) = self.source else { return };
        if let Some(count) = crowd.sources.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                crowd.sources.remove(&source);
            }
        }
    }
}

/// Somebody who has not said anything yet, until dropped.
struct Stranger(Arc<Door>);

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut crowd = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        crowd.handshakes = crowd.handshakes.saturating_sub(1);
    }
}

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

    /// Who answers calls, and what they pass through that come through the channel.
    fn registry(&self) -> Option<(Arc<Registry>, Sinks)> {
        let (host, channel) = (self.host.upgrade()?, self.channel.upgrade()?);
        let sinks = channel.behind(&host.registry.server_sinks);
        Some((Arc::clone(&host.registry), sinks))
    }
}

impl Accept for HostAcceptor {
    fn admit(&self, source: Option<IpAddr>) -> Result<Admission, TurnedAway> {
        let (Some(host), Some(channel)) = (self.host.upgrade(), self.channel.upgrade()) else {
            let reason = "the host has been dropped";
            return Err(TurnedAway { reason });
        };
        let visitor = host.door.enter(source, &host);
        let visitor = visitor.inspect_err(|turned_away| {
            static LINES: Rate = Rate::new();
            if LINES.line().is_some() {
                let peer = source.map(tracing::field::display);
                tracing::warn!(target: "remoting::host", peer, "a connection was turned away: {turned_away}");
            }
        })?;
        let stranger: Room = Arc::new(Stranger(Arc::clone(&host.door)));
        Ok(Admission::new(visitor, stranger, channel.visit()))
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
        match self.registry() {
            Some((registry, sinks)) => Box::pin(exchange::run(registry, call, peer, sinks)),
            None => Box::pin(std::future::ready(Err(host_is_gone()))),
        }
    }

    fn construct(
        &self,
        call: CallMessage,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Ticket, Fault>> {
        match self.registry() {
            Some((registry, sinks)) => Box::pin(construct::run(registry, call, peer, sinks)),
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
