//! A host's open door, as channels see it: who is let in, and what is done for them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{BoxFuture, Link};
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{ErrorKind, Fault};
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::object::method_named;
use crate::peer::Peer;
use crate::secret::Secret;
use crate::sink::{CallMessage, ReplyMessage, Ticket};
use crate::wire::{Abort, PREFACE, write_abort};

/// A host's open door, which a listening channel hands its links to.
#[derive(Clone)]
pub struct Acceptor(Arc<dyn Accept>);

impl Acceptor {
    pub(crate) fn new(accept: Arc<dyn Accept>) -> Self {
        Self(accept)
    }

    /// Asks for room for one more connection, before anything is spent on it.
    ///
    /// - `source`: the peer's address, where it has one.
    ///
    /// # Errors
    ///
    /// A limit of the channel or of the host is reached, or the host is gone; the channel then closes the
    /// connection, after the [last words](TurnedAway::last_words) where that costs nothing.
    pub fn admit(&self, source: Option<IpAddr>) -> Result<Admission, TurnedAway> {
        self.0.admit(source)
    }

    /// Notes a request that came in some other way than over a connection of the channel's, until what is given is
    /// dropped: a host that stops waits for it as it does for connections.
    #[must_use = "the request is under way only as long as this is held"]
    pub fn visit(&self) -> Box<dyn Send + Sync> {
        self.0.visit()
    }

    /// Whether callers had better go elsewhere: the channel does not listen any more, or the host says that it will soon
    /// stop. Who calls all the same is served.
    pub fn is_leaving(&self) -> bool {
        self.0.is_leaving()
    }

    /// Notes that no connections can be accepted at the moment, because the system has no descriptors or no memory left for
    /// them, until what is given is dropped.
    #[must_use = "it is so only as long as this is held"]
    pub fn shortage(&self) -> Box<dyn Send + Sync> {
        self.0.shortage()
    }

    /// Whether some channel of the host cannot accept connections at the moment.
    pub fn is_short(&self) -> bool {
        self.0.is_short()
    }

