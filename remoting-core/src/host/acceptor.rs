//! The host's open door: who is let in, and what becomes of them.

use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use super::channels::Registered;
use super::drain::Calls;
use super::exchange::Through;
use super::registry::Registry;
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
use crate::session::CancelReason;
use crate::sink::{CallMessage, ReplyMessage, Sinks, Ticket};
use crate::url::TICKETS;

/// What one channel hands its links to.
pub(super) struct HostAcceptor {
    host: Weak<HostInner>,
    channel: Weak<Registered>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    /// What the calls pass through that come through the channel.
    sinks: Sinks,
    /// Those of them that have no session and run.
    calls: Calls,
    allow_plaintext: bool,
    allow_anonymous: bool,
    authenticates: bool,
}

impl HostAcceptor {
    pub(super) fn new(host: &Arc<HostInner>, channel: &Arc<Registered>) -> Self {
        Self {
            host: Arc::downgrade(host),
            channel: Arc::downgrade(channel),
            limits: Arc::clone(channel.limits()),
            counters: Arc::clone(&host.registry.counters),
            sinks: channel.behind(&host.registry.server_sinks),
            calls: channel.calls.clone(),
            allow_plaintext: host.allow_plaintext,
            allow_anonymous: host.allow_anonymous,
            authenticates: host.registry.authenticator.is_some(),
        }
    }
}

impl HostAcceptor {
    /// Lets one more in, if there is room in the channel, and in the host for all its channels together.
    ///
    /// The channel is asked first: who is refused there has taken nobody's place at another channel's door, even for
    /// a moment.
    fn enter(
        &self,
        source: Option<IpAddr>,
        (host, channel): (&HostInner, &Registered),
    ) -> Result<Admission, TurnedAway> {
        let (here, stranger_here) = channel.door().enter(source, &self.counters)?;
        let (visitor, stranger) = host.door.enter(source, &self.counters)?;
        let strangers = Arc::new((stranger, stranger_here));
        Ok(Admission::new((visitor, here), strangers, channel.visit()))
    }

    /// Who answers calls.
    fn registry(&self) -> Result<Arc<Registry>, Fault> {
        let host = self.host.upgrade();
        let registry = host.map(|host| Arc::clone(&host.registry));
        registry.ok_or_else(|| Fault::refused(ErrorKind::Disconnected, "the host has been dropped"))
    }

    /// What calls without a session come through.
    fn through(&self) -> Through {
        Through::channel(self.limits(), self.sinks.clone(), self.calls.clone())
    }
}

impl Accept for HostAcceptor {
    fn admit(&self, source: Option<IpAddr>) -> Result<Admission, TurnedAway> {
        let (Some(host), Some(channel)) = (self.host.upgrade(), self.channel.upgrade()) else {
            let reason = "the host has been dropped";
            return Err(TurnedAway { reason });
        };
        self.enter(source, (&host, &channel)).inspect_err(|turned_away| {
            static LINES: Rate = Rate::new();
            if LINES.line().is_some() {
                let peer = source.map(tracing::field::display);
                tracing::warn!(target: "remoting::host", peer, "a connection was turned away: {turned_away}");
            }
        })
    }

    fn visit(&self) -> Box<dyn Send + Sync> {
        Box::new(self.channel.upgrade().map(|channel| channel.visit()))
    }

    fn is_leaving(&self) -> bool {
        let channel = self.channel.upgrade();
        channel.is_none_or(|channel| channel.leaving.load(Ordering::Relaxed))
    }

    fn shortage(&self) -> Box<dyn Send + Sync> {
        let host = self.host.upgrade();
        Box::new(host.map(|host| Shortage::begin(&host.shortages)))
    }

    fn is_short(&self) -> bool {
        let host = self.host.upgrade();
        host.is_some_and(|host| host.shortages.load(Ordering::Relaxed) > 0)
    }

