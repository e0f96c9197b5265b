//! The way to an object that is known by its URL.

use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use super::HostInner;
use super::binding::Binding;
use super::channels::Registered;
use super::exchanging::{Holding, OverSession};
use super::peers::{Route, host_is_gone};
use crate::channel::Exchange;
use crate::connection::{Connection, Deferred, Destination};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::id::Slot;
use crate::object::Pinned;
use crate::proxy::{CallState, ConnectPolicy, Endpoint, Fetched, Flight, Identity, Reference};
use crate::sink::Sinks;
use crate::url::ObjectUrl;
use crate::wire::message::Target;

/// A name at an address. It is dialled by the first call, and again when the connection was lost.
pub(super) struct NamedEndpoint {
    pub(super) host: Weak<HostInner>,
    pub(super) channel: Arc<Registered>,
    pub(super) url: ObjectUrl,
    pub(super) interface: &'static InterfaceDescriptor,
    formatter: FormatterRef,
    /// What calls pass through.
    sinks: Sinks,
    pub(super) default_deadline: Duration,
    /// What calls do where there is no connection, unless they were told otherwise.
    pub(super) connect_policy: ConnectPolicy,
    /// The longest message over a channel without sessions, which does not know what its peer takes.
    pub(super) max_message: usize,
    pub(super) binding: Binding,
    /// The way to the same object for calls that need a session, where this one has none.
    pub(super) session: Option<OverSession>,
    /// The way to the object, once it is known to be one without a session.
    reached: OnceLock<Arc<dyn Exchange>>,
    /// This endpoint, for what outlives a call.
    pub(super) own: Weak<Self>,
    /// What keeps the object, if it came by ticket.
    holding: Option<Arc<Holding>>,
    /// Takes the answer of a RESOLVE when it has come, so that it keeps no place.
    settler: Waker,
}

impl NamedEndpoint {
    pub(super) fn new(
        host: Weak<HostInner>,
        channel: Arc<Registered>,
        url: ObjectUrl,
        interface: &'static InterfaceDescriptor,
        holding: Option<Arc<Holding>>,
    ) -> Arc<Self> {
        let formatter = channel.channel().settings().formatter.clone();
        let known = host.upgrade();
        let own_policy = channel.channel().settings().connect_policy;
        let of_host = known.as_ref().map(|host| host.connect_policy);
        let registry = known.map(|host| Arc::clone(&host.registry));
        let limits = Arc::clone(channel.limits());
        let sinks = registry.map(|own| channel.behind(&own.client_sinks));
        let session = channel.channel().session_url(&url).map(OverSession::new);
        Arc::new_cyclic(|endpoint| Self {
            host,
            channel,
            url,
            interface,
            formatter,
            sinks: sinks.unwrap_or_default(),
            default_deadline: limits.default_deadline,
            connect_policy: own_policy.or(of_host).unwrap_or_default(),
            max_message: limits.max_message,
            binding: Binding::new(),
            session,
            reached: OnceLock::new(),
            own: endpoint.clone(),
            holding,
            settler: Waker::from(Arc::new(Settler(endpoint.clone()))),
        })
    }

    /// Another way to the same object.
    pub(super) fn another(
        &self,
        url: ObjectUrl,
        interface: &'static InterfaceDescriptor,
    ) -> Arc<Self> {
        let (host, channel) = (self.host.clone(), Arc::clone(&self.channel));
        Self::new(host, channel, url, interface, self.holding.clone())
    }

