//! Calls that leave through the sinks of their host.

use std::future::poll_fn;
use std::sync::Arc;

use super::endpoint::{CallState, Endpoint, Fetched, Flight, RequestKind};
use crate::clock;
use crate::error::Fault;
use crate::sink::{Body, Carried, MethodCall, Side, Sinks};

impl Carried for Fetched {
    fn into_body(self) -> Body {
        match self.object {
            None => Body::Encoded(self.payload),
            Some(_) => Body::Other(Box::new(self)),
        }
    }

    fn from_body(body: Body) -> Option<Self> {
        match body {
            Body::Encoded(payload) => Some(Self::value(payload)),
            Body::Other(other) => other.downcast().ok().map(|own| *own),
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
        method: state.method(),
        number,
        constructs: state.is_constructor(),
        url: endpoint.url(),
        peer: None,
        size: state.payload.len(),
        deadline: state.deadline.unwrap_or_else(clock::now),
        formatter: state.formatter.clone(),
    };
    let (kind, interface, index) = (state.kind, state.interface, state.index);
    let mut left = CallState::new(kind, interface, index, None, state.formatter.clone());
    left.deadline = state.deadline;
    let own = std::mem::replace(state, left);
    let endpoint = Arc::clone(endpoint);
    state.flight = Flight::Sunk(sinks.run(call, move |call| {
        Box::pin(send(endpoint, own, call.headers))
    }));
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
    // The sinks may have taken their time.
    state.departing = None;
    debug_assert!(state.kind != RequestKind::Cast, "sinks see calls alone");
    poll_fn(|cx| endpoint.poll(&mut state, cx)).await
}