    fn cut(&self) -> BoxFuture<'static, ()> {
        Box::pin(cut(self.channel.clone()))
    }

    fn accept(&self, link: Link, admission: Admission) {
        let (Some(host), Some(channel)) = (self.host.upgrade(), self.channel.upgrade()) else {
            return;
        };
        // Until it is known as a connection, a stop waits for the visit.
        let Admission {
            guard,
            handshake,
            visit: _visit,
        } = admission;
        let config = host.connection_config(&channel);
        let connection = Connection::start(config, link, guard, handshake);
        channel.accepted(&connection);
        if channel.is_stopped() {
            // The channel stopped to listen while the link was being set up.
            connection.go_away(std::time::Duration::ZERO, "the channel stopped listening");
        }
    }

    fn exchange(&self, call: CallMessage, peer: Arc<Peer>) -> BoxFuture<'static, ReplyMessage> {
        match self.registry() {
            Ok(registry) => {
                let reply = exchange::run(registry, self.through(), call, peer);
                Box::pin(until_cut(self.channel.clone(), reply))
            }
            Err(fault) => Box::pin(std::future::ready(Err(fault))),
        }
    }

    fn construct(
        &self,
        call: CallMessage,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Ticket, Fault>> {
        match self.registry() {
            Ok(registry) => Box::pin(construct::run(registry, self.through(), call, peer)),
            Err(fault) => Box::pin(std::future::ready(Err(fault))),
        }
    }

    fn renew(&self, name: &str, time: Duration, caller: &Peer) -> Result<Option<Duration>, Fault> {
        let tenant = self.registry()?.ticket(name, caller)?;
        match tenant.renew(time) {
            Some(Duration::ZERO) => Err(Fault::of(ErrorKind::ObjectGone(GoneReason::LeaseExpired))),
            granted => Ok(granted),
        }
    }

    fn release(&self, name: &str, caller: &Peer) -> Result<(), Fault> {
        let ticket = name.strip_prefix(TICKETS).unwrap_or_default();
        self.registry()?.tickets.take_back(ticket, caller)
    }

    fn interface(
        &self,
        name: &str,
        wanted: Option<InterfaceId>,
        caller: &Peer,
    ) -> Result<&'static InterfaceDescriptor, Fault> {
        self.registry()?.interface(name, wanted, caller)
    }

    fn authenticate(
        &self,
        token: Option<Secret>,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Arc<Peer>, Fault>> {
        let registry = self.registry();
        let patience = self.limits.handshake_time;
        Box::pin(async move {
            let registry = registry?;
            let Some(authenticator) = &registry.authenticator else {
                return Ok(peer);
            };
            let judged = judge(authenticator, token.as_ref(), &peer, patience);
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

/// A channel that cannot accept connections, until dropped.
struct Shortage(Arc<AtomicUsize>);

impl Shortage {
    fn begin(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until what has no session is not waited for any more.
async fn cut(channel: Weak<Registered>) {
    let cut = channel.upgrade().map(|channel| channel.cut.subscribe());
    if let Some(mut cut) = cut {
        if cut.wait_for(|cut| *cut).await.is_ok() {
            return;
        }
    }
    // A host that is dropped cuts nobody.
    pending().await
}

/// Gives a call up, if its host does not wait for it.
async fn until_cut(
    channel: Weak<Registered>,
    reply: impl Future<Output = ReplyMessage>,
) -> ReplyMessage {
    let mut reply = pin!(reply);
    // Most end at once.
    let first = poll_fn(|cx| Poll::Ready(reply.as_mut().poll(cx))).await;
    if let Poll::Ready(reply) = first {
        return reply;
    }
    let mut cut = pin!(cut(channel));
    poll_fn(|cx| match reply.as_mut().poll(cx) {
        Poll::Pending => cut
            .as_mut()
            .poll(cx)
            .map(|()| Err(Fault::Error(CancelReason::HostStopped.error(true)))),
        ready => ready,
    })
    .await
}