    /// Is ready once a host that stops, or a channel, waits no longer for what has no session: the channel then closes
    /// its connections, whatever is under way.
    pub fn cut(&self) -> BoxFuture<'static, ()> {
        self.0.cut()
    }

    /// Runs a connection over `link`, as a task of the current runtime.
    pub fn accept(&self, link: Link, admission: Admission) {
        self.0.accept(link, admission);
    }

    /// Runs one call through the host, for channels without links.
    ///
    /// - `peer`: who makes it, for logs and for `CallContext::peer`.
    pub fn exchange(&self, call: CallMessage, peer: Arc<Peer>) -> BoxFuture<'static, ReplyMessage> {
        self.0.exchange(call, peer)
    }

    /// Runs a constructor and gives a ticket for what it makes, for channels without links.
    ///
    /// - `call`: its method is the constructor's number.
    ///
    /// A dropped future gives the constructor up, and lets go what it has made.
    ///
    /// # Errors
    ///
    /// `NotActivatable` if there are no constructors behind the name; those of a call.
    pub fn construct(
        &self,
        call: CallMessage,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Ticket, Fault>> {
        self.0.construct(call, peer)
    }

    /// Has a ticket live for `time` from now on, at least. Gives how long its lease runs then; `None`: for ever.
    ///
    /// - `name`: the one that calls have: `~/rt1.…`.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ObjectGone`; `Unauthenticated`, `PermissionDenied`.
    pub fn renew(
        &self,
        name: &str,
        time: Duration,
        caller: &Peer,
    ) -> Result<Option<Duration>, Fault> {
        self.0.renew(name, time, caller)
    }

    /// Takes a ticket back, and lets its object go unless others keep it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ObjectGone`; `Unauthenticated`, `PermissionDenied`.
    pub fn release(&self, name: &str, caller: &Peer) -> Result<(), Fault> {
        self.0.release(name, caller)
    }

    /// The interface that calls of a name come through.
    ///
    /// - `wanted`: the one that the caller has; without it, the one under which the name is published.
    ///
    /// # Errors
    ///
    /// - `NotFound`, `ObjectGone`: there is nothing under the name, or no more.
    /// - `WrongInterface`: what is there has no such interface.
    /// - `Unauthenticated`, `PermissionDenied`: the caller may do nothing with it.
    /// - `Disconnected`: the host is gone.
    pub fn interface(
        &self,
        name: &str,
        wanted: Option<InterfaceId>,
        caller: &Peer,
    ) -> Result<&'static InterfaceDescriptor, Fault> {
        self.0.interface(name, wanted, caller)
    }

    /// The method of a name that objects of an interface can be called by: one of its own, or one that every
    /// object has, such as those of its lease.
    ///
    /// - `name`: or `$` and the eight hexadecimal digits of its number.
    pub fn method(
        &self,
        interface: &'static InterfaceDescriptor,
        name: &str,
    ) -> Option<&'static MethodDescriptor> {
        method_named(interface, name)
    }

    /// What is published now that the caller may do anything with, sorted by name, with its interface.
    pub fn publications(&self, caller: &Peer) -> Vec<(String, &'static InterfaceDescriptor)> {
        self.0.publications(caller)
    }

    /// Finds out whom the host takes a caller for, which has sent a request without a session.
    ///
    /// - `token`: what was sent along to prove it.
    ///
    /// # Errors
    ///
    /// `Unauthenticated` if it is not let in.
    pub fn authenticate(
        &self,
        token: Option<Secret>,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Arc<Peer>, Fault>> {
        self.0.authenticate(token, peer)
    }

    /// The formatters that the host reads.
    pub fn formatters(&self) -> Vec<FormatterRef> {
        self.0.formatters()
    }

    /// The bounds that hold for the channel: the host's, and in their place its own.
    pub fn limits(&self) -> Arc<Limits> {
        self.0.limits()
    }

    /// How often each of those was reached. A channel counts those that it sees reached itself.
    pub fn counters(&self) -> Arc<Counters> {
        self.0.counters()
    }

    /// Whether the host was told that clear text may leave this machine.
    pub fn allow_plaintext(&self) -> bool {
        self.0.allow_plaintext()
    }

    /// Whether the host was told that callers may reach it from other machines who do not say who they are.
    pub fn allow_anonymous(&self) -> bool {
        self.0.allow_anonymous()
    }

    /// Whether the host finds out who its callers are.
    pub fn authenticates(&self) -> bool {
        self.0.authenticates()
    }

    /// Whether it lets nobody in whom it does not know.
    pub fn denies_strangers(&self) -> bool {
        self.0.denies_strangers()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnedAway {
    pub(crate) reason: &'static str,
}

impl TurnedAway {
    /// - `reason`: what the peer is told.
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }

    /// The bytes that tell a peer on a link why, so that it knows that none of its calls has run:
    /// a preface, and an ABORT in the place of the HELLO (rules S1 and S18).
    pub fn last_words(&self) -> Vec<u8> {
        let mut words = PREFACE.to_vec();
        let abort = Abort {
            code: ErrorKind::Overloaded.code(),
            text: self.reason,
        };
        write_abort(&mut words, &abort);
        words
    }
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

/// Room for one connection, given back when dropped.
pub struct Admission {
    pub(crate) guard: Box<dyn Send + Sync>,
    pub(crate) handshake: Option<Arc<dyn Send + Sync>>,
    /// Held while the connection is none of a session's, which the host knows by itself.
    pub(crate) visit: Box<dyn Send + Sync>,
}

impl Admission {
    /// - `guard`: held as long as the connection lives.
    /// - `handshake`: held until the peer has spoken.
    /// - `visit`: held as long as the connection lives, unless it becomes a link.
    pub(crate) fn new(
        guard: impl Send + Sync + 'static,
        handshake: Arc<dyn Send + Sync>,
        visit: impl Send + Sync + 'static,
    ) -> Self {
        Self {
            guard: Box::new(guard),
            handshake: Some(handshake),
            visit: Box::new(visit),
        }
    }

    /// Notes that the peer has spoken: it is no stranger any more. For channels without links.
    pub fn greeted(&mut self) {
        self.handshake = None;
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admission")
    }
}

/// The host's side of an [`Acceptor`].
pub(crate) trait Accept: Send + Sync {
    fn admit(&self, source: Option<IpAddr>) -> Result<Admission, TurnedAway>;
    fn visit(&self) -> Box<dyn Send + Sync>;
    fn is_leaving(&self) -> bool;
    fn shortage(&self) -> Box<dyn Send + Sync>;
    fn is_short(&self) -> bool;
    fn cut(&self) -> BoxFuture<'static, ()>;
    fn accept(&self, link: Link, admission: Admission);
    fn exchange(&self, call: CallMessage, peer: Arc<Peer>) -> BoxFuture<'static, ReplyMessage>;
    fn construct(
        &self,
        call: CallMessage,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Ticket, Fault>>;
    fn renew(&self, name: &str, time: Duration, caller: &Peer) -> Result<Option<Duration>, Fault>;
    fn release(&self, name: &str, caller: &Peer) -> Result<(), Fault>;
    fn interface(
        &self,
        name: &str,
        wanted: Option<InterfaceId>,
        caller: &Peer,
    ) -> Result<&'static InterfaceDescriptor, Fault>;
    fn authenticate(
        &self,
        token: Option<Secret>,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Arc<Peer>, Fault>>;
    fn publications(&self, caller: &Peer) -> Vec<(String, &'static InterfaceDescriptor)>;
    fn formatters(&self) -> Vec<FormatterRef>;
    fn limits(&self) -> Arc<Limits>;
    fn counters(&self) -> Arc<Counters>;
    fn allow_plaintext(&self) -> bool;
    fn allow_anonymous(&self) -> bool;
    fn authenticates(&self) -> bool;
    fn denies_strangers(&self) -> bool;
}
