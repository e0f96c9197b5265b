//! A fault: how a failed call is told to the other side.
//!
//! Either one of our own kinds with a sentence, or a user's error as data.

use std::time::Duration;

use super::{Error, ErrorKind, Executed, GoneReason};
use crate::payload::Payload;
use crate::text::printable;

/// The longest text that goes to a peer, in bytes.
pub(crate) const MAX_TEXT: usize = 1024;
/// The code of a user's own error.
pub(crate) const APP: u8 = 16;

/// What is added to the reason of an object that is gone, where the reason stands for a whole kind.
const GONE: u8 = 128;

/// The wire form of a failed call (PROTOCOL.md, section "Errors").
#[derive(Debug, Clone)]
pub enum Fault {
    /// The user's error, encoded by the call's formatter.
    App(Payload),
    /// One of ours. Its text is shown to the peer as it stands.
    Error(Error),
}

impl Fault {
    /// Makes a fault of ours from a call that was not dispatched.
    pub fn refused(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self::Error(Error::new(kind, text))
    }

    /// An error that the other side of a channel without sessions has told.
    ///
    /// - `text`: its sentence; where it is empty, the usual one of the kind.
    /// - `retry_after`: how long it asks to wait before another try.
    /// - `correlation`: the number under which its log has the details.
    pub fn told_by_peer(
        kind: ErrorKind,
        executed: Executed,
        text: &str,
        retry_after: Option<Duration>,
        correlation: Option<u64>,
    ) -> Self {
        let text = if text.is_empty() {
            kind.sentence().to_owned()
        } else {
            printable(text, MAX_TEXT)
        };
        let error = Error::new(kind, text)
            .with_executed(executed)
            .with_retry_after(retry_after)
            .told_by_peer();
        Self::Error(match correlation {
            Some(correlation) => error.with_correlation(correlation),
            None => error,
        })
    }

    /// The headers of the reply that it is.
    pub fn headers(&self) -> &[(String, String)] {
        match self {
            Self::App(payload) => payload.headers(),
            Self::Error(error) => error.headers(),
        }
    }

    /// Sets the headers of the reply that it is.
    #[must_use]
    pub fn with_headers(self, headers: Vec<(String, String)>) -> Self {
        match self {
            Self::App(mut payload) => {
                payload.set_headers(headers);
                Self::App(payload)
            }
            Self::Error(error) if headers.is_empty() && error.headers().is_empty() => {
                Self::Error(error)
            }
            Self::Error(error) => Self::Error(error.with_headers(headers)),
        }
    }

