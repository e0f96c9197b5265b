//! One call, from its arguments to its result.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::endpoint::{CallState, Endpoint, Fetched, Flight};
use super::{CallError, ConnectPolicy, ReplyHeaders, Stub, passage, sinks, wait};
use crate::budget::ScanLimits;
use crate::clock;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::limits::Limits;
use crate::object::{Flow, context};

/// A call of a remote method: a future of its result, with options.
///
/// The arguments were encoded when the call was made, so it borrows nothing and may
/// go to another task. It is sent at its first poll; a call that is never polled sends
/// nothing. Dropping a call that was sent tells the server that nobody waits: a
/// `&self` method is then dropped at its next await, a `&mut self` method runs to its
/// end.
///
/// A call waits as long as [`Limits::default_deadline`] of its host says, 30 s, or that of the
/// channel by which it leaves, unless [`Call::deadline`] says otherwise, and inside a handler
/// never longer than the handler's own caller.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<T, E> {
    pub(super) endpoint: Arc<dyn Endpoint>,
    pub(super) state: CallState,
    pub(super) decode: Decode<T, E>,
    /// Where the headers of the reply go, if anybody wants them.
    pub(super) headers: Option<ReplyHeaders>,
}

/// Reads what a call brought back.
pub(super) type Decode<T, E> = fn(&FormatterRef, Result<Fetched, Fault>) -> Result<T, E>;

impl<T, E> Call<T, E> {
    pub(super) fn new(endpoint: Arc<dyn Endpoint>, state: CallState, decode: Decode<T, E>) -> Self {
        Self {
            endpoint,
            state,
            decode,
            headers: None,
        }
    }

    /// Sets how long to wait for the result, from the first poll on.
    ///
    /// When the time is over the call ends with `DeadlineExceeded`, and the server is
    /// told. Has no effect once the call was polled.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        Arc::make_mut(self.state.options.get_or_insert_default()).deadline = Some(deadline);
        self
    }

    /// Says what to do where there is no connection, in the place of what the channel and the host say. Has no effect
    /// once the call was polled.
    pub fn connect_policy(mut self, policy: ConnectPolicy) -> Self {
        Arc::make_mut(self.state.options.get_or_insert_default()).connect_policy = Some(policy);
        self
    }

    /// Sends a pair along, which the handler finds in `CallContext::header`.
    ///
    /// At most 64 pairs and 8 KiB in all; more ends the call with `TooLarge`. Has no
    /// effect once the call was polled.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Arc::make_mut(self.state.options.get_or_insert_default())
            .headers
            .push((name.into(), value.into()));
        self
    }

    /// Has the headers that come back with the reply put into `headers` when the call has ended, whatever it ends in.
    /// Those that are there already go. Has no effect once the call has ended.
    ///
    /// The server's handler, or constructor, sets them by `CallContext::set_reply_header`; sinks on the way may add to
    /// them. Those of a call that is [`pipelined`](Call::pipelined) are there when its answer has come: after
    /// [`Proxy::settled`](super::Proxy::settled).
    pub fn reply_headers(mut self, headers: &ReplyHeaders) -> Self {
        self.headers = Some(headers.clone());
        self
    }

    /// The same call, of which only matters whether it arrived: a user's error is an answer.
    pub(super) fn outcome(self) -> Call<(), Error> {
        Call {
            endpoint: self.endpoint,
            state: self.state,
            headers: self.headers,
            decode: |_, fetched| match fetched {
                Ok(_) | Err(Fault::App(_)) => Ok(()),
                Err(Fault::Error(error)) => Err(error),
            },
        }
    }

    /// Waits for the result on a thread that runs no async code: one without a runtime, or one of
    /// `spawn_blocking`.
    ///
    /// # Panics
    ///
    /// Inside an `async fn`, where it would stop other tasks; use `.await` there.
    pub fn wait(self) -> Result<T, E> {
        wait::block_on(self)
    }
}

impl<T, E> Future for Call<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let fetched = ready!(advance(&this.endpoint, &mut this.state, cx));
        take_headers(this.headers.as_ref(), &fetched);
        Poll::Ready((this.decode)(&this.state.formatter, fetched))
    }
}

/// Drives a call, from its first poll on.
#[inline(always)]
pub(super) fn advance(
    endpoint: &Arc<dyn Endpoint>,
    state: &mut CallState,
    cx: &mut Context<'_>,
) -> Poll<Result<Fetched, Fault>> {
    if matches!(state.flight, Flight::Failed(_)) {
        if let Flight::Failed(fault) = std::mem::replace(&mut state.flight, Flight::Landed) {
            return Poll::Ready(Err(fault));
        }
    }
    if matches!(state.flight, Flight::Landed) {
        let text = "the call was awaited to its end before; make a new one";
        return Poll::Ready(Err(Fault::refused(ErrorKind::Cancelled, text)));
    }
    if state.deadline.is_none() {
        if let Err(fault) = depart(&**endpoint, state) {
            state.flight = Flight::Landed;
            return Poll::Ready(Err(fault));
        }
        sinks::enter(endpoint, state);
    }
    let polled = sinks::poll(endpoint, state, cx);
    // It is later by the next poll.
    state.departing = None;
    let fetched = ready!(polled);
    state.flight = Flight::Landed;
    let headers = headers_of(&fetched);
    if let Some(flow) = state.flow.take().or_else(|| Flow::awaiting(headers)) {
        flow.absorb(headers);
    }
    Poll::Ready(fetched)
}

