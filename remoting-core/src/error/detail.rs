//! What an error says beyond its sentence, and who may see that.

use std::fmt;

use super::{Error, Fault};
use crate::peer::Peer;
use crate::text::printable;

/// How much of a detail is shown, in bytes.
const SHOWN: usize = 512;

/// Who may see the details of errors in a host's code: the text of a panic, of a factory's error, of what was wrong
/// with a value. Everybody sees the kind, and a number under which the host's log has the rest.
///
/// (.NET: `customErrors`, whose `Off` is this `On`.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorDetail {
    /// Nobody.
    Off,
    /// Callers on this machine. A gateway on this machine that marks what it passes on (`X-Forwarded-For`, `Forwarded`, `Via`) is
    /// none; behind one that does not, everybody is: choose `Off` there.
    #[default]
    LocalOnly,
    /// Everybody.
    On,
}

impl ErrorDetail {
    /// Whether a peer may see details.
    pub(crate) fn shows(self, peer: &Peer) -> bool {
        match self {
            Self::Off => false,
            Self::LocalOnly => peer.is_on_this_machine(),
            Self::On => true,
        }
    }
}

/// What goes into the log, and to those who may see it: the source of an error whose sentence says no more than
/// `what`.
#[derive(Debug, Clone)]
pub(crate) struct Detail {
    what: String,
    text: String,
}

impl Detail {
    /// - `what`: what has happened, which everybody may know.
    pub(crate) fn new(what: &str, text: &str) -> Self {
        Self {
            what: what.to_owned(),
            text: printable(text, SHOWN),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Detail {}

impl Fault {
    /// The same fault as it is told to somebody.
    ///
    /// - `with_details`: whether that one may see them.
    pub(crate) fn shown(self, with_details: bool) -> Self {
        match self {
            Self::Error(error) if with_details => Self::Error(detailed(error)),
            other => other,
        }
    }
}

fn detailed(error: Error) -> Error {
    let source = std::error::Error::source(&error);
    let detail = source.and_then(|source| source.downcast_ref::<Detail>());
    let Some(message) = detail.map(|detail| format!("{}: {}", detail.what, detail.text)) else {
        return error;
    };
    error.with_message(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn details_are_for_those_who_may_see_them() {
        let near = Peer::at("127.0.0.1:1".parse().unwrap());
        let far = Peer::at("192.0.2.1:1".parse().unwrap());
        for (mode, at_near, at_far) in [
            (ErrorDetail::Off, false, false),
            (ErrorDetail::LocalOnly, true, false),
            (ErrorDetail::On, true, true),
        ] {
            let shown = [mode.shows(&near), mode.shows(&far)];
            assert_eq!(shown, [at_near, at_far]);
        }
        assert_eq!(ErrorDetail::default(), ErrorDetail::LocalOnly);
    }

    #[test]
    fn a_detail_takes_the_place_of_the_sentence_and_stays_on_one_line() {
        let error = Error::new(ErrorKind::Internal, "it failed; see the log");
        let fault = Fault::Error(error.with_source(Detail::new("it failed", "disk\n0")));
        let text = |fault: Fault| match fault {
            Fault::Error(error) => error.message().to_owned(),
            Fault::App(_) => String::new(),
        };
        assert_eq!(text(fault.clone().shown(false)), "it failed; see the log");
        assert_eq!(text(fault.shown(true)), "it failed: disk\\u{a}0");
    }
}
