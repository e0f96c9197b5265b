//! What a proxy holds: the way to an object, and options for the calls on it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use super::call::{Decode, decode_bytes, decode_object, decode_value};
use super::endpoint::{CallState, Fetched, Flight, Identity, RequestKind};
use super::local::LocalEndpoint;
use super::passage;
use super::{Call, CallError, CallOptions, Endpoint, Stub};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::formatter::{Arguments, FormatterRef};
use crate::object::{Pinned, ServerObject};

/// The way to an object. Equal references lead to the same object.
#[derive(Clone)]
pub struct Reference {
    endpoint: Arc<dyn Endpoint>,
    options: Option<Arc<CallOptions>>,
}

impl Reference {
    pub(crate) fn new(endpoint: Arc<dyn Endpoint>) -> Self {
        Self {
            endpoint,
            options: None,
        }
    }

    pub(crate) fn local(object: Arc<dyn ServerObject>) -> Self {
        Self::new(Arc::new(LocalEndpoint::new(object)))
    }

    pub(crate) fn with_options(&self, options: CallOptions) -> Self {
        Self {
            endpoint: Arc::clone(&self.endpoint),
            options: Some(Arc::new(options)),
        }
    }

    pub(crate) fn url(&self) -> Option<String> {
        self.endpoint.url()
    }

    pub(crate) fn is_local(&self) -> bool {
        self.endpoint.object().is_some()
    }

    /// A number for the connection that its object was lent over, where it was lent.
    pub(crate) fn peer(&self) -> Option<usize> {
        match self.endpoint.identity() {
            Identity::Slot { session, .. } => Some(session),
            Identity::Local(_) | Identity::Url { .. } => None,
        }
    }

    /// The options of the calls on it, if it has any.
    #[cfg(feature = "json")]
    pub(crate) fn options(&self) -> Option<&Arc<CallOptions>> {
        self.options.as_ref()
    }

    pub(crate) fn endpoint(&self) -> &Arc<dyn Endpoint> {
        &self.endpoint
    }

    /// Whether both go the same way, and not only to the same object.
    pub(super) fn is_same_endpoint(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.endpoint, &other.endpoint)
    }

    /// The way without the options: what travels.
    pub(super) fn without_options(&self) -> Self {
        Self::new(Arc::clone(&self.endpoint))
    }

    /// A way that is known to lead nowhere: each call ends with `fault`.
    pub(crate) fn dead_end(fault: Fault) -> Self {
        Self::new(Arc::new(DeadEnd(fault)))
    }

    /// Makes a call of a method; nothing is sent before the call is polled.
    pub fn call<A, T, E>(
        &self,
        interface: &'static InterfaceDescriptor,
        index: usize,
        arguments: A,
    ) -> Call<T, E>
    where
        A: Arguments,
        T: DeserializeOwned + Send + 'static,
        E: CallError,
    {
        self.prepare(
            RequestKind::Method,
            interface,
            index,
            &arguments,
            decode_value::<T, E>,
        )
    }

    /// Makes a call of a method whose result travels as bytes.
    pub fn call_bytes<A, E>(
        &self,
        interface: &'static InterfaceDescriptor,
        index: usize,
        arguments: A,
    ) -> Call<Vec<u8>, E>
    where
        A: Arguments,
        E: CallError,
    {
        self.prepare(
            RequestKind::Method,
            interface,
            index,
            &arguments,
            decode_bytes::<E>,
        )
    }

    fn prepare<A: Arguments, T, E>(
        &self,
        kind: RequestKind,
        interface: &'static InterfaceDescriptor,
        index: usize,
        arguments: &A,
        decode: Decode<T, E>,
    ) -> Call<T, E> {
        let formatter = self.endpoint.formatter();
        let options = self.options.clone();
        let mut state = CallState::new(kind, interface, index, options, formatter);
        let names = state
            .method()
            .map_or(&[] as &[_], |method| method.arguments);
        match passage::encode_arguments(&state.formatter, names, arguments) {
            Ok(payload) => state.payload = payload,
            Err(error) => {
                let name = state.method().map_or("?", |method| method.name);
                let text = format!("the arguments of `{name}` could not be written: {error}");
                state.flight = Flight::Failed(Fault::refused(ErrorKind::BadArguments, text));
            }
        }
        Call::new(Arc::clone(&self.endpoint), state, decode)
    }
}

impl Reference {
    /// The same object, seen through another of its interfaces.
    pub(crate) async fn cast(self, interface: &'static InterfaceDescriptor) -> Result<Self, Error> {
        let found = self.endpoint.cast(interface).await;
        found.map_err(|fault| match fault {
            Fault::Error(error) => error,
            Fault::App(_) => Error::new(ErrorKind::BadResult, "the answer holds no object"),
        })
    }
}

impl Reference {
    /// The way to the object itself, where that is still to come; with the same options.
    pub(crate) async fn settled(self) -> Result<Self, Error> {
        let Some(promise) = self.endpoint.promise().cloned() else {
            return Ok(self);
        };
        match promise.settled().await {
            Ok(found) => Ok(Self {
                endpoint: found.endpoint,
                options: self.options,
            }),
            Err(Fault::Error(error)) => Err(error),
            Err(fault @ Fault::App(_)) => Err(match fault.upstream() {
                Fault::Error(error) => error.with_executed(Executed::Yes),
                Fault::App(_) => Error::new(ErrorKind::Internal, "a failure upstream is an error"),
            }),
        }
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.endpoint, &other.endpoint)
            || self.endpoint.identity() == other.endpoint.identity()
    }
}

impl Eq for Reference {}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.endpoint.identity().hash(state);
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url() {
            Some(url) => f.write_str(&url),
            None if self.is_local() => f.write_str("local"),
            None => f.write_str("remote"),
        }
    }
}

/// The way to a publication whose objects are made by clients.
#[derive(Clone, Debug)]
pub struct Activator(Reference);

impl Activator {
    pub(crate) fn new(endpoint: Arc<dyn Endpoint>) -> Self {
        Self(Reference::new(endpoint))
    }

    /// A way that is known to lead nowhere: each call ends with `fault`.
    pub(crate) fn failed(fault: Fault) -> Self {
        Self(Reference::dead_end(fault))
    }

    /// Makes a call of a constructor; nothing is sent before the call is polled.
    pub fn construct<A, P, E>(
        &self,
        interface: &'static InterfaceDescriptor,
        index: usize,
        arguments: A,
    ) -> Call<P, E>
    where
        A: Arguments,
        P: Stub,
        E: CallError,
    {
        self.0.prepare(
            RequestKind::Constructor,
            interface,
            index,
            &arguments,
            decode_object::<P, E>,
        )
    }
}

/// Where calls end that could not be made at all.
struct DeadEnd(Fault);

impl Endpoint for DeadEnd {
    fn formatter(&self) -> FormatterRef {
        FormatterRef::default()
    }

    fn poll(&self, _call: &mut CallState, _cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        Poll::Ready(Err(self.0.clone()))
    }

    fn cast(
        self: Arc<Self>,
        _: &'static InterfaceDescriptor,
    ) -> Pinned<'static, Result<Reference, Fault>> {
        Box::pin(std::future::ready(Err(self.0.clone())))
    }

    fn identity(&self) -> Identity {
        Identity::Local(std::ptr::from_ref(self) as usize)
    }
}
