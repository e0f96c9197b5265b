//! The closed list of what can go wrong, with the numbers some of it has on the wire.

/// What went wrong.
///
/// The kinds with a number in PROTOCOL.md (section "Errors") travel; the others
/// arise only in the process that sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call was given up by its caller.
    Cancelled,
    /// The call's time was over before its answer came.
    DeadlineExceeded,
    /// Nothing is, or ever was, published under that name.
    NotFound,
    /// The object was there and is not any more.
    ObjectGone(GoneReason),
    /// The interface at the server has no such method.
    NoSuchMethod,
    /// The arguments could not be read.
    BadArguments,
    /// The server does not know who is calling.
    Unauthenticated,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// A limit that belongs to this caller was reached.
    ResourceExhausted,
    /// The server has too much to do.
    Overloaded,
    /// A call that the server made in turn failed, or one that this one was pipelined on.
    UpstreamFailed,
    /// The server's code failed in a way it did not declare: a panic, say.
    Internal,
    /// A message is larger than the other side takes, or than this side sends.
    TooLarge,
    /// The other side does not know how to do this.
    Unsupported,
    /// The two sides share no version of the protocol.
    VersionMismatch,
    /// The other side broke the protocol, or speaks another one.
    Protocol,
    /// The call would have waited for a lock that its own callers hold.
    Reentrant,
    /// The object was left in an unknown state by a panic.
    Poisoned,
    /// The object does not have the interface of the proxy.
    WrongInterface,
    /// Nothing under that name can be activated by clients.
    NotActivatable,
    /// The server's answer could not be written or read.
    BadResult,

    /// A URL cannot be read.
    InvalidUrl,
    /// The host has no channel for the scheme of a URL.
    NoChannel,
    /// No connection could be made.
    ConnectFailed,
    /// The other side wants TLS, or does not have it.
    TlsRequired,
    /// The connection is closed or being closed, and the call was never taken.
    Disconnected,
    /// The connection was lost while the call was under way.
    SessionLost,
    /// Something else is published under that name.
    NameTaken,
    /// A channel of that name is registered, or its address is in use.
    ChannelTaken,
    /// A registration that the operation needs is missing.
    NotRegistered,
    /// A proxy was serialised outside a call.
    OutsideCall,
    /// The host's settings cannot work.
    Config,
}

/// Why an object is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GoneReason {
    /// Its lease ran out.
    LeaseExpired,
    /// It was taken back by its host.
    Disconnected,
    /// Its last reference was released.
    Released,
    /// Its process was restarted.
    ServerRestarted,
    /// The session that the reference belonged to has ended.
    SessionExpired,
    /// Its host was drained: it has said that it takes no more calls, or goodbye.
    Drained,
}

