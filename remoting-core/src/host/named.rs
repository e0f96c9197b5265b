//! The way to an object that is known by its URL.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};

use super::HostInner;
use super::channels::Registered;
use super::peers::{Route, host_is_gone};
use crate::channel::{BoxFuture, Exchange};
use crate::clock;
use crate::connection::{Connection, Deferred, Destination};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::id::{CallId, Slot};
use crate::payload::Payload;
use crate::proxy::{CallState, Endpoint, Fetched, Flight, Identity, RequestKind};
use crate::sink::CallMessage;
use crate::url::ObjectUrl;
use crate::wire::message::Target;

/// A name at an address. It is dialled by the first call, and again when the connection was lost.
pub(super) struct NamedEndpoint {
    host: Weak<HostInner>,
    channel: Arc<Registered>,
    url: ObjectUrl,
    interface: &'static InterfaceDescriptor,
    formatter: FormatterRef,
    binding: Mutex<Option<Binding>>,
}

/// Where the name was last found.
struct Binding {
    connection: Arc<Connection>,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    /// The answer to this RESOLVE.
    Answer(CallId),
    Slot(Slot),
}

impl NamedEndpoint {
    pub(super) fn new(
        host: Weak<HostInner>,
        channel: Arc<Registered>,
        url: ObjectUrl,
        interface: &'static InterfaceDescriptor,
    ) -> Self {
        let formatter = channel.channel().settings().formatter.clone();
        Self { host, channel, url, interface, formatter, binding: Mutex::new(None) }
    }

    fn binding(&self) -> MutexGuard<'_, Option<Binding>> {
        self.binding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Dials, or waits for somebody else's dialling, until the call's deadline.
    fn dial(&self, call: &CallState) -> Result<Flight, Fault> {
        let host = self.host.upgrade().ok_or_else(host_is_gone)?;
        let dialling = host.peers.dial(Arc::clone(&self.channel), self.url.clone(), host.connection_config(&self.channel));
        let deadline = call.deadline.unwrap_or_else(clock::now);
        let url = self.url.to_string();
        let runtime = crate::proxy::runtime();
        let _runtime = runtime.enter();
        let within = tokio::time::timeout_at(deadline.into(), dialling);
        Ok(Flight::Dialing(Box::pin(async move {
            within.await.unwrap_or_else(|_| {
                let text = format!("the call's deadline passed while `{url}` was being dialled");
                Err(Error::new(ErrorKind::DeadlineExceeded, text))
            })
        })))
    }

    /// Starts a call on a connection, finding the name there first.
    fn poll_on(&self, connection: &Arc<Connection>, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        if call.kind == RequestKind::Constructor {
            return connection.poll_call(call, &self.formatter, Destination::Publication(self.url.name()), cx);
        }
        let mut deferred = Deferred::new();
        let polled = {
            let mut binding = self.binding();
            match self.target_on(connection, &mut binding, Waker::noop(), &mut deferred) {
                Err(fault) => Poll::Ready(Err(fault)),
                Ok(None) => Poll::Pending,
                Ok(Some(target)) => {
                    let destination = Destination::Target(target);
                    connection.poll_start(call, &self.formatter, destination, cx.waker(), &mut deferred)
                }
            }
        };
        let waits = matches!(call.flight, Flight::Grounded) && polled.is_pending();
        deferred.settle(connection);
        if waits {
            // There was no place even for the RESOLVE: queue for one as an ordinary call would.
            cx.waker().wake_by_ref();
        }
        polled
    }

