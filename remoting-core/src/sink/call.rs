//! A call and its reply, as sinks see them.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock;
use crate::descriptor::MethodDescriptor;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::id::MethodId;
use crate::payload::{Payload, header_of};
use crate::peer::Peer;
use crate::proxy::with_header;
use crate::stream::Freight;

/// Which end of a call a sink is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where the call is made.
    Client,
    /// Where it runs.
    Server,
}

impl Side {
    /// One word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A call on its way through the sinks; cheap to clone but for its headers. Its arguments are encoded already, and are not shown.
#[derive(Clone)]
pub struct MethodCall {
    /// The pairs that go along with the call, for its handler: `CallContext::headers`. A sink may change them. At
    /// most 64 and 8 KiB in all; more ends the call with `TooLarge`.
    pub headers: Vec<(String, String)>,
    pub(crate) side: Side,
    pub(crate) interface: &'static str,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) method: Option<&'static MethodDescriptor>,
    pub(crate) number: MethodId,
    pub(crate) constructs: bool,
    pub(crate) url: Option<String>,
    pub(crate) peer: Option<Arc<Peer>>,
    pub(crate) size: usize,
    /// The streams that go along with it.
    pub(crate) streams: Vec<Freight>,
    pub(crate) deadline: Instant,
    pub(crate) formatter: FormatterRef,
}

impl MethodCall {
    /// Which end of the call this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The name of the interface; `(forwarded)` for calls of objects that others have lent, and whose interface is not known here.
    pub fn interface(&self) -> &'static str {
        self.interface
    }

    /// The name of the method or the constructor; where it is not known here, `$` and the eight hexadecimal digits of its
    /// number.
    pub fn method(&self) -> Cow<'static, str> {
        match self.method {
            Some(method) => Cow::Borrowed(method.name),
            None => Cow::Owned(format!("${:08x}", self.number.0)),
        }
    }

    /// Whether it makes an object.
    pub fn is_constructor(&self) -> bool {
        self.constructs
    }

    /// Whether running it twice does no more than running it once, as its trait says: `#[idempotent]`.
    pub fn is_idempotent(&self) -> bool {
        self.method.is_some_and(|method| method.idempotent)
    }

    /// Whether nobody waits for the reply: `#[oneway]`.
    pub fn is_oneway(&self) -> bool {
        self.method.is_some_and(|method| method.oneway)
    }

    /// The name of the publication, at the server, if it was called by that. Objects that constructors and methods have
    /// given out have none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The URL of the object, at the client, if it has one. That of an object without a session has its ticket in it: whoever
    /// reads that has the object.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Who calls, at the server.
    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_deref()
    }

    /// Whether a stream that goes along with it was sent already, so that it cannot be passed on again. Never at the server.
    pub fn is_spent(&self) -> bool {
        self.streams.iter().any(Freight::is_taken)
    }

    /// How many bytes the arguments are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How long the caller still waits.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::now())
    }

    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_of(&self.headers, name)
    }

    /// Sets a header, in the place of all that have its name.
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
    }

    /// The reply that a method would give that returns `value`, for a sink that answers by itself. A value that cannot be
    /// written, or is of another type than the caller's method has, ends the call with `BadResult`.
    pub fn answer<T: Serialize>(&self, value: &T) -> MethodReply {
        let written = self.formatter.encode(value);
        MethodReply(written.map(Body::Encoded).map_err(|error| {
            let text = format!("the answer of a sink could not be written: {error}");
            Fault::refused(ErrorKind::BadResult, text)
        }))
    }
}

impl fmt::Debug for MethodCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodCall")
            .field("side", &self.side)
            .field(
                "method",
                &format_args!("{}::{}", self.interface, self.method()),
            )
            .field("size", &self.size)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

/// What a call has ended in, on its way back through the sinks: a value, an error of the user's, or an [`Error`].
///
/// A sink refuses a call by `Error::new(..).into()`. Where the call had gone on before, `Error::executed` is made to say so.
pub struct MethodReply(pub(crate) Result<Body, Fault>);

impl MethodReply {
    /// Whether it is a value.
    pub fn is_ok(&self) -> bool {
        self.0.is_ok()
    }

    /// The error, unless it is one of the user's own type.
    pub fn error(&self) -> Option<&Error> {
        match &self.0 {
            Err(Fault::Error(error)) => Some(error),
            Err(Fault::App(_)) | Ok(_) => None,
        }
    }

    /// Whether it is an error of the user's own type.
    pub fn is_user_error(&self) -> bool {
        matches!(self.0, Err(Fault::App(_)))
    }

    /// Whether the method has run, or a sink has answered in its place.
    pub fn executed(&self) -> Executed {
        self.error().map_or(Executed::Yes, Error::executed)
    }

    /// The headers that go back with it.
    pub fn headers(&self) -> &[(String, String)] {
        match &self.0 {
            Ok(Body::Encoded(payload)) => payload.headers(),
            Ok(Body::Object(_, headers)) => headers,
            Err(fault) => fault.headers(),
        }
    }

    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_of(self.headers(), name)
    }

    /// Sets a header that goes back with it, in the place of all of that name.
    ///
    /// # Errors
    ///
    /// `TooLarge` if these were more than 64 headers, or more than 8 KiB in all; the reply stays as it is then.
    pub fn set_header(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), Error> {
        let headers = with_header(self.headers(), name.into(), value.into())?;
        match &mut self.0 {
            Ok(Body::Encoded(payload)) | Err(Fault::App(payload)) => payload.set_headers(headers),
            Ok(Body::Object(_, own)) => *own = headers,
            Err(Fault::Error(error)) => *error = error.clone().with_headers(headers),
        }
        Ok(())
    }

    /// How many bytes the value, or the user's error, is; zero for objects that were made.
    pub fn size(&self) -> usize {
        match &self.0 {
            Ok(Body::Encoded(payload)) | Err(Fault::App(payload)) => payload.len(),
            Ok(Body::Object(..)) | Err(Fault::Error(_)) => 0,
        }
    }
}

impl From<Error> for MethodReply {
    fn from(error: Error) -> Self {
        Self(Err(Fault::Error(error)))
    }
}

impl fmt::Debug for MethodReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            Some(error) => write!(f, "MethodReply({error:?})"),
            None if self.is_user_error() => f.write_str("MethodReply(an error of the user's)"),
            None => write!(f, "MethodReply({} bytes)", self.size()),
        }
    }
}

/// What a call brings back.
pub(crate) enum Body {
    Encoded(Payload),
    /// What no sink can make, and the headers that go back with it.
    Object(Box<dyn Any + Send>, Vec<(String, String)>),
}

/// What can pass through sinks on its way back.
pub(crate) trait Carried: Sized + Send + 'static {
    fn into_body(self) -> Body;

    /// Nothing if it is something else.
    ///
    /// - `executed`: whether the call has run, or a sink has answered in its place.
    fn from_body(body: Body, executed: Executed) -> Option<Self>;
}

impl Carried for Payload {
    fn into_body(self) -> Body {
        Body::Encoded(self)
    }

    fn from_body(body: Body, _executed: Executed) -> Option<Self> {
        match body {
            Body::Encoded(payload) => Some(payload),
            Body::Object(..) => None,
        }
    }
}
