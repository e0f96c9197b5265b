//! Why a session has ended, and what that means for the calls it leaves.

use std::fmt;

use crate::error::{Error, ErrorKind, Executed};
use crate::wire::{BYE, Violation};

/// Why a session has ended. Displayed, it is a clause for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// This side said goodbye.
    Bye,
    /// The peer closed the connection.
    PeerClosed,
    /// The connection broke; what the system said of it.
    Lost(String),
    /// The peer sent nothing and did not answer a PING.
    PeerSilent,
    /// The peer took no bytes for too long.
    WriteStalled,
    /// No HELLO came in time.
    HandshakeTimeout,
    /// Neither side had a call or an object of the other for long.
    Idle,
    /// The peer broke a rule.
    Violation(Violation),
    /// The peer ended it; code 0 is its goodbye.
    Aborted {
        /// The kind of error.
        code: u8,
        /// The peer's own words.
        text: String,
    },
    /// The two sides share no version of the protocol; what each has.
    VersionMismatch(String),
    /// The peer speaks no version of the protocol at all; what it seems to speak.
    NotOurProtocol(String),
    /// The peer has not proved who it is.
    Unauthenticated,
    /// The peer let this side not in.
    Refused {
        /// What callers are told.
        kind: ErrorKind,
        /// Why, and what to do.
        what: String,
    },
    /// This side has sent GOAWAY, and nothing is under way any more.
    Drained,
    /// The host on this side stops, and has waited long enough for calls, or for the peer to come back.
    Cut,
    /// The host on this side was dropped.
    HostGone,
    /// The link was lost, and there is no other; why.
    Away(String),
    /// The link goes on with another session, which the peer wanted back.
    Resumed,
    /// The session has another link.
    Superseded,
}

/// What those are told who are not let in: no more than that.
const STRANGER: &str =
    "callers have to prove who they are, by a token or a certificate that is accepted";