    /// What calls on `connection` have to name. `None` where there is no place for a RESOLVE now.
    fn target_on(
        &self,
        connection: &Arc<Connection>,
        binding: &mut Option<Binding>,
        waker: &Waker,
        deferred: &mut Deferred,
    ) -> Result<Option<Target>, Fault> {
        if let Some(bound) = binding.as_mut().filter(|bound| Arc::ptr_eq(&bound.connection, connection)) {
            if let Place::Answer(answer) = bound.place {
                match connection.poll_resolved(answer, waker, deferred) {
                    Poll::Pending => return Ok(Some(Target::Answer(answer))),
                    Poll::Ready(Ok(slot)) => bound.place = Place::Slot(slot),
                    Poll::Ready(Err(_)) => *binding = None,
                }
            }
        } else {
            *binding = None;
        }
        if let Some(Binding { place: Place::Slot(slot), .. }) = binding {
            return Ok(Some(Target::Slot(*slot)));
        }
        let Some(answer) = connection.resolve(self.url.name(), self.interface, waker, deferred)? else {
            return Ok(None);
        };
        *binding = Some(Binding { connection: Arc::clone(connection), place: Place::Answer(answer) });
        Ok(Some(Target::Answer(answer)))
    }

    /// The connection that the name is bound to, or that the peer has.
    fn route(&self) -> Result<Option<Route>, Fault> {
        if let Some(bound) = &*self.binding() {
            if bound.connection.can_call() {
                return Ok(Some(Route::Session(Arc::clone(&bound.connection))));
            }
        }
        let host = self.host.upgrade().ok_or_else(host_is_gone)?;
        Ok(host.peers.ready(&self.channel, &self.url))
    }

    fn poll_once(&self, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        loop {
            match &mut call.flight {
                Flight::Grounded => match self.route()? {
                    Some(Route::Session(connection)) => return self.poll_on(&connection, call, cx),
                    Some(Route::Exchange(exchange)) => call.flight = self.exchange(exchange, call)?,
                    None => call.flight = self.dial(call)?,
                },
                Flight::Dialing(dialling) => {
                    let route = ready!(dialling.as_mut().poll(cx))?;
                    let Ok(route) = route.downcast::<Route>() else { return Poll::Ready(Err(Fault::of(ErrorKind::Internal))) };
                    call.flight = Flight::Grounded;
                    match &*route {
                        Route::Session(connection) => return self.poll_on(connection, call, cx),
                        Route::Exchange(exchange) => call.flight = self.exchange(Arc::clone(exchange), call)?,
                    }
                }
                Flight::Queued(_) => match self.route()? {
                    Some(Route::Session(connection)) => return self.poll_on(&connection, call, cx),
                    Some(Route::Exchange(_)) | None => call.flight = Flight::Grounded,
                },
                Flight::Sent { wire, call } => return Arc::clone(wire).poll_reply(*call, cx),
                Flight::Running(running) => return running.as_mut().poll(cx).map_ok(Fetched::value),
                Flight::Failed(_) | Flight::Landed => return Poll::Ready(Err(Fault::of(ErrorKind::Internal))),
            }
        }
    }

