//! The kinds of errors as names and status codes (PROTOCOL.md, rules H8 to H11).

use hyper::StatusCode;
use remoting_core::{ErrorKind, Executed, GoneReason};

/// The name of a user's own error.
pub(crate) const APP: &str = "app";

/// The name of the error of a key that was used for another request, and its status.
pub(crate) const KEY_REUSED: (&str, u16) = ("key_reused", 409);

/// The name of the error of a stream that cannot be gone on with, and its status.
pub(crate) const STREAM_GONE: (&str, u16) = ("stream_gone", 410);

/// Kind, name, status. The reason of an object that is gone stands in a field of its own.
pub(crate) const CODES: &[(ErrorKind, &str, u16)] = &[
    (ErrorKind::BadArguments, "bad_arguments", 400),
    (ErrorKind::Protocol, "protocol", 400),
    (ErrorKind::VersionMismatch, "version_mismatch", 400),
    (ErrorKind::TlsRequired, "tls_required", 400),
    (ErrorKind::Unauthenticated, "unauthenticated", 401),
    (ErrorKind::PermissionDenied, "permission_denied", 403),
    (ErrorKind::NotFound, "not_found", 404),
    (ErrorKind::NoSuchMethod, "no_such_method", 404),
    (ErrorKind::NotActivatable, "not_activatable", 405),
    (ErrorKind::Reentrant, "reentrant", 409),
    (
        ErrorKind::ObjectGone(GoneReason::Disconnected),
        "object_gone",
        410,
    ),
    (ErrorKind::WrongInterface, "wrong_interface", 412),
    (ErrorKind::TooLarge, "too_large", 413),
    (ErrorKind::ResourceExhausted, "resource_exhausted", 429),
    (ErrorKind::Cancelled, "cancelled", 499),
    (ErrorKind::Internal, "internal", 500),
    (ErrorKind::UpstreamFailed, "upstream_failed", 500),
    (ErrorKind::BadResult, "bad_result", 500),
    (ErrorKind::Poisoned, "poisoned", 500),
    (ErrorKind::Unsupported, "unsupported", 501),
    (ErrorKind::Overloaded, "overloaded", 503),
    (ErrorKind::Disconnected, "disconnected", 503),
    (ErrorKind::DeadlineExceeded, "deadline_exceeded", 504),
];

/// Why an object is gone, and the word for it.
pub(crate) const REASONS: &[(GoneReason, &str)] = &[
    (GoneReason::LeaseExpired, "lease_expired"),
    (GoneReason::Disconnected, "disconnected"),
    (GoneReason::Released, "released"),
    (GoneReason::ServerRestarted, "server_restarted"),
    (GoneReason::SessionExpired, "session_expired"),
    (GoneReason::Drained, "drained"),
];

/// The name and the status of a kind; `internal` where it has none of its own.
pub(crate) fn of_kind(kind: ErrorKind) -> (&'static str, StatusCode) {
    let same = |known: ErrorKind| match (known, kind) {
        (ErrorKind::ObjectGone(_), ErrorKind::ObjectGone(_)) => true,
        (known, kind) => known == kind,
    };
    let row = CODES.iter().find(|(known, ..)| same(*known));
    let (name, status) = row.map_or(("internal", 500), |(_, name, status)| (*name, *status));
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (name, status)
}

/// The kind of a name.
///
/// - `reason`: why an object is gone.
pub(crate) fn to_kind(name: &str, reason: Option<&str>) -> Option<ErrorKind> {
    let (kind, ..) = CODES.iter().find(|(_, known, _)| *known == name)?;
    let ErrorKind::ObjectGone(usual) = *kind else {
        return Some(*kind);
    };
    let reason = REASONS.iter().find(|(_, known)| Some(*known) == reason);
    Some(ErrorKind::ObjectGone(
        reason.map_or(usual, |(reason, _)| *reason),
    ))
}

/// Why an object is gone, if that is what the kind says.
pub(crate) fn reason_of(kind: ErrorKind) -> Option<&'static str> {
    let ErrorKind::ObjectGone(gone) = kind else {
        return None;
    };
    let row = REASONS.iter().find(|(reason, _)| *reason == gone)?;
    Some(row.1)
}

/// Whether the server's code ran, as a word.
pub(crate) fn of_executed(executed: Executed) -> &'static str {
    match executed {
        Executed::No => "no",
        Executed::Yes => "yes",
        Executed::Unknown => "unknown",
    }
}

/// The same, from the word.
pub(crate) fn to_executed(word: &str) -> Executed {
    match word {
        "no" => Executed::No,
        "yes" => Executed::Yes,
        _ => Executed::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_name() {
        for (kind, name, status) in CODES {
            assert_eq!(of_kind(*kind).0, *name);
            assert_eq!(of_kind(*kind).1.as_u16(), *status);
            assert_eq!(to_kind(name, reason_of(*kind)), Some(*kind));
        }
        for (reason, word) in REASONS {
            let kind = ErrorKind::ObjectGone(*reason);
            assert_eq!(of_kind(kind).1, StatusCode::GONE);
            assert_eq!(to_kind("object_gone", Some(word)), Some(kind));
        }
        assert_eq!(to_kind("no such name", None), None);
    }

    #[test]
    fn whether_code_ran_is_read_back_and_a_strange_word_is_not_trusted() {
        for executed in [Executed::No, Executed::Yes, Executed::Unknown] {
            assert_eq!(to_executed(of_executed(executed)), executed);
        }
        assert_eq!(to_executed("NO"), Executed::Unknown);
    }
}
