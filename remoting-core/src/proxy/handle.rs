//! Objects without their trait: described, called by names with JSON values, and cast to a proxy
//! when the trait is at hand after all.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::call::{Decode, decode_object, decode_value};
use super::endpoint::{CallState, Flight, RequestKind};
use super::{Call, Reference, Stub, marks};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Fault};
use crate::formatter::{FormatterRef, Json};
use crate::id::MethodId;
use crate::object::{DescribeProxy, Description};
use crate::payload::Payload;

/// A proxy of an object whose trait is not known here. (.NET: `ObjectHandle`.)
///
/// It is got as other proxies are, by [`Host::get`](crate::Host::get) or
/// [`Host::connect`](crate::Host::connect), and offers what they offer beside their interfaces:
/// [`Proxy::cast`](crate::Proxy::cast) makes a typed proxy of it (.NET: `Unwrap`),
/// [`Proxy::lease`](crate::Proxy::lease) leads to its lease. Names of methods and of arguments are
/// those of the trait. Values are JSON, whichever channel the object is reached by.
///
/// ```
/// use remoting_core::prelude::*;
/// use remoting_core::ObjectHandle;
/// use serde_json::json;
///
/// #[remote(crate = remoting_core)]
/// trait Calc {
///     async fn add(&self, a: i64, b: i64) -> remoting_core::Result<i64>;
/// }
///
/// struct Exact;
///
/// impl Calc for Exact {
///     async fn add(&self, a: i64, b: i64) -> remoting_core::Result<i64> {
///         Ok(a.wrapping_add(b))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (server, client) = remoting_core::testing::pair().await?;
/// server.publish("calc", CalcDispatcher::singleton(|| Exact))?;
///
/// let calc: ObjectHandle = client.connect(&server.url("calc")?).await?;
/// assert_eq!(calc.describe().await?.interface, "Calc");
/// assert_eq!(calc.call("add", json!([2, 3])).await?, json!(5));
/// assert_eq!(calc.call("add", json!({"b": 3, "a": 2})).await?, json!(5));
/// let typed: CalcProxy = calc.cast().await?;
/// assert_eq!(typed.add(2, 3).await?, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectHandle(Reference);

/// What a call by names can end in.
#[derive(Debug, Clone, PartialEq)]
pub enum DynamicError {
    /// The method's own error.
    App(Value),
    /// An error of the library.
    Remoting(Error),
}

impl ObjectHandle {
    /// What the object can do. A publication that has only constructors tells them.
    pub fn describe(&self) -> Call<Description, Error> {
        DescribeProxy::from_reference(self.0.clone()).describe()
    }

    /// Calls a method. What comes back by reference is let go; see [`call_object`](Self::call_object).
    ///
    /// - `arguments`: a list in the order of the trait, or an object with the names of the arguments;
    ///   null where there are none.
    ///
    /// # Errors
    ///
    /// The method's own as [`DynamicError::App`]; `NoSuchMethod`, `BadArguments`, and those of
    /// any call. `Unsupported` if the object's host does not read JSON.
    pub fn call(&self, method: &str, arguments: Value) -> Call<Value, DynamicError> {
        let kind = RequestKind::Forwarded(MethodId::of(method));
        self.prepare(kind, &arguments, decode_value::<Value, DynamicError>)
    }

    /// Calls a method that gives one object by reference.
    ///
    /// - `arguments`: as those of [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// Those of [`call`](Self::call); `BadResult` if something else came back.
    pub fn call_object(&self, method: &str, arguments: Value) -> Call<Self, DynamicError> {
        let kind = RequestKind::Forwarded(MethodId::of(method));
        self.prepare(kind, &arguments, decode_value::<Self, DynamicError>)
    }

    /// Makes an object by a constructor of the publication. (.NET: `Activator.CreateInstance`.)
    ///
    /// - `arguments`: as those of [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// Those of [`call`](Self::call); `NotActivatable` if there are no constructors here.
    pub fn activate(&self, constructor: &str, arguments: Value) -> Call<Self, DynamicError> {
        let kind = RequestKind::ConstructorOf(MethodId::of(constructor));
        self.prepare(kind, &arguments, decode_object::<Self, DynamicError>)
    }

    fn prepare<T>(
        &self,
        kind: RequestKind,
        arguments: &Value,
        decode: Decode<T, DynamicError>,
    ) -> Call<T, DynamicError> {
        let formatter = FormatterRef::from(Json);
        let options = self.0.options().cloned();
        let mut state = CallState::new(kind, Self::interface(), 0, options, formatter);
        match written(arguments) {
            Ok(payload) => state.payload = payload,
            Err(fault) => state.flight = Flight::Failed(fault),
        }
        Call::new(std::sync::Arc::clone(self.0.endpoint()), state, decode)
    }
}

/// The arguments of a call.
fn written(arguments: &Value) -> Result<Payload, Fault> {
    let text = match arguments {
        Value::Null => "[]".to_owned(),
        Value::Array(_) | Value::Object(_) => arguments.to_string(),
        _ => {
            let text = "arguments are a list, or an object with their names";
            return Err(Fault::refused(ErrorKind::BadArguments, text));
        }
    };
    Ok(Payload::from(text.into_bytes()))
}

impl Stub for ObjectHandle {
    fn interface() -> &'static InterfaceDescriptor {
        DescribeProxy::interface()
    }

    fn from_reference(reference: Reference) -> Self {
        Self(reference)
    }

    fn reference(&self) -> &Reference {
        &self.0
    }
}

impl Serialize for ObjectHandle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        marks::board(self, serializer)
    }
}

impl<'de> Deserialize<'de> for ObjectHandle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        marks::alight(deserializer)
    }
}

impl fmt::Debug for ObjectHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectHandle").field(&self.0).finish()
    }
}

impl From<Error> for DynamicError {
    fn from(error: Error) -> Self {
        Self::Remoting(error)
    }
}

/// Reads an error of a method's own, whatever it is.
impl<'de> Deserialize<'de> for DynamicError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::App)
    }
}

impl fmt::Display for DynamicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(value) => write!(f, "the method gave an error of its own: {value}"),
            Self::Remoting(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DynamicError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::App(_) => None,
            Self::Remoting(error) => std::error::Error::source(error),
        }
    }
}