    /// Makes a fault of ours with the sentence of its kind, not dispatched.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        Self::refused(kind, kind.sentence())
    }

    /// A reference names no object that its sender holds.
    pub(crate) fn not_held() -> Self {
        let text = "the reference leads to no object that this connection holds";
        Self::refused(ErrorKind::NotFound, text)
    }

    /// Makes a fault of ours from a call whose code ran.
    pub(crate) fn executed(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self::Error(Error::new(kind, text).with_executed(Executed::Yes))
    }

    /// The same fault, of a call whose code ran.
    pub(crate) fn after_execution(self) -> Self {
        match self {
            Self::App(payload) => Self::App(payload),
            Self::Error(error) => Self::Error(error.with_executed(Executed::Yes)),
        }
    }

    /// The fault of a call whose object, or one of whose arguments, was to come from a call that has ended with this
    /// one. What was told of a call before that is passed on as it is.
    pub(crate) fn upstream(&self) -> Self {
        let text = match self {
            Self::App(_) => {
                "a call that this one depends on ended with an error of its interface's own"
            }
            Self::Error(error)
                if error.kind() == ErrorKind::UpstreamFailed
                    && error.executed() == Executed::No =>
            {
                return self.clone();
            }
            Self::Error(_) => "a call that this one depends on has failed",
        };
        let error = Error::new(ErrorKind::UpstreamFailed, text);
        Self::Error(match self {
            Self::App(_) => error,
            Self::Error(cause) => error.with_source(cause.clone()),
        })
    }

    /// Reads a fault from its parts on the wire. An unknown code becomes `Internal`.
    pub(crate) fn from_wire(
        code: u8,
        executed: Executed,
        retry_after_ms: u64,
        text: &str,
        app: &[u8],
    ) -> Self {
        if code == APP {
            return Self::App(Payload::from(app));
        }
        let reason = app.first().copied().unwrap_or(0);
        let kind = ErrorKind::from_code(code, reason).unwrap_or(ErrorKind::Internal);
        let correlation = app.get(1..9).and_then(|bytes| bytes.try_into().ok());
        let retry_after = (retry_after_ms > 0).then(|| Duration::from_millis(retry_after_ms));
        let correlation = correlation.map(u64::from_le_bytes);
        let fault = Self::told_by_peer(kind, executed, text, retry_after, correlation);
        match (fault, cause_from(reason)) {
            (Self::Error(error), Some(cause)) if kind == ErrorKind::UpstreamFailed => {
                let cause = Error::new(cause, cause.sentence()).told_by_peer();
                Self::Error(error.with_source(cause))
            }
            (fault, _) => fault,
        }
    }

    /// The parts on the wire: code, executed, milliseconds to wait, text, app payload.
    pub(crate) fn to_wire(&self) -> (u8, Executed, u64, &str, Payload) {
        match self {
            Self::App(payload) => (APP, Executed::Yes, 0, "", payload.clone()),
            Self::Error(error) => {
                let wait = error.retry_after().map_or(0, |wait| {
                    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
                });
                let mut details = Payload::new();
                let reason = reason_of(error);
                if reason > 0 || error.correlation().is_some() {
                    details.extend_from_slice(&[reason]);
                }
                if let Some(correlation) = error.correlation() {
                    details.extend_from_slice(&correlation.to_le_bytes());
                }
                let text = cut(error.message());
                (error.kind().code(), error.executed(), wait, text, details)
            }
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The byte that says more than the code: why an object is gone, or what else a failure comes from.
fn reason_of(error: &Error) -> u8 {
    if error.kind() != ErrorKind::UpstreamFailed {
        return error.kind().reason();
    }
    let source = std::error::Error::source(error);
    let cause = source.and_then(|source| source.downcast_ref::<Error>());
    cause.map_or(0, |cause| match cause.kind().reason() {
        0 => cause.kind().code(),
        reason => GONE.saturating_add(reason),
    })
}

/// The kind of failure that another one comes from.
fn cause_from(reason: u8) -> Option<ErrorKind> {
    match reason.checked_sub(GONE) {
        None => ErrorKind::from_code(reason, 0),
        Some(reason) => {
            ErrorKind::from_code(ErrorKind::ObjectGone(GoneReason::Released).code(), reason)
        }
    }
}

/// Cuts a text to what a peer may be sent, between two characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_shown_on_one_line() {
        let text = "down\n\u{1b}[31mroot: all is well";
        let kind = ErrorKind::Internal;
        let fault = Fault::told_by_peer(kind, Executed::Yes, text, None, None);
        let Fault::Error(error) = fault else {
            panic!("an error of ours")
        };
        assert_eq!(error.message(), "down\\u{a}\\u{1b}[31mroot: all is well");
    }

    #[test]
    fn a_fault_is_read_back_from_its_wire_form() {
        let kind = ErrorKind::ObjectGone(GoneReason::Disconnected);
        let sent = Fault::Error(
            Error::new(kind, "gone")
                .with_correlation(7)
                .with_retry_after(Some(Duration::from_secs(1))),
        );
        let (code, executed, wait, text, details) = sent.to_wire();
        let received = Fault::from_wire(code, executed, wait, text, details.as_slice());
        let Fault::Error(error) = received else {
            panic!("a user's error came back")
        };
        assert_eq!((error.kind(), error.executed()), (kind, Executed::No));
        assert_eq!((error.message(), error.correlation()), ("gone", Some(7)));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        assert!(error.is_remote());
    }

    #[test]
    fn a_failure_upstream_tells_the_kind_of_its_cause_and_not_its_text() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::ObjectGone(GoneReason::LeaseExpired),
            ErrorKind::ObjectGone(GoneReason::Drained),
        ] {
            let cause = Fault::executed(kind, "secret");
            let told = cause.upstream().upstream();
            let (code, executed, wait, text, details) = told.to_wire();
            assert!(!text.contains("secret"));
            let received = Fault::from_wire(code, executed, wait, text, details.as_slice());
            let Fault::Error(error) = received else {
                panic!("a user's error came back")
            };
            let expected = (ErrorKind::UpstreamFailed, Executed::No);
            assert_eq!((error.kind(), error.executed()), expected);
            let source = std::error::Error::source(&error).unwrap();
            assert_eq!(source.downcast_ref::<Error>().unwrap().kind(), kind);
        }
        let own = Fault::App(Payload::new()).upstream();
        let Fault::Error(error) = own else {
            panic!("the user's error went on")
        };
        assert_eq!(error.kind(), ErrorKind::UpstreamFailed);
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let text = "ä".repeat(MAX_TEXT);
        assert_eq!(cut(&text).len(), MAX_TEXT);
        assert_eq!(cut(&format!("x{text}")).len(), MAX_TEXT - 1);
    }
}
