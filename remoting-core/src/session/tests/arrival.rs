//! What of the peer's requests tests look at.

use std::time::Instant;

use super::support::Object;
use crate::id::Slot;
use crate::session::{IncomingKey, Received, Request};

/// A request of the peer's, with what of its frame matters.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) key: IncomingKey,
    /// The object of a call; nothing for a RESOLVE.
    pub(super) target: Option<Object>,
    /// The arguments of a call, the key of a RESOLVE.
    pub(super) payload: Vec<u8>,
    pub(super) deadline: Instant,
}

pub(super) fn arrival(request: Request<'_, Object>, borrowed: &mut Vec<Slot>) -> Arrival {
    match request {
        Request::Call(call) => {
            note(call.references, borrowed);
            Arrival {
                key: call.key,
                target: Some(call.target),
                payload: call.payload.to_vec(),
                deadline: call.deadline,
            }
        }
        Request::Resolve(resolve) => Arrival {
            key: resolve.key,
            target: None,
            payload: resolve.resolve.request.key.to_vec(),
            deadline: resolve.deadline,
        },
    }
}

/// Notes the peer's objects among those that came along.
pub(super) fn note(received: Vec<Received<Object>>, borrowed: &mut Vec<Slot>) {
    borrowed.extend(received.into_iter().filter_map(|received| match received {
        Received::Theirs { slot, .. } => Some(slot),
        Received::Own(_) | Received::Nothing | Received::Awaited(_) | Received::Stream(_) => None,
    }));
}
