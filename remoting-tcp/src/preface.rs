//! The first eight bytes of a peer, as they come in.
//!
//! They may come one by one. Bytes that belong to another protocol are named, as
//! far as they can be told apart, since whoever reads the error has most likely
//! mixed up two ports or two URLs.

use std::io;

use remoting_core::ErrorKind;
use remoting_core::channel::LinkError;
use remoting_core::wire::{PREFACE, PREFACE_LENGTH, Preface};

/// A peer's preface, as much of it as has come.
#[derive(Debug, Default)]
pub(crate) struct Arriving(Vec<u8>);

impl Arriving {
    /// Takes from the start of `bytes` what belongs to the preface; gives how many bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        let missing = PREFACE_LENGTH.saturating_sub(self.0.len());
        let ours = bytes.get(..missing).unwrap_or(bytes);
        self.0.extend_from_slice(ours);
        ours.len()
    }

    /// Tells whether the preface is whole.
    ///
    /// # Errors
    ///
    /// The peer speaks another protocol, or another major version of this one.
    pub(crate) fn check(&self) -> Result<bool, LinkError> {
        let Ok(bytes) = <[u8; PREFACE_LENGTH]>::try_from(self.0.as_slice()) else {
            return Ok(false);
        };
        match Preface::read(bytes) {
            Preface::Ours { .. } => Ok(true),
            Preface::Other { major } => Err(LinkError::Version(major)),
            Preface::Foreign => Err(foreign(&bytes)),
        }
    }

    /// Judges a peer that closed the connection before its preface was whole.
    ///
    /// # Errors
    ///
    /// It had begun to send one, or something else; `Ok` means that it sent nothing.
    pub(crate) fn check_end(&self) -> Result<(), LinkError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let magic = PREFACE.first_chunk::<4>().map_or(&[][..], |magic| magic);
        if self.0.starts_with(magic) || magic.starts_with(&self.0) {
            return Err(LinkError::Io(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the peer closed the connection within its first eight bytes",
            )));
        }
        Err(foreign(&self.0))
    }
}

/// How other protocols begin, and what to say about each.
const FOREIGN: &[(&[&[u8]], &str)] = &[
    (
        &[
            b"GET ",
            b"POST ",
            b"PUT ",
            b"HEAD ",
            b"DELETE ",
            b"OPTIONS ",
            b"PATCH ",
            b"TRACE ",
            b"CONNECT ",
            b"PRI * HT",
            b"HTTP/",
        ],
        "the peer speaks HTTP, and this is a `tcp://` connection; \
         use an `http://` URL, or the port of a TCP channel",
    ),
    (
        &[b".NET"],
        "the peer speaks the protocol of .NET Remoting, which has other messages; \
         it cannot be called from here, nor call",
    ),
    (
        &[b"<?xml", b"<soap", b"<SOAP", b"<s:Env"],
        "the peer sends XML, as SOAP does, and this is a `tcp://` connection; \
         use an `http://` URL, or the port of a TCP channel",
    ),
    (
        &[b"{", b"["],
        "the peer sends JSON without frames; call through a proxy, or by HTTP",
    ),
    (&[b"SSH-"], "the peer speaks SSH; check the port"),
];

/// How messages of TLS begin: the first of a client, and the complaint of a server.
const TLS: [&[u8]; 2] = [&[0x16, 0x03], &[0x15, 0x03]];

/// Says what a peer seems to speak that began with `bytes`.
fn foreign(bytes: &[u8]) -> LinkError {
    if TLS.iter().any(|start| bytes.starts_with(start)) {
        let what = "the peer speaks TLS, and this connection is clear text; both ends have to use TLS: at \
            the client a `tcps://` URL";
        return LinkError::Refused {
            kind: ErrorKind::TlsRequired,
            what: what.to_owned(),
        };
    }
    let known = FOREIGN
        .iter()
        .find(|(starts, _)| starts.iter().any(|start| bytes.starts_with(start)));
    let text = match known {
        Some((_, text)) => (*text).to_owned(),
        None => format!(
            "the peer speaks another protocol (it began with `{}`); check the address and the port",
            bytes.escape_ascii()
        ),
    };
    LinkError::NotOurProtocol(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arriving(bytes: &[u8]) -> Arriving {
        let mut arriving = Arriving::default();
        arriving.take(bytes);
        arriving
    }

    #[test]
    fn a_preface_may_come_in_any_two_pieces() {
        for at in 0..=PREFACE_LENGTH {
            let (first, second) = PREFACE.split_at(at);
            let mut arriving = arriving(first);
            assert_eq!(arriving.check().unwrap(), at == PREFACE_LENGTH);
            let rest = [second, b"frames"].concat();
            assert_eq!(arriving.take(&rest), second.len());
            assert!(arriving.check().unwrap());
        }
    }

    #[test]
    fn a_newer_minor_version_is_welcome() {
        assert!(arriving(b"RMT1\x01\x09\x00\x00").check().unwrap());
    }

    #[test]
    fn another_major_version_is_told_apart_from_another_protocol() {
        let error = arriving(b"RMT1\x02\x00\x00\x00").check().unwrap_err();
        assert!(matches!(error, LinkError::Version(2)), "{error}");
    }

    #[test]
    fn other_protocols_are_named() {
        for (bytes, name) in [
            (&b"GET / HTTP/1.1\r\n"[..], "HTTP"),
            (b"POST /bank/add HTTP/1.1", "HTTP"),
            (b"PRI * HTTP/2.0\r\n", "HTTP"),
            (b"HTTP/1.1 400 Bad Request", "HTTP"),
            (b".NET\x01\x00\x00\x00", ".NET Remoting"),
            (b"<?xml version=\"1.0\"?>", "SOAP"),
            (b"{\"jsonrpc\":\"2.0\"}", "JSON"),
            (b"SSH-2.0-OpenSSH_9.6", "SSH"),
            (b"220 mail\xFF", "220 mail"),
        ] {
            let error = arriving(bytes).check().unwrap_err();
            assert!(matches!(error, LinkError::NotOurProtocol(_)), "{error:?}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_peer_that_speaks_tls_wants_the_other_side_to_do_so_too() {
        for bytes in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
            b"\x15\x03\x03\x00\x02\x02\x0a\x00",
        ] {
            let error = arriving(bytes).check().unwrap_err();
            let kind = ErrorKind::TlsRequired;
            assert!(
                matches!(&error, LinkError::Refused { kind: k, .. } if *k == kind),
                "{error:?}"
            );
            assert!(error.to_string().contains("tcps://"), "{error}");
        }
    }

    #[test]
    fn a_short_answer_is_named_when_the_connection_ends() {
        let error = arriving(b"\x15\x03\x01\x00\x02\x02\x46")
            .check_end()
            .unwrap_err();
        assert!(error.to_string().contains("TLS"), "{error}");
        for length in 1..PREFACE_LENGTH {
            let error = arriving(&PREFACE[..length]).check_end().unwrap_err();
            assert!(matches!(error, LinkError::Io(_)), "{error:?}");
        }
        assert!(arriving(b"").check_end().is_ok());
    }
}