    /// Sends a call through a channel without sessions.
    fn exchange(&self, exchange: Arc<dyn Exchange>, call: &CallState) -> Result<Flight, Fault> {
        if call.kind == RequestKind::Constructor {
            let text = "objects cannot be activated over a channel that has no sessions yet";
            return Err(Fault::refused(ErrorKind::Unsupported, text));
        }
        let method = call.method().ok_or_else(|| Fault::of(ErrorKind::NoSuchMethod))?;
        let now = clock::now();
        let deadline = call.deadline.unwrap_or(now);
        let left = deadline.saturating_duration_since(now);
        let mut message =
            CallMessage::new(self.url.name(), self.interface.id, method.id, self.formatter.codec(), left);
        message.payload = call.payload.clone();
        message.locks = call.locks.clone();
        message.headers = call.options.as_ref().map(|options| options.headers.clone()).unwrap_or_default();
        let reply: BoxFuture<'static, Result<Payload, Fault>> = if method.oneway {
            crate::proxy::runtime().spawn(async move { drop(exchange.exchange(message).await) });
            Box::pin(std::future::ready(Ok(Fetched::nothing(&self.formatter).payload)))
        } else {
            Box::pin(within(deadline, async move { exchange.exchange(message).await }))
        };
        Ok(Flight::Running(reply))
    }

    /// Connects and makes sure that the name is there and has the interface.
    pub(super) async fn connect(&self) -> Result<(), Error> {
        let mut call = CallState::probe(self.interface);
        call.deadline = clock::now().checked_add(std::time::Duration::from_secs(30));
        let route = match self.route().map_err(into_error)? {
            Some(route) => route,
            None => {
                let Flight::Dialing(dialling) = self.dial(&call).map_err(into_error)? else { return Ok(()) };
                let route = dialling.await?;
                route.downcast_ref::<Route>().cloned().ok_or_else(host_is_gone)?
            }
        };
        let Route::Session(connection) = route else { return Ok(()) };
        std::future::poll_fn(|cx| {
            let mut deferred = Deferred::new();
            let target = self.target_on(&connection, &mut self.binding(), cx.waker(), &mut deferred);
            let polled = match target {
                Ok(Some(Target::Answer(_))) => self.poll_found(&connection, cx.waker(), &mut deferred),
                Ok(Some(Target::Slot(_))) => Poll::Ready(Ok(())),
                Ok(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Err(fault) => Poll::Ready(Err(fault)),
            };
            deferred.settle(&connection);
            polled
        })
        .await
        .map_err(|fault| self.explain(fault))
        .map_err(into_error)
    }

    /// Waits for the answer of the RESOLVE that is under way.
    fn poll_found(&self, connection: &Arc<Connection>, waker: &Waker, deferred: &mut Deferred) -> Poll<Result<(), Fault>> {
        let mut binding = self.binding();
        let Some(Binding { place: Place::Answer(answer), .. }) = *binding else { return Poll::Ready(Ok(())) };
        let slot = match ready!(connection.poll_resolved(answer, waker, deferred)) {
            Ok(slot) => slot,
            Err(fault) => {
                *binding = None;
                return Poll::Ready(Err(fault));
            }
        };
        *binding = Some(Binding { connection: Arc::clone(connection), place: Place::Slot(slot) });
        Poll::Ready(Ok(()))
    }

    /// Adds what only this side knows to an error of the other side.
    fn explain(&self, fault: Fault) -> Fault {
        let Fault::Error(error) = &fault else { return fault };
        let text = match error.kind() {
            ErrorKind::NotFound => format!("nothing answers to `{}`: {}", self.url, error.message()),
            ErrorKind::WrongInterface => {
                format!("the proxy of `{}` has the interface `{}`, but {}", self.url, self.interface.name, error.message())
            }
            _ => return fault,
        };
        Fault::Error(Error::new(error.kind(), text).with_executed(error.executed()).from_peer())
    }
}

fn into_error(fault: Fault) -> Error {
    match fault {
        Fault::Error(error) => error,
        Fault::App(_) => Error::new(ErrorKind::BadResult, "the answer holds a user's error"),
    }
}

/// Bounds a call by its deadline.
async fn within(
    deadline: std::time::Instant,
    call: impl Future<Output = Result<Payload, Fault>>,
) -> Result<Payload, Fault> {
    tokio::time::timeout_at(deadline.into(), call).await.unwrap_or_else(|_| {
        let kind = ErrorKind::DeadlineExceeded;
        Err(Fault::Error(Error::new(kind, "the call's deadline has passed").with_executed(Executed::Unknown)))
    })
}

impl Endpoint for NamedEndpoint {
    fn formatter(&self) -> FormatterRef {
        self.formatter.clone()
    }

    fn poll(&self, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        loop {
            let result = ready!(self.poll_once(call, cx));
            match result {
                // The connection had ended, or was ending, before the call was taken: it may go out again, once.
                Err(Fault::Error(error))
                    if error.kind() == ErrorKind::Disconnected
                        && error.executed() == Executed::No
                        && !call.retried
                        && self.host.strong_count() > 0 =>
                {
                    call.retried = true;
                    call.flight = Flight::Grounded;
                }
                Err(fault) => return Poll::Ready(Err(self.explain(fault))),
                Ok(fetched) => return Poll::Ready(Ok(fetched)),
            }
        }
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

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

impl Drop for NamedEndpoint {
    fn drop(&mut self) {
        let binding = self.binding().take();
        let Some(Binding { connection, place }) = binding else { return };
        match place {
            Place::Slot(slot) => connection.release(slot),
            Place::Answer(answer) => crate::proxy::Wire::abandon(&*connection, answer),
        }
    }
}
