//! The one error of the library.
//!
//! An [`Error`] says what went wrong ([`ErrorKind`]), in one sentence, and above
//! all whether the server's code ran ([`Error::executed`]): the only thing that
//! tells if a call may be repeated. Errors of the user's own are data and never
//! become an `Error`; an `Error` that crosses the wire inside one turns into
//! [`ErrorKind::UpstreamFailed`], since it happened to somebody else.

mod detail;
mod fault;
mod kind;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use detail::Detail;
pub use detail::ErrorDetail;
pub use fault::Fault;
pub use kind::{ErrorKind, GoneReason};

use crate::payload::{Headers, pairs, unless_empty};

/// The result of most functions of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Did the server's code run?
///
/// Repeat a call by itself only on [`Executed::No`], or when its method may be
/// run twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Executed {
    /// It is proved that it did not.
    No,
    /// It did, or at least began to.
    Yes,
    /// Nobody can tell: the call was sent and its answer never came.
    Unknown,
}

/// What went wrong, and whether the server's code ran.
///
/// Two errors are equal if their kinds are. Cloning is cheap.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    executed: Executed,
    message: String,
    remote: bool,
    correlation: Option<u64>,
    retry_after: Option<Duration>,
    /// Those of the reply that it came with.
    headers: Headers,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error that happened here, before anything was sent.
    ///
    /// - `message`: one sentence, lower case, without a full stop, that says what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Repr {
            kind,
            executed: Executed::No,
            message: message.into(),
            remote: false,
            correlation: None,
            retry_after: None,
            headers: None,
            source: None,
        }))
    }

    /// Sets what is known of the server's code.
    #[must_use]
    pub fn with_executed(self, executed: Executed) -> Self {
        self.map(|repr| repr.executed = executed)
    }

    /// Sets the error that this one comes from.
    #[must_use]
    pub fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.map(|repr| repr.source = Some(Arc::new(source)))
    }

    pub(crate) fn with_message(self, message: String) -> Self {
        self.map(|repr| repr.message = message)
    }

    pub(crate) fn with_correlation(self, correlation: u64) -> Self {
        self.map(|repr| repr.correlation = Some(correlation))
    }

    pub(crate) fn with_retry_after(self, after: Option<Duration>) -> Self {
        self.map(|repr| repr.retry_after = after)
    }

    pub(crate) fn with_headers(self, headers: Vec<(String, String)>) -> Self {
        self.map(|repr| repr.headers = unless_empty(headers))
    }

    /// The headers of the reply that it came with.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        pairs(&self.0.headers)
    }

    pub(crate) fn told_by_peer(self) -> Self {
        self.map(|repr| repr.remote = true)
    }

    fn map(mut self, change: impl FnOnce(&mut Repr)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// What went wrong, from a closed list.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the server's code ran.
    pub fn executed(&self) -> Executed {
        self.0.executed
    }

    /// The sentence, without the kind.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the other side said so, rather than this process.
    pub fn is_remote(&self) -> bool {
        self.0.remote
    }

    /// Whether there is no object: it never existed, was taken back, or has ended.
    pub fn is_no_such_object(&self) -> bool {
        matches!(self.kind(), ErrorKind::NotFound | ErrorKind::ObjectGone(_))
    }

    /// The number under which the server's log has the details, if it gave one.
    pub fn correlation(&self) -> Option<u64> {
        self.0.correlation
    }

    /// How long the server asks to wait before another try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(correlation) = self.0.correlation {
            write!(f, " (correlation {correlation:016x})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind);
        debug.field("executed", &self.0.executed);
        debug.field("message", &self.0.message);
        if self.0.remote {
            debug.field("remote", &true);
        }
        if let Some(correlation) = self.0.correlation {
            debug.field("correlation", &format_args!("{correlation:016x}"));
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind()
    }
}

/// The error as it stands inside a user's error: its kind and its correlation
/// number. The text stays in the process where it arose.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.kind().code(), self.kind().reason(), self.0.correlation).serialize(serializer)
    }
}

/// Reads an error that happened to the server: whatever it was there, here it is
/// [`ErrorKind::UpstreamFailed`] with the original kind as its source.
impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (code, reason, correlation) = <(u8, u8, Option<u64>)>::deserialize(deserializer)?;
        let kind = ErrorKind::from_code(code, reason).unwrap_or(ErrorKind::Internal);
        let mut error = Self::new(
            ErrorKind::UpstreamFailed,
            "a call that the server made failed",
        )
        .with_executed(Executed::Yes)
        .with_source(Self::new(kind, kind.sentence()).told_by_peer())
        .told_by_peer();
        if let Some(correlation) = correlation {
            error = error.with_correlation(correlation);
        }
        Ok(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn errors_are_equal_by_kind_alone() {
        let first = Error::new(ErrorKind::NotFound, "one");
        let second = Error::new(ErrorKind::NotFound, "two").with_executed(Executed::Unknown);
        assert_eq!(first, second);
        assert_ne!(first, Error::new(ErrorKind::Internal, "one"));
    }

    #[test]
    fn an_error_inside_a_users_error_arrives_as_a_failure_upstream() {
        let sent = Error::new(
            ErrorKind::ObjectGone(GoneReason::LeaseExpired),
            "secret text",
        );
        let bytes = serde_json::to_string(&sent).unwrap();
        assert!(!bytes.contains("secret"));
        let received: Error = serde_json::from_str(&bytes).unwrap();
        assert_eq!(received.kind(), ErrorKind::UpstreamFailed);
        assert_eq!(received.executed(), Executed::Yes);
        assert!(received.is_remote());
        let source = received
            .source()
            .and_then(|source| source.downcast_ref::<Error>())
            .unwrap();
        assert_eq!(source.kind(), sent.kind());
    }
}
