//! The way to an object that this session holds a reference to.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Connection, Destination};
use crate::clock;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::formatter::FormatterRef;
use crate::id::Slot;
use crate::object::{Pinned, context};
use crate::proxy::{CallState, Endpoint, Fetched, Flight, Identity, Reference, RequestKind};
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

impl Endpoint for SlotEndpoint {
    fn formatter(&self) -> FormatterRef {
        self.formatter.clone()
    }

    fn default_deadline(&self) -> Duration {
        self.connection.limits.default_deadline
    }

    fn poll(&self, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        if matches!(call.flight, Flight::Grounded) && !self.connection.can_call() {
            let kind = ErrorKind::ObjectGone(GoneReason::SessionExpired);
            let text = "the connection that held the object has ended, and the object with it; activate a new one";
            return Poll::Ready(Err(Fault::refused(kind, text)));
        }
        let target = Target::Slot(self.slot);
        self.connection
            .poll_call(call, Destination::Target(target), cx)
    }

    fn slot_in(&self, session: usize) -> Option<Slot> {
        (Arc::as_ptr(&self.connection) as usize == session).then_some(self.slot)
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
            let fetched =
                poll_fn(|cx| self.connection.poll_call(&mut call, destination, cx)).await?;
            fetched
                .object
                .ok_or_else(|| Fault::executed(ErrorKind::BadResult, "the answer holds no object"))
        })
    }

    fn identity(&self) -> Identity {
        Identity::Slot {
            session: Arc::as_ptr(&self.connection) as usize,
            slot: self.slot.0,
        }
    }
}

impl Drop for SlotEndpoint {
    fn drop(&mut self) {
        self.connection.release(self.slot);
    }
}