/// Gives the headers of a reply to who wants them.
pub(super) fn take_headers(wanted: Option<&ReplyHeaders>, fetched: &Result<Fetched, Fault>) {
    if let Some(wanted) = wanted {
        wanted.replace(headers_of(fetched));
    }
}

/// What has come back beside the result.
fn headers_of(fetched: &Result<Fetched, Fault>) -> &[(String, String)] {
    match fetched {
        Ok(fetched) => fetched.payload.headers(),
        Err(fault) => fault.headers(),
    }
}

/// Fixes what depends on the moment of the first poll: the deadline, and what the caller passes on.
#[inline(always)]
fn depart(endpoint: &dyn Endpoint, state: &mut CallState) -> Result<(), Fault> {
    state.flow = Flow::going();
    if let Some(flow) = &state.flow {
        let options = state.options.get_or_insert_default();
        Arc::make_mut(options).headers.extend(flow.headers());
    }
    if let Some(options) = &state.options {
        options.check()?;
    }
    let now = clock::now();
    let asked = state.options.as_ref().and_then(|options| options.deadline);
    let patience = asked.unwrap_or_else(|| endpoint.default_deadline());
    let inherited = context::inherited();
    let own = now
        .checked_add(patience)
        .unwrap_or_else(|| now + Limits::default().max_deadline);
    let deadline = inherited.deadline.map_or(own, |above| above.min(own));
    state.deadline = Some(deadline);
    state.departing = Some(now);
    state.locks = inherited.locks;
    state.depth = inherited.depth;
    if deadline <= now {
        let text = "the call's deadline had passed before it could be sent";
        return Err(Fault::refused(ErrorKind::DeadlineExceeded, text));
    }
    Ok(())
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.state.method().map_or("?", |method| method.name);
        f.debug_struct("Call")
            .field(
                "method",
                &format_args!("{}::{method}", self.state.interface.name),
            )
            .field("state", &self.state.flight)
            .finish_non_exhaustive()
    }
}

/// Reads a value, or the user's error.
pub(super) fn decode_value<T: DeserializeOwned, E: CallError>(
    formatter: &FormatterRef,
    fetched: Result<Fetched, Fault>,
) -> Result<T, E> {
    match fetched {
        Ok(fetched) => passage::decode(formatter, &fetched.payload, ScanLimits::default())
            .map_err(|error| unreadable(error, fetched.executed)),
        Err(fault) => Err(decode_error(formatter, fault)),
    }
}

/// Reads a value that travelled as bytes.
pub(super) fn decode_bytes<E: CallError>(
    formatter: &FormatterRef,
    fetched: Result<Fetched, Fault>,
) -> Result<Vec<u8>, E> {
    match fetched {
        Ok(fetched) => formatter
            .decode_bytes(fetched.payload)
            .map_err(|error| unreadable(error, fetched.executed)),
        Err(fault) => Err(decode_error(formatter, fault)),
    }
}

/// Takes the new object of a constructor.
pub(super) fn decode_object<P: Stub, E: CallError>(
    formatter: &FormatterRef,
    fetched: Result<Fetched, Fault>,
) -> Result<P, E> {
    match fetched {
        Ok(Fetched {
            object: Some(reference),
            ..
        }) => Ok(P::from_reference(reference)),
        Ok(fetched) => Err(unreadable("the answer holds no object", fetched.executed)),
        Err(fault) => Err(decode_error(formatter, fault)),
    }
}

/// Reads a user's error, or makes one of what went wrong otherwise.
pub(crate) fn decode_error<E: CallError>(formatter: &FormatterRef, fault: Fault) -> E {
    match fault {
        Fault::Error(error) => E::from(error),
        Fault::App(payload) => {
            match passage::decode::<E>(formatter, &payload, ScanLimits::default()) {
                Ok(error) => error,
                Err(error) => unreadable(error, Executed::Yes),
            }
        }
    }
}

/// - `executed`: whether the method has run, or a sink has answered in its place.
fn unreadable<E: From<Error>>(reason: impl fmt::Display, executed: Executed) -> E {
    let text = format!("the answer could not be read: {reason}");
    E::from(Error::new(ErrorKind::BadResult, text).with_executed(executed))
}
