//! From the bytes of a call to the user's method and back.
//!
//! Generated code names the method and the types of its arguments; everything
//! else is here. Arguments that own what they hold are read at once from the
//! frame. Borrowed ones are read inside the future, from a payload of the call's own:
//! a copy, or the frame itself if it is large.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;

use super::instance::{ExclusiveObject, Instance, SharedObject};
use super::{Bytes, Pinned, RawCall, context, internal};
use crate::error::{ErrorKind, Fault};
use crate::formatter::{ByteVec, DecodeArguments};
use crate::payload::Payload;
use crate::proxy::{Style, encode, encode_owned};
use crate::sink::ReplyMessage;

/// A call that runs, and ends in the encoded result or in a fault.
pub type Dispatched = Pinned<'static, ReplyMessage>;

/// A call for an object of type `T`.
pub struct IncomingCall<'f, T> {
    pub(super) raw: RawCall<'f>,
    pub(super) object: Arc<Instance<T>>,
}

impl<T: Send + Sync + 'static> IncomingCall<'_, T> {
    /// Which of the interface's methods is called, counted as in the trait.
    pub fn index(&self) -> usize {
        self.raw.index
    }

    /// Runs a `&self` method whose arguments own what they hold.
    pub fn shared<A, R, E, F, M>(self, method: F) -> Dispatched
    where
        A: for<'de> DecodeArguments<'de> + Send + 'static,
        F: FnOnce(SharedObject<T>, A) -> M + Send + 'static,
        M: Future<Output = Result<R, E>> + Send + 'static,
        R: Serialize + Send + 'static,
        E: Serialize + Send,
    {
        let Self { raw, object } = self;
        let arguments = match raw.arguments() {
            Ok(arguments) => arguments,
            Err(fault) => return refused(fault),
        };
        let (name, style) = (raw.method.name, raw.style);
        Box::pin(async move {
            let object = SharedObject::of(object).await?;
            context::door().await;
            context::begin();
            let result = method(object, arguments).await;
            reply(name, &style, result)
        })
    }

    /// Runs a `&mut self` method whose arguments own what they hold.
    pub fn exclusive<A, R, E, F, M>(self, method: F) -> Dispatched
    where
        A: for<'de> DecodeArguments<'de> + Send + 'static,
        F: FnOnce(ExclusiveObject<T>, A) -> M + Send + 'static,
        M: Future<Output = Result<R, E>> + Send + 'static,
        R: Serialize + Send + 'static,
        E: Serialize + Send,
    {
        let Self { raw, object } = self;
        let arguments = match raw.arguments() {
            Ok(arguments) => arguments,
            Err(fault) => return refused(fault),
        };
        let (described, style) = (raw.method, raw.style);
        Box::pin(async move {
            let (mut watch, object) = object.exclusive().await?;
            context::door().await;
            context::begin();
            watch.begin(described.cancel_safe);
            let result = method(object, arguments).await;
            watch.finish();
            reply(described.name, &style, result)
        })
    }

    /// Runs a `&self` method with borrowed arguments.
    pub fn shared_ref<R, E, F, M>(self, method: F) -> Dispatched
    where
        F: FnOnce(SharedObject<T>, ArgumentBytes) -> M + Send + 'static,
        M: Future<Output = Result<Result<R, E>, Fault>> + Send + 'static,
        R: Serialize + Send + 'static,
        E: Serialize + Send,
    {
        let Self { raw, object } = self;
        let (name, style) = (raw.method.name, raw.style.clone());
        let raw = raw.into_owned();
        Box::pin(async move {
            let object = SharedObject::of(object).await?;
            context::door().await;
            let result = method(object, ArgumentBytes(raw)).await?;
            reply(name, &style, result)
        })
    }

    /// Runs a `&mut self` method with borrowed arguments.
    pub fn exclusive_ref<R, E, F, M>(self, method: F) -> Dispatched
    where
        F: FnOnce(ExclusiveObject<T>, ArgumentBytes) -> M + Send + 'static,
        M: Future<Output = Result<Result<R, E>, Fault>> + Send + 'static,
        R: Serialize + Send + 'static,
        E: Serialize + Send,
    {
        let Self { raw, object } = self;
        let (described, style) = (raw.method, raw.style.clone());
        let raw = raw.into_owned();
        Box::pin(async move {
            let (mut watch, object) = object.exclusive().await?;
            context::door().await;
            watch.begin(described.cancel_safe);
            let result = method(object, ArgumentBytes(raw)).await;
            watch.finish();
            reply(described.name, &style, result?)
        })
    }

    /// Answers a call of a method that the generated code does not know.
    pub fn unknown(self) -> Dispatched {
        refused(Fault::of(ErrorKind::NoSuchMethod))
    }
}

/// Arguments that are still bytes; what is read from them may borrow.
#[derive(Debug)]
pub struct ArgumentBytes(pub(super) RawCall<'static>);

impl ArgumentBytes {
    /// Reads the arguments. What comes after it is the user's code.
    ///
    /// # Errors
    ///
    /// `BadArguments`, not executed, with the argument that was wrong.
    pub fn decode<'a, A: DecodeArguments<'a>>(&'a self) -> Result<A, Fault> {
        debug_assert!(
            matches!(self.0.payload, Bytes::Owned(_)),
            "the bytes live as long as the call"
        );
        let arguments = self.0.borrowed_arguments();
        if arguments.is_ok() {
            context::begin();
        }
        arguments
    }
}

/// Lets the bytes that a method returns travel as bytes rather than as a list of numbers.
pub async fn bytes<E>(method: impl Future<Output = Result<Vec<u8>, E>>) -> Result<ByteVec, E> {
    method.await.map(ByteVec)
}

/// A call that is answered without having run.
pub(crate) fn refused(fault: Fault) -> Dispatched {
    Box::pin(std::future::ready(Err(fault)))
}

/// Encodes what the user's method returned, with what goes back beside it.
pub(super) fn reply<R: Serialize + 'static, E: Serialize>(
    method: &str,
    style: &Style,
    result: Result<R, E>,
) -> Result<Payload, Fault> {
    let headers = context::reply_headers();
    match result {
        Ok(value) => {
            let mut payload = encode_owned(style, value).map_err(|error| {
                let text = format!("the result of `{method}` could not be written: {error}");
                Fault::executed(ErrorKind::BadResult, text)
            })?;
            if !headers.is_empty() {
                payload.set_headers(headers);
            }
            Ok(payload)
        }
        Err(error) => Err(app_fault(method, style, &error).with_headers(headers)),
    }
}

/// Encodes a user's error. One that cannot be written is still an error of that call, and of no other.
pub(crate) fn app_fault<E: Serialize>(method: &str, style: &Style, error: &E) -> Fault {
    match encode(style, error) {
        Ok(payload) => Fault::App(payload),
        Err(failure) => internal(
            method,
            &format!("`{method}` failed with an error that could not be written"),
            &failure.to_string(),
        ),
    }
}
