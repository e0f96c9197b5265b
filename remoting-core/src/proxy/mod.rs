//! The client's end of a call: proxies, and the calls made through them.
//!
//! A proxy is a [`Reference`] with an interface. What the reference leads to is an
//! [`Endpoint`]: an object in this process, a name at some address, or a slot of a
//! session; a [`Call`] is the same for all of them.

mod call;
mod connect_policy;
mod endpoint;
mod forwarder;
#[cfg(feature = "json")]
mod handle;
mod keeping;
mod local;
mod marks;
mod options;
mod passage;
mod pipelined;
mod promise;
mod reference;
mod reply_headers;
mod scope;
mod sinks;
mod subscribers;
mod wait;

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::descriptor::InterfaceDescriptor;
use crate::error::Error;
use crate::object::{Dispatch, Dispatcher, Lease};

pub use call::Call;
pub(crate) use call::decode_error;
pub use connect_policy::ConnectPolicy;
pub(crate) use endpoint::{
    CallState, Endpoint, Fetched, Flight, Identity, RequestKind, Waiting, Wire,
};
pub(crate) use forwarder::{FORWARDED, Forwarder};
#[cfg(feature = "json")]
pub use handle::{DynamicError, ObjectHandle};
pub(crate) use keeping::{Keeper, Keeping};
pub use marks::{Read, Written, alight, board};
pub(crate) use marks::{alight_stream, board_stream};
pub use options::CallOptions;
pub(crate) use options::check_headers;
pub(crate) use passage::{
    Boarded, Company, Luggage, Passenger, Passengers, Redeem, Style, decode, decode_arguments,
    decode_plain, encode, encode_owned, is_spent, passengers, streams,
};
pub(crate) use promise::{Promise, Use};
pub use reference::{Activator, Reference};
pub use reply_headers::ReplyHeaders;
pub(crate) use reply_headers::with_header;
pub(crate) use scope::Pen;
pub(crate) use sinks::drive;
pub use subscribers::{Removed, SubscriberId, Subscribers, WhenFull};
pub(crate) use wait::{OnRuntime, block_on, own_runtime, runtime};

/// Implemented by generated code: what makes a type a proxy.
pub trait Stub: Clone + Send + Sync + 'static {
    /// The interface of the proxy.
    fn interface() -> &'static InterfaceDescriptor;

    /// Makes a proxy of what a reference leads to.
    fn from_reference(reference: Reference) -> Self;

    /// What the proxy leads to.
    fn reference(&self) -> &Reference;
}

/// What every proxy offers beside the methods of its interface.
///
/// A method of the interface that has the same name wins; `Proxy::url(&proxy)` is
/// then the way to the one here.
pub trait Proxy: Stub {
    /// Where the object is published, for a proxy that was got by URL.
    fn url(&self) -> Option<String> {
        self.reference().url()
    }

    /// Whether the object lives in this process and is called without a connection.
    fn is_local(&self) -> bool {
        self.reference().is_local()
    }

    /// The same object, with options for each call made through the new proxy.
    #[must_use]
    fn with(&self, options: CallOptions) -> Self {
        Self::from_reference(self.reference().with_options(options))
    }

    /// The lease of the object: how long it lives, and how to let it live longer. (.NET:
    /// `GetLifetimeService`.)
    fn lease(&self) -> Lease {
        Lease::of(self.reference())
    }

    /// The same object, seen through another of its interfaces.
    ///
    /// Asks the object's host, unless the object is here. Dropping the future gives the question up.
    ///
    /// # Errors
    ///
    /// `WrongInterface` if the object does not offer that interface; those of any call.
    fn cast<Q: Stub>(&self) -> impl Future<Output = Result<Q, Error>> + Send + 'static {
        let reference = self.reference().clone();
        async move { reference.cast(Q::interface()).await.map(Q::from_reference) }
    }

    /// The proxy of the object itself, when it is there: for a [pipelined](Call::pipelined) proxy when its call has
    /// ended, for any other at once.
    ///
    /// Dropping the future changes nothing: the call goes on as long as there is a proxy of what it returns.
    ///
    /// # Errors
    ///
    /// What the call has ended with; `UpstreamFailed` in the place of the interface's own error.
    fn settled(&self) -> impl Future<Output = Result<Self, Error>> + Send + 'static {
        let reference = self.reference().clone();
        async move { reference.settled().await.map(Self::from_reference) }
    }

    /// Makes a proxy of an object in this process.
    ///
    /// Calls go through the same dispatcher and formatter as remote ones. This is how
    /// an object is handed to others, and how a test puts a fake in place of a remote one.
    fn local<T>(object: T) -> Self
    where
        Self: Adopts<T>,
    {
        Self::adopt(object)
    }
}

impl<P: Stub> Proxy for P {}

/// Says that a proxy can stand for a `T`: its interface is implemented by `T`.
#[diagnostic::on_unimplemented(
    message = "`{T}` does not implement the interface of `{Self}`",
    label = "this object cannot stand behind `{Self}`"
)]
pub trait Adopts<T>: Stub {
    /// Makes a proxy of an object in this process.
    fn adopt(object: T) -> Self;
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Adopts<T> for P {
    fn adopt(object: T) -> Self {
        Dispatcher::<P, T>::new(object).proxy()
    }
}

/// Implemented by generated code for interfaces with constructors.
#[diagnostic::on_unimplemented(
    message = "the interface of `{Self}` has no `#[constructor]`, so clients cannot activate its objects",
    label = "no constructor"
)]
pub trait Activatable: Stub {
    /// What offers the constructors as methods.
    type Activator;

    /// Wraps the way to a publication.
    fn activator(activator: Activator) -> Self::Activator;
}

/// A type parameter of a generic interface: a value that travels.
pub trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Value for T {}

/// The two sides of a `Result`, whatever its name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a remote method: the network can fail, and the type has to say so",
    label = "return `Result<{Self}, E>` with `E: From<remoting::Error>`, or `remoting::Result<{Self}>`"
)]
pub trait Outcome {
    /// What comes back from a call that went well.
    type Value;
    /// What comes back from one that did not.
    type Error;
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Error = E;
}

/// An error that can also say that the network failed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a remote method: it has to travel, and to say that the network failed",
    label = "needs `Serialize`, `Deserialize` and `From<remoting::Error>`",
    note = "derive `serde::Serialize` and `serde::Deserialize`, and add a variant `Remoting(#[from] remoting::Error)`"
)]
pub trait CallError: DeserializeOwned + From<Error> + Send + 'static {}

impl<E: DeserializeOwned + From<Error> + Send + 'static> CallError for E {}
