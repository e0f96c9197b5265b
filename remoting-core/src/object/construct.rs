//! Client activation: from the bytes of a constructor's arguments to an object.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;

use super::call::{ArgumentBytes, app_fault};
use super::{Instance, Kind, Pinned, RawCall, ServerObject, context};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Fault};
use crate::formatter::DecodeArguments;
use crate::proxy::Style;

/// A constructor that runs, and ends in an object or in a fault.
pub type Made<T> = Pinned<'static, Result<T, Fault>>;

/// An object that a constructor has made.
pub(crate) struct NewObject {
    pub(crate) object: Arc<dyn ServerObject>,
    /// The headers that go back to whoever called the constructor.
    pub(crate) headers: Vec<(String, String)>,
}

/// A call of a constructor, or of the factory `F`.
pub struct ConstructorCall<'f, F = ()> {
    pub(super) raw: RawCall<'f>,
    pub(super) factory: Arc<F>,
}

impl<'f> ConstructorCall<'f> {
    /// A call that no factory has taken.
    pub(crate) fn new(raw: RawCall<'f>) -> Self {
        let factory = Arc::new(());
        Self { raw, factory }
    }

    /// The same call, for a factory to take.
    pub(super) fn with<F>(self, factory: Arc<F>) -> ConstructorCall<'f, F> {
        let raw = self.raw;
        ConstructorCall { raw, factory }
    }
}

impl<F: Send + Sync + 'static> ConstructorCall<'_, F> {
    /// Which of the interface's constructors is called, counted as in the trait.
    pub fn index(&self) -> usize {
        self.raw.index
    }

    /// Runs a constructor whose arguments own what they hold.
    pub fn construct<A, T, E, C, M>(self, constructor: C) -> Made<T>
    where
        A: for<'de> DecodeArguments<'de> + Send + 'static,
        C: FnOnce(Arc<F>, A) -> M + Send + 'static,
        M: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Serialize + Send + 'static,
    {
        let arguments = match self.raw.arguments() {
            Ok(arguments) => arguments,
            Err(fault) => return Box::pin(std::future::ready(Err(fault))),
        };
        let factory = self.factory;
        let RawCall { method, style, .. } = self.raw;
        Box::pin(async move {
            context::begin();
            let made = constructor(factory, arguments).await;
            made.map_err(|error| failed(method.name, &style, &error))
        })
    }

    /// Runs a constructor with borrowed arguments.
    pub fn construct_ref<T, E, C, M>(self, constructor: C) -> Made<T>
    where
        C: FnOnce(Arc<F>, ArgumentBytes) -> M + Send + 'static,
        M: Future<Output = Result<Result<T, E>, Fault>> + Send + 'static,
        T: Send + 'static,
        E: Serialize + Send + 'static,
    {
        let (name, style) = (self.raw.method.name, self.raw.style.clone());
        let raw = self.raw.into_owned();
        let factory = self.factory;
        Box::pin(async move {
            let made = constructor(factory, ArgumentBytes(raw)).await?;
            made.map_err(|error| failed(name, &style, &error))
        })
    }

    /// Answers a call of a constructor that the generated code does not know.
    pub fn unknown<T: Send + 'static>(self) -> Made<T> {
        Box::pin(std::future::ready(Err(Fault::of(ErrorKind::NoSuchMethod))))
    }
}

/// What the client is told of a constructor that failed.
fn failed<E: Serialize>(method: &str, style: &Style, error: &E) -> Fault {
    match context::take_refusal() {
        // Only if it was this constructor that is not there, and not one that it called.
        Some((refused, fault)) if refused == method => fault,
        Some(_) | None => {
            let headers = context::reply_headers();
            app_fault(method, style, error).with_headers(headers)
        }
    }
}

/// The body of a constructor that an implementation did not write.
pub fn not_activatable<T: Send, E: From<Error> + Send>(
    interface: &'static str,
    constructor: &'static str,
) -> impl Future<Output = Result<T, E>> + Send {
    let text =
        format!("the server's implementation of `{interface}` has no constructor `{constructor}`");
    let error = Error::new(ErrorKind::NotActivatable, text);
    context::refuse(constructor, Fault::Error(error.clone()));
    std::future::ready(Err(error.into()))
}

/// What is told to those who call such a class by its name.
pub(super) fn only_activated(interface: &InterfaceDescriptor) -> Fault {
    let text = format!(
        "there is no object of `{}` under this name, only constructors: activate an object with `host.activate(..)`",
        interface.name
    );
    Fault::refused(ErrorKind::NotActivatable, text)
}

/// Makes what a constructor gives an object that calls can reach.
pub(super) fn instance_of<T: Send + Sync + 'static>(
    constructed: Made<T>,
    kind: Arc<Kind<T>>,
) -> Made<NewObject> {
    Box::pin(async move {
        let object = Arc::new(Instance::new(constructed.await?, &kind));
        let headers = context::reply_headers();
        Ok(NewObject { object, headers })
    })
}
