//! The way to an object that this session holds a reference to.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::{Connection, Destination};
use crate::clock;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Executed, Fault, GoneReason};
use crate::formatter::FormatterRef;
use crate::id::Slot;
use crate::object::{Pinned, context};
use crate::payload::Payload;
use crate::proxy::{CallState, Endpoint, Fetched, Flight, Identity, Reference, RequestKind};
use crate::sink::Sinks;
use crate::wire::message::Target;
use crate::wire::varint::Varint;

/// A slot of the peer. Dropping it gives the reference back.
pub(crate) struct SlotEndpoint {
    connection: Arc<Connection>,
    slot: Slot,
    formatter: FormatterRef,
}

impl SlotEndpoint {
    pub(crate) fn new(connection: Arc<Connection>, slot: Slot) -> Self {
        let formatter = connection.formatter.clone();
        Self {
            connection,
            slot,
            formatter,
        }
    }
}

impl SlotEndpoint {
    /// Finds out why the object cannot be called any more, now that its connection takes no more calls.
    fn obituary(&self, deadline: Instant) -> Pinned<'static, Result<Payload, Fault>> {
        let before = self.connection.known_incarnation();
        let sent_away = self.connection.is_sent_away();
        // As long as its host is there, nobody else is asked.
        let gone = self.connection.is_closed();
        let now = self.connection.origin.as_ref().filter(|_| gone);
        let now = now.map(|origin| origin.incarnation());
        Box::pin(async move {
            let now = match now {
                Some(asked) => timeout_at(deadline.into(), asked).await.ok().flatten(),
                None => None,
            };
            Err(match (before, now) {
                (Some(before), Some(now)) if before != now => {
                    let kind = ErrorKind::ObjectGone(GoneReason::ServerRestarted);
                    let text = "the server was started anew, and its objects from before are gone; get or activate new ones";
                    Fault::refused(kind, text)
                }
                _ if sent_away => {
                    let kind = ErrorKind::ObjectGone(GoneReason::Drained);
                    let text = "the host of the object takes no more calls, for it is stopping; get or activate one elsewhere, or when it is back";
                    Fault::refused(kind, text)
                }
                _ => {
                    let kind = ErrorKind::ObjectGone(GoneReason::SessionExpired);
                    let text = "the connection that held the object has ended, and with it the hold on the object; get or activate a new one";
                    Fault::refused(kind, text)
                }
            })
        })
    }
}

impl Endpoint for SlotEndpoint {
    fn formatter(&self) -> FormatterRef {
        self.formatter.clone()
    }

    fn sinks(&self) -> Option<&Sinks> {
        Some(&self.connection.client_sinks)
    }

    fn default_deadline(&self) -> Duration {
        self.connection.limits.default_deadline
    }

    fn poll(&self, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        let mut lost = matches!(call.flight, Flight::Grounded) && !self.connection.can_call();
        if !lost && !matches!(call.flight, Flight::Running(_)) {
            let destination = Destination::Target(Target::Slot(self.slot));
            let fetched = ready!(self.connection.poll_call(call, destination, cx));
            lost = matches!(&fetched, Err(Fault::Error(error))
                if error.kind() == ErrorKind::Disconnected && error.executed() == Executed::No)
                && !self.connection.can_call();
            if !lost {
                return Poll::Ready(fetched);
            }
        }
        if lost {
            let deadline = call.deadline.unwrap_or_else(clock::now);
            call.flight = Flight::Running(self.obituary(deadline));
        }
        match &mut call.flight {
            Flight::Running(running) => running.as_mut().poll(cx).map_ok(Fetched::value),
            _ => Poll::Ready(Err(Fault::of(ErrorKind::Internal))),
        }
    }

    fn slot_in(&self, session: usize) -> Option<Slot> {
        (self.connection.number() == session).then_some(self.slot)
    }

    fn cast(
        self: Arc<Self>,
        interface: &'static InterfaceDescriptor,
    ) -> Pinned<'static, Result<Reference, Fault>> {
        Box::pin(async move {
            let formatter = self.formatter();
            let mut call = CallState::new(RequestKind::Cast, interface, 0, None, formatter);
            let own = clock::now().checked_add(self.default_deadline());
            call.deadline = context::inherited().deadline.into_iter().chain(own).min();
            let key = Varint::new(u64::from(self.slot.0));
            let destination = Destination::Cast(key.as_slice());
            let fetched = poll_fn(|cx| self.connection.poll_call(&mut call, destination, cx)).await;
            call.land();
            fetched?
                .object
                .ok_or_else(|| Fault::executed(ErrorKind::BadResult, "the answer holds no object"))
        })
    }

    fn identity(&self) -> Identity {
        Identity::Slot {
            session: self.connection.number(),
            slot: self.slot.0,
        }
    }
}

impl Drop for SlotEndpoint {
    fn drop(&mut self) {
        self.connection.release(self.slot);
    }
}