/// What becomes of the output at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastWords {
    /// Everything in the output and an ABORT behind it.
    All(u8),
    /// An ABORT only.
    AbortOnly(u8),
    /// Nothing: nobody listens.
    None,
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl End {
    /// Whether the connection was lost, so that nobody can know what its peer wanted: neither
    /// side has said goodbye.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Bye | Self::HostGone | Self::Idle | Self::Drained | Self::Cut | Self::Resumed => {
                false
            }
            Self::Aborted { code, .. } => *code != BYE,
            _ => true,
        }
    }

    /// Whether it is the link that has failed, or was replaced, and not what the session is about.
    pub fn is_of_link(&self) -> bool {
        matches!(
            self,
            Self::PeerClosed
                | Self::Lost(_)
                | Self::PeerSilent
                | Self::WriteStalled
                | Self::Superseded
        )
    }

    /// Whether what is on its way over the link reaches nobody any more.
    pub fn is_deaf(&self) -> bool {
        matches!(
            self,
            Self::PeerSilent | Self::WriteStalled | Self::Superseded
        )
    }

    /// Whether both sides part in peace: what is in the output is still to be written.
    pub fn is_graceful(&self) -> bool {
        matches!(self.last_words(), LastWords::All(_))
    }

    /// Whether nobody listens any more: nothing is to be written, not even the rest of
    /// what was begun.
    pub fn is_speechless(&self) -> bool {
        matches!(self.last_words(), LastWords::None)
    }

    pub(super) fn last_words(&self) -> LastWords {
        match self {
            Self::Bye | Self::Idle | Self::Drained | Self::Cut | Self::HostGone => {
                LastWords::All(BYE)
            }
            Self::Violation(_) | Self::HandshakeTimeout => {
                LastWords::AbortOnly(ErrorKind::Protocol.code())
            }
            Self::VersionMismatch(_) => LastWords::AbortOnly(ErrorKind::VersionMismatch.code()),
            Self::Unauthenticated => LastWords::AbortOnly(ErrorKind::Unauthenticated.code()),
            Self::PeerClosed
            | Self::Lost(_)
            | Self::PeerSilent
            | Self::WriteStalled
            | Self::NotOurProtocol(_)
            | Self::Refused { .. }
            | Self::Away(_)
            | Self::Resumed
            | Self::Superseded
            | Self::Aborted { .. } => LastWords::None,
        }
    }

    /// What the ABORT says. Holds nothing of this process that is not the peer's to know.
    pub(super) fn farewell(&self) -> String {
        match self {
            Self::Violation(violation) => violation.to_string(),
            Self::HandshakeTimeout => Violation::HelloTooLate.to_string(),
            Self::VersionMismatch(versions) => versions.clone(),
            Self::Unauthenticated => STRANGER.to_owned(),
            Self::Idle => "the session was idle".to_owned(),
            Self::Drained | Self::Cut => "the host is shutting down".to_owned(),
            Self::Bye
            | Self::HostGone
            | Self::PeerClosed
            | Self::Lost(_)
            | Self::PeerSilent
            | Self::WriteStalled
            | Self::NotOurProtocol(_)
            | Self::Refused { .. }
            | Self::Away(_)
            | Self::Resumed
            | Self::Superseded
            | Self::Aborted { .. } => String::new(),
        }
    }

    /// The error of a call that the end came upon.
    pub(super) fn error(&self, executed: Executed) -> Error {
        let (kind, text) = match (self, executed) {
            (Self::VersionMismatch(_), _) => (
                ErrorKind::VersionMismatch,
                "the peer speaks another version of the protocol",
            ),
            (Self::Aborted { code, .. }, _) if *code == ErrorKind::VersionMismatch.code() => (
                ErrorKind::VersionMismatch,
                "the peer speaks another version of the protocol",
            ),
            (Self::Aborted { code, .. }, Executed::No)
                if *code == ErrorKind::Unauthenticated.code() =>
            {
                (
                    ErrorKind::Unauthenticated,
                    "the server let this side not in",
                )
            }
            (Self::Aborted { code, .. }, Executed::No) if *code == ErrorKind::Overloaded.code() => {
                (ErrorKind::Overloaded, "the server lets nobody in")
            }
            (Self::Refused { kind, .. }, _) => (*kind, "the peer let this side not in"),
            (Self::NotOurProtocol(_), _) => {
                (ErrorKind::Protocol, "the peer does not speak this protocol")
            }
            (_, Executed::No) => (ErrorKind::Disconnected, "the connection is closed"),
            (_, Executed::Yes | Executed::Unknown) => (
                ErrorKind::SessionLost,
                "the connection was lost while the call was under way",
            ),
        };
        Error::new(kind, format!("{text}: {self}")).with_executed(executed)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bye => f.write_str("this side said goodbye"),
            Self::PeerClosed => f.write_str("the peer closed the connection"),
            Self::Lost(reason) => write!(f, "the connection broke: {reason}"),
            Self::PeerSilent => f.write_str("the peer was silent and did not answer a ping"),
            Self::WriteStalled => f.write_str("the peer took no bytes for too long"),
            Self::HandshakeTimeout => f.write_str("the peer sent no hello in time"),
            Self::Idle => f.write_str("the session was idle"),
            Self::Violation(violation) => write!(f, "the peer broke the protocol: {violation}"),
            Self::Aborted { code: BYE, text } if text.is_empty() => {
                f.write_str("the peer said goodbye")
            }
            Self::Aborted { code: BYE, text } => {
                write!(f, "the peer said goodbye: {}", PeerText(text))
            }
            Self::Aborted { code, text } => {
                write!(f, "the peer gave up with code {code}: {}", PeerText(text))
            }
            Self::VersionMismatch(versions) => {
                write!(f, "no common version: {}", PeerText(versions))
            }
            Self::NotOurProtocol(what) => {
                write!(f, "the peer speaks something else: {}", PeerText(what))
            }
            Self::Unauthenticated => f.write_str("the peer has not proved who it is"),
            Self::Refused { what, .. } => f.write_str(what),
            Self::Drained => f.write_str("nothing is under way any more after a goodbye"),
            Self::Cut => f.write_str("the host stops, and waits no longer"),
            Self::HostGone => f.write_str("the host was dropped"),
            Self::Away(why) => write!(f, "{}", PeerText(why)),
            Self::Resumed => f.write_str("the peer went on with the session that it had before"),
            Self::Superseded => f.write_str("the peer has made another connection"),
        }
    }
}

/// A text of the peer's, fit for a log: short and without control characters.
pub(super) struct PeerText<'a>(pub(super) &'a str);

/// How many characters of a peer's text are shown.
const SHOWN: usize = 256;

impl fmt::Display for PeerText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .take(SHOWN)
            .try_for_each(|c| write!(f, "{}", c.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_cannot_break_a_log_line() {
        let end = End::Aborted {
            code: 20,
            text: format!("a\n\u{1b}[31m{}", "x".repeat(5000)),
        };
        let shown = end.to_string();
        assert!(!shown.contains(['\n', '\u{1b}']), "{shown}");
        assert!(shown.len() < 400);
    }

    #[test]
    fn an_end_tells_whether_a_call_may_be_repeated() {
        let end = End::PeerClosed;
        assert_eq!(end.error(Executed::No).kind(), ErrorKind::Disconnected);
        assert_eq!(end.error(Executed::Unknown).kind(), ErrorKind::SessionLost);
        assert_eq!(end.error(Executed::Unknown).executed(), Executed::Unknown);
    }
}