/// What a kind is: its code on the wire and a sentence where no other is at hand.
const KINDS: &[(ErrorKind, u8, &str)] = &[
    (ErrorKind::Cancelled, 1, "the call was cancelled"),
    (
        ErrorKind::DeadlineExceeded,
        2,
        "the call's deadline has passed",
    ),
    (
        ErrorKind::NotFound,
        3,
        "nothing is published under that name",
    ),
    (
        ErrorKind::ObjectGone(GoneReason::LeaseExpired),
        4,
        "the object's lease has expired",
    ),
    (
        ErrorKind::ObjectGone(GoneReason::Disconnected),
        4,
        "the object has been disconnected",
    ),
    (
        ErrorKind::ObjectGone(GoneReason::Released),
        4,
        "the object has been released",
    ),
    (
        ErrorKind::ObjectGone(GoneReason::ServerRestarted),
        4,
        "the object's server was restarted",
    ),
    (
        ErrorKind::ObjectGone(GoneReason::SessionExpired),
        4,
        "the session of the object has ended",
    ),
    (
        ErrorKind::ObjectGone(GoneReason::Drained),
        4,
        "the object's server has been drained",
    ),
    (
        ErrorKind::NoSuchMethod,
        5,
        "the server's version of the interface has no such method",
    ),
    (
        ErrorKind::BadArguments,
        6,
        "the arguments could not be read",
    ),
    (
        ErrorKind::Unauthenticated,
        7,
        "the server does not know the caller",
    ),
    (ErrorKind::PermissionDenied, 8, "the caller may not do this"),
    (
        ErrorKind::ResourceExhausted,
        9,
        "a limit of the server was reached",
    ),
    (ErrorKind::Overloaded, 10, "the server has too much to do"),
    (
        ErrorKind::UpstreamFailed,
        14,
        "a call that the server made failed",
    ),
    (ErrorKind::Internal, 15, "the server's code failed"),
    (
        ErrorKind::TooLarge,
        17,
        "the message is larger than the peer takes",
    ),
    (ErrorKind::Unsupported, 18, "the peer does not support this"),
    (
        ErrorKind::VersionMismatch,
        19,
        "the peer speaks another version of the protocol",
    ),
    (ErrorKind::Protocol, 20, "the protocol was broken"),
    (
        ErrorKind::Reentrant,
        21,
        "the call came back to an object that its own caller holds; notify after the change, \
         from a task, or keep the state behind a lock of your own and take `&self`",
    ),
    (
        ErrorKind::Poisoned,
        22,
        "a panic left the object in an unknown state; publish it anew, or use `recreate_on_panic`",
    ),
    (
        ErrorKind::WrongInterface,
        23,
        "the object does not have this interface",
    ),
    (
        ErrorKind::NotActivatable,
        24,
        "nothing under that name can be activated",
    ),
    (
        ErrorKind::BadResult,
        25,
        "the result could not be written or read",
    ),
];

impl ErrorKind {
    /// The number on the wire; a kind without one counts as internal.
    pub(crate) fn code(self) -> u8 {
        KINDS
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or(15, |(_, code, _)| *code)
    }

    /// The name of the kind in records of calls: `deadline_exceeded`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::ObjectGone(_) => "object_gone",
            Self::NoSuchMethod => "no_such_method",
            Self::BadArguments => "bad_arguments",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Overloaded => "overloaded",
            Self::UpstreamFailed => "upstream_failed",
            Self::Internal => "internal",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::VersionMismatch => "version_mismatch",
            Self::Protocol => "protocol",
            Self::Reentrant => "reentrant",
            Self::Poisoned => "poisoned",
            Self::WrongInterface => "wrong_interface",
            Self::NotActivatable => "not_activatable",
            Self::BadResult => "bad_result",
            Self::InvalidUrl => "invalid_url",
            Self::NoChannel => "no_channel",
            Self::ConnectFailed => "connect_failed",
            Self::TlsRequired => "tls_required",
            Self::Disconnected => "disconnected",
            Self::SessionLost => "session_lost",
            Self::NameTaken => "name_taken",
            Self::ChannelTaken => "channel_taken",
            Self::NotRegistered => "not_registered",
            Self::OutsideCall => "outside_call",
            Self::Config => "config",
        }
    }

    /// The number of the reason why an object is gone, else zero.
    pub(crate) fn reason(self) -> u8 {
        match self {
            Self::ObjectGone(reason) => reason as u8 + 1,
            _ => 0,
        }
    }

    /// Reads the two numbers; `None` for a code that has no meaning yet.
    pub(crate) fn from_code(code: u8, reason: u8) -> Option<Self> {
        let mut kinds = KINDS
            .iter()
            .filter(|(_, known, _)| *known == code)
            .map(|(kind, ..)| *kind);
        let first = kinds.next()?;
        Some(kinds.find(|kind| kind.reason() == reason).unwrap_or(first))
    }

    /// A sentence that fits every error of this kind.
    pub(crate) fn sentence(self) -> &'static str {
        KINDS
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or("the call failed", |(.., text)| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_with_a_number_is_read_back_from_it() {
        for (kind, code, _) in KINDS {
            assert_eq!(ErrorKind::from_code(*code, kind.reason()), Some(*kind));
        }
        assert_eq!(ErrorKind::from_code(11, 0), None);
        assert_eq!(
            ErrorKind::from_code(16, 0),
            None,
            "a user's error is no kind"
        );
    }
}
