//! Calls that leave through the sinks of their host.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use super::endpoint::{CallState, Endpoint, Fetched, Flight, RequestKind};
use super::promise::Promise;
use super::{CallOptions, OnRuntime, streams};
use crate::clock;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Executed, Fault};
use crate::formatter::FormatterRef;
use crate::payload::Payload;
use crate::sink::{Body, Carried, MethodCall, Side, Sinks};
use crate::wire::locks::LockTokens;

impl Carried for Fetched {
    fn into_body(self) -> Body {
        match self.object {
            None => Body::Encoded(self.payload),
            Some(_) => {
                let headers = self.payload.headers().to_vec();
                Body::Object(Box::new(self), headers)
            }
        }
    }

    fn from_body(body: Body, executed: Executed) -> Option<Self> {
        match body {
            Body::Encoded(payload) => Some(Self {
                executed,
                ..Self::value(payload)
            }),
            Body::Object(object, headers) => {
                let mut own: Self = *object.downcast().ok()?;
                own.payload.set_headers(headers);
                Some(own)
            }
        }
    }
}

/// Sends a call into the sinks of its endpoint, if there are any. They have its state from then on.
#[inline]
pub(super) fn enter(endpoint: &Arc<dyn Endpoint>, state: &mut CallState) {
    if let Some(sinks) = endpoint.sinks().filter(|sinks| !sinks.is_empty()) {
        enter_into(sinks.clone(), endpoint, state);
    }
}

#[cold]
fn enter_into(sinks: Sinks, endpoint: &Arc<dyn Endpoint>, state: &mut CallState) {
    let Some(number) = state.method_id() else {
        return;
    };
    let options = state.options.as_deref();
    let call = MethodCall {
        headers: options
            .map(|options| options.headers.clone())
            .unwrap_or_default(),
        side: Side::Client,
        interface: state.interface.name,
        name: None,
        method: state.method(),
        number,
        constructs: state.is_constructor(),
        url: endpoint.url(),
        peer: None,
        size: state.payload.len(),
        streams: streams(&state.payload).cloned().collect(),
        deadline: state.deadline.unwrap_or_else(clock::now),
        formatter: state.formatter.clone(),
    };
    let (kind, interface, index) = (state.kind, state.interface, state.index);
    let mut left = CallState::new(kind, interface, index, None, state.formatter.clone());
    left.deadline = state.deadline;
    // What flows back is taken in here, by whoever made the call.
    left.flow = state.flow.take();
    let own = std::mem::replace(state, left);
    let departure = Departure::of(own);
    let endpoint = Arc::clone(endpoint);
    let running = sinks.run(call, state.deadline, move |call| {
        Box::pin(send(Arc::clone(&endpoint), departure.state(), call.headers))
    });
    state.flight = Flight::Sunk(Box::pin(OnRuntime::new(running)));
}

/// Drives a call that has entered.
pub(super) fn poll(
    endpoint: &Arc<dyn Endpoint>,
    state: &mut CallState,
    cx: &mut Context<'_>,
) -> Poll<Result<Fetched, Fault>> {
    match &mut state.flight {
        Flight::Sunk(running) => running.as_mut().poll(cx),
        _ => endpoint.poll(state, cx),
    }
}

/// Sends a call that no user of a proxy has made.
pub(crate) async fn drive(
    endpoint: &Arc<dyn Endpoint>,
    mut state: CallState,
) -> Result<Fetched, Fault> {
    enter(endpoint, &mut state);
    let fetched = poll_fn(|cx| poll(endpoint, &mut state, cx)).await;
    state.land();
    fetched
}

/// A call that may be sent more than once.
struct Departure {
    kind: RequestKind,
    interface: &'static InterfaceDescriptor,
    index: usize,
    formatter: FormatterRef,
    payload: Payload,
    options: Option<Arc<CallOptions>>,
    deadline: Option<Instant>,
    locks: LockTokens,
    depth: u32,
    promise: Option<Weak<Promise>>,
}

impl Departure {
    fn of(mut state: CallState) -> Self {
        Self {
            kind: state.kind,
            interface: state.interface,
            index: state.index,
            formatter: state.formatter.clone(),
            payload: std::mem::take(&mut state.payload),
            options: state.options.take(),
            deadline: state.deadline,
            locks: std::mem::take(&mut state.locks),
            depth: state.depth,
            promise: state.promise.take(),
        }
    }

    /// The call, of which nothing has happened.
    fn state(&self) -> CallState {
        let (options, formatter) = (self.options.clone(), self.formatter.clone());
        let mut state = CallState::new(self.kind, self.interface, self.index, options, formatter);
        state.payload = self.payload.clone();
        state.deadline = self.deadline;
        state.locks = self.locks.clone();
        state.depth = self.depth;
        state.promise = self.promise.clone();
        state
    }
}

async fn send(
    endpoint: Arc<dyn Endpoint>,
    mut state: CallState,
    headers: Vec<(String, String)>,
) -> Result<Fetched, Fault> {
    if state.options.is_some() || !headers.is_empty() {
        let options = Arc::make_mut(state.options.get_or_insert_default());
        options.headers = headers;
        options.check()?;
    }
    debug_assert!(state.kind != RequestKind::Cast, "sinks see calls alone");
    let fetched = poll_fn(|cx| endpoint.poll(&mut state, cx)).await;
    state.land();
    fetched
}
