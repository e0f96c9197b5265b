//! An object of somebody else, offered on: calls go through this process.
//!
//! A proxy that is handed to a third party is not an address that could be dialled. The
//! holder takes the calls and makes them itself, with the same bytes, deadline and
//! headers; proxies in them go along, one hop at a time.

use std::sync::Arc;

use super::endpoint::{CallState, Identity, RequestKind};
use super::{CallOptions, Reference, sinks};
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::Fault;
use crate::id::{InterfaceId, MethodId};
use crate::object::{Bytes, Dispatched, Entered, Profile, RawCall, ServerObject, context};
use crate::payload::Payload;

/// What stands for all methods and interfaces of others, which need not be known here.
pub(crate) static FORWARDED: MethodDescriptor = MethodDescriptor::new("(forwarded)", &[]);
static INTERFACE: InterfaceDescriptor = InterfaceDescriptor::new("(forwarded)", 0);

/// A server object that is a proxy.
pub(crate) struct Forwarder {
    reference: Reference,
    interface: InterfaceId,
}

impl Forwarder {
    /// - `interface`: the one that the object is seen through; nothing for one that is not there.
    pub(crate) fn new(reference: Reference, interface: Option<InterfaceId>) -> Self {
        Self {
            reference,
            interface: interface.unwrap_or(INTERFACE.id),
        }
    }
}

impl ServerObject for Forwarder {
    fn interface(&self) -> &'static InterfaceDescriptor {
        &INTERFACE
    }

    fn interface_id(&self) -> InterfaceId {
        self.interface
    }

    /// All methods are there: whether one really is, the object itself will tell.
    fn method(&self, id: MethodId) -> Option<(usize, &'static MethodDescriptor)> {
        Some((usize::try_from(id.0).ok()?, &FORWARDED))
    }

    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched {
        let call = call.into_owned();
        Box::pin(async move {
            context::begin();
            let fetched = sinks::drive(self.reference.endpoint(), onward(&call)).await?;
            Ok(fetched.payload)
        })
    }

    fn profile(&self, _: InterfaceId) -> &'static Profile {
        Profile::unknown()
    }

    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn enter(self: Arc<Self>) -> Result<Entered, Fault> {
        Ok(Entered::plain(self))
    }

    fn identity(&self) -> usize {
        match self.reference.endpoint().identity() {
            Identity::Local(object) => object,
            Identity::Slot { .. } | Identity::Url { .. } => {
                Arc::as_ptr(self.reference.endpoint()).cast::<()>() as usize
            }
        }
    }

    fn home(&self) -> Option<Reference> {
        Some(self.reference.clone())
    }
}

/// The call as it goes on.
fn onward(call: &RawCall<'static>) -> CallState {
    let method = MethodId(u32::try_from(call.index).unwrap_or(u32::MAX));
    let kind = RequestKind::Forwarded(method);
    let mut state = CallState::new(kind, &INTERFACE, 0, None, call.style.formatter.clone());
    state.payload = match &call.payload {
        Bytes::Owned(payload) => payload.clone(),
        Bytes::Borrowed(bytes) => Payload::from(*bytes),
    };
    let above = context::inherited();
    state.deadline = above.deadline;
    state.locks = above.locks;
    state.depth = above.depth;
    state.options = context::headers().map(|headers| {
        Arc::new(CallOptions {
            headers: headers.to_vec(),
            ..CallOptions::default()
        })
    });
    state
}
