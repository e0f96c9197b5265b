//! A call and its reply as whole values, apart from any session.
//!
//! Channels that know no session (one request, one answer) hand these to the
//! host, whose gate runs them through the same code as the calls of a session.

use std::fmt;
use std::time::Duration;

use crate::error::Fault;
use crate::formatter::FormatterRef;
use crate::id::{InterfaceId, MethodId};
use crate::limits::Limits;
use crate::payload::Payload;
use crate::stream::Freight;
use crate::wire::locks::LockTokens;

/// One call of a published object.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallMessage {
    /// The name of the publication.
    pub object: String,
    /// The interface that the caller's proxy has.
    pub interface: InterfaceId,
    /// The method to run.
    pub method: MethodId,
    /// Its name, where the caller knows it. The number alone decides what runs.
    pub method_name: Option<&'static str>,
    /// How the payload was written, and the answer is to be.
    pub formatter: FormatterRef,
    /// How long the caller will wait from now on.
    pub deadline: Duration,
    /// The caller's own headers.
    pub headers: Vec<(String, String)>,
    /// The locks that the callers of this call hold.
    pub locks: LockTokens,
    /// How many calls stand above this one.
    pub depth: u32,
    /// The encoded arguments.
    pub payload: Payload,
    /// Whether the proxies in the arguments and in the answer are written as paths: those of tickets
    /// (`/~/rt1.…`), and in arguments those of publications too. Without it there are none in
    /// arguments, and those in the answer stand beside it.
    pub by_ticket: bool,
    /// The items of the stream among the arguments, in whose place the number 0 stands. Only with `by_ticket`.
    pub stream: Option<Freight>,
    /// Whether the answer may be a stream: then the result is the number 0, and the items are
    /// [beside it](crate::channel::Freight::of_answer), each at most `Limits::max_frame` bytes. Only with `by_ticket`.
    pub takes_stream: bool,
    /// Whether nobody waits for the answer: objects in it are let go.
    pub unanswered: bool,
    /// The longest message that the caller's host handles, in bytes: the answer is no longer.
    pub max_message: usize,
}

impl CallMessage {
    /// Makes a call without arguments, headers or locks.
    ///
    /// - `deadline`: how long the caller will wait from now on.
    pub fn new(
        object: impl Into<String>,
        interface: InterfaceId,
        method: MethodId,
        formatter: FormatterRef,
        deadline: Duration,
    ) -> Self {
        Self {
            object: object.into(),
            interface,
            method,
            method_name: None,
            formatter,
            deadline,
            headers: Vec::new(),
            locks: LockTokens::default(),
            depth: 0,
            payload: Payload::new(),
            by_ticket: false,
            stream: None,
            takes_stream: false,
            unanswered: false,
            max_message: Limits::default().max_message,
        }
    }
}

/// What a call ended in: the encoded result, or why there is none.
pub type ReplyMessage = Result<Payload, Fault>;

/// A word that stands for an object outside of all sessions, and was given to whoever asked for it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Ticket {
    /// The name of the object: `~/rt1.` and 22 letters more. Whoever knows it has the object.
    pub name: String,
    /// How long the lease runs; without an end where there is nothing.
    pub lease: Option<Duration>,
    /// The headers that go back to whoever called the constructor.
    pub headers: Vec<(String, String)>,
}

impl Ticket {
    pub(crate) fn new(name: String, lease: Option<Duration>) -> Self {
        let headers = Vec::new();
        Self {
            name,
            lease,
            headers,
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever knows the name has the object.
        f.debug_struct("Ticket")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