    /// Starts a call on a connection, finding the name there first.
    fn poll_on(
        &self,
        connection: &Arc<Connection>,
        call: &mut CallState,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fetched, Fault>> {
        if call.is_constructor() {
            let destination = Destination::Publication(self.url.name());
            return connection.poll_call(call, destination, cx);
        }
        ready!(call.poll_arguments(Some(connection.number()), cx))?;
        connection.leave_other_queues(call);
        let loan = connection.loan(&call.payload, true)?;
        let mut deferred = Deferred::new();
        let polled = {
            let mut held = self.binding.hold();
            let name = (self.url.name(), self.interface);
            match held.target_on(connection, name, call, &self.settler, cx, &mut deferred) {
                Err(fault) => Poll::Ready(Err(fault)),
                Ok(None) => Poll::Pending,
                Ok(Some(target)) => {
                    let destination = Destination::Target(target);
                    connection.poll_start(call, &loan, destination, cx.waker(), &mut deferred)
                }
            }
        };
        deferred.settle(connection);
        polled
    }

    /// The connection that the name is bound to, or that the peer has.
    pub(super) fn route(&self) -> Result<Option<Route>, Fault> {
        if let Some(exchange) = self.reached.get().filter(|_| self.host.strong_count() > 0) {
            return Ok(Some(Route::Exchange(Arc::clone(exchange))));
        }
        if let Some(connection) = self.binding.connection() {
            return Ok(Some(Route::Session(connection)));
        }
        let host = self.host.upgrade().ok_or_else(host_is_gone)?;
        let route = host.peers.ready(&self.channel, &self.url);
        if let Some(Route::Exchange(exchange)) = &route {
            let _known = self.reached.set(Arc::clone(exchange));
        }
        Ok(route)
    }

    /// The usual way: the name has been found, and its connection takes the call.
    fn poll_bound(
        &self,
        call: &mut CallState,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Fetched, Fault>>> {
        if call.is_constructor() {
            return None;
        }
        let found = self.binding.found();
        let found = found.as_ref()?;
        let destination = Destination::Target(Target::Slot(found.slot));
        let polled = found.connection.poll_call(call, destination, cx);
        let refused = matches!(&polled, Poll::Ready(Err(Fault::Error(error)))
            if error.kind() == ErrorKind::Disconnected && error.executed() == Executed::No);
        (!refused || !matches!(call.flight, Flight::Grounded)).then_some(polled)
    }

    fn poll_once(
        &self,
        call: &mut CallState,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fetched, Fault>> {
        loop {
            match &mut call.flight {
                Flight::Grounded => {
                    if let Some(polled) = self.poll_bound(call, cx) {
                        return polled;
                    }
                    match self.route()? {
                        Some(Route::Session(connection)) => {
                            return self.poll_on(&connection, call, cx);
                        }
                        Some(Route::Exchange(exchange)) => {
                            call.flight = Flight::Running(self.exchange(exchange, call)?);
                        }
                        None => {
                            call.flight = self.reach(call, None)?;
                        }
                    }
                }
                Flight::Dialing(dialling) => {
                    let route = ready!(dialling.as_mut().poll(cx))?;
                    let Ok(route) = route.downcast::<Route>() else {
                        return Poll::Ready(Err(Fault::of(ErrorKind::Internal)));
                    };
                    call.flight = Flight::Grounded;
                    match &*route {
                        Route::Session(connection) => return self.poll_on(connection, call, cx),
                        Route::Exchange(exchange) => {
                            let reply = self.exchange(Arc::clone(exchange), call)?;
                            call.flight = Flight::Running(reply);
                        }
                    }
                }
                Flight::Queued(_) => match self.route()? {
                    Some(Route::Session(connection)) => return self.poll_on(&connection, call, cx),
                    Some(Route::Exchange(_)) | None => call.flight = Flight::Grounded,
                },
                Flight::Behind(behind) => {
                    ready!(behind.as_mut().poll(cx))?;
                    call.flight = Flight::Grounded;
                }
                Flight::Sent { wire, call } => return wire.poll(*call, cx),
                Flight::Running(running) => {
                    return running.as_mut().poll(cx).map_ok(Fetched::value);
                }
                Flight::Sunk(_) | Flight::Failed(_) | Flight::Landed => {
                    return Poll::Ready(Err(Fault::of(ErrorKind::Internal)));
                }
            }
        }
    }

    /// Adds what only this side knows to an error of the other side.
    pub(super) fn explain(&self, fault: Fault) -> Fault {
        let Fault::Error(error) = &fault else {
            return fault;
        };
        let text = match error.kind() {
            ErrorKind::NotFound => {
                format!("nothing answers to `{}`: {}", self.url, error.message())
            }
            ErrorKind::WrongInterface => {
                format!(
                    "the proxy of `{}` has the interface `{}`, but {}",
                    self.url,
                    self.interface.name,
                    error.message()
                )
            }
            _ => return fault,
        };
        Fault::Error(
            Error::new(error.kind(), text)
                .with_executed(error.executed())
                .told_by_peer(),
        )
    }
}

/// Woken when the name of an endpoint has been found, or not.
struct Settler(Weak<NamedEndpoint>);

impl Wake for Settler {
    fn wake(self: Arc<Self>) {
        if let Some(endpoint) = self.0.upgrade() {
            endpoint.binding.settle(&endpoint.settler);
        }
    }
}

pub(super) fn into_error(fault: Fault) -> Error {
    match fault {
        Fault::Error(error) => error,
        Fault::App(_) => Error::new(ErrorKind::BadResult, "the answer holds a user's error"),
    }
}

impl Endpoint for NamedEndpoint {
    fn formatter(&self) -> FormatterRef {
        self.formatter.clone()
    }

    fn sinks(&self) -> Option<&Sinks> {
        Some(&self.sinks)
    }

    fn default_deadline(&self) -> Duration {
        self.default_deadline
    }

    fn poll(&self, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        if let Some(over_session) = self.over_session(call) {
            return over_session.poll(call, cx);
        }
        loop {
            let result = ready!(self.poll_once(call, cx));
            match result {
                Err(Fault::Error(error)) if self.goes_out_again(call, &error) => {
                    self.note_failure(&error);
                    call.retries = call.retries.saturating_add(1);
                    call.flight = match self.waits(call) {
                        true => self.reach(call, Some(error))?,
                        false => Flight::Grounded,
                    };
                }
                Err(fault) => return Poll::Ready(Err(self.explain(fault))),
                Ok(fetched) => return Poll::Ready(Ok(fetched)),
            }
        }
    }

    fn slot_in(&self, session: usize) -> Option<Slot> {
        if let Some(over_session) = self.session.as_ref().and_then(OverSession::found) {
            return over_session.slot_in(session);
        }
        let found = self.binding.found();
        let found = found.as_ref()?;
        (Arc::as_ptr(&found.connection) as usize == session).then_some(found.slot)
    }

    fn cast(
        self: Arc<Self>,
        interface: &'static InterfaceDescriptor,
    ) -> Pinned<'static, Result<Reference, Fault>> {
        let other = self.another(self.url.clone(), interface);
        Box::pin(async move {
            other.connect().await?;
            Ok(Reference::new(other))
        })
    }

    fn url(&self) -> Option<String> {
        Some(self.url.to_string())
    }

    fn identity(&self) -> Identity {
        Identity::Url {
            host: self.host.as_ptr() as usize,
            url: self.url.to_string(),
            interface: self.interface.id.0,
        }
    }
}
