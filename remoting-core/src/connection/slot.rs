//! The way to an object that this session holds a reference to.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Connection, Destination};
use crate::error::{ErrorKind, Fault, GoneReason};
use crate::formatter::FormatterRef;
use crate::id::Slot;
use crate::proxy::{CallState, Endpoint, Fetched, Flight, Identity};
use crate::wire::message::Target;

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
