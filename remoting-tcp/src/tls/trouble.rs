//! What went wrong with TLS, in words for whoever can act.
//!
//! The one who failed to prove who he is learns no more than TLS itself tells him; the other
//! side's log has the reason.

use std::io;

use remoting_core::channel::LinkError;
use remoting_core::{Error, ErrorKind};
use tokio_rustls::rustls::{
    AlertDescription as Alert, CertificateError as Bad, Error as TlsError, OtherError,
    PeerIncompatible,
};

use super::Pem;

/// What TLS has to say of an error of a socket; nothing if it is another's.
fn of(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// The end of a link whose peer did not let this side in, if that is what an error means.
///
/// With TLS 1.3 a server judges the client's certificate when the client has begun to speak already.
pub(crate) fn ends_link(error: &io::Error) -> Option<LinkError> {
    let (kind, what) = turned_away(of(error)?)?;
    let what = what.to_owned();
    Some(LinkError::Refused { kind, what })
}

/// The error of a caller whose server did not let this side in, if that is what an error means or comes from.
///
/// - `base`: the server's URL.
pub fn refusal(error: &(dyn std::error::Error + 'static), base: &str) -> Option<Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let of_socket = error.downcast_ref::<io::Error>().and_then(of);
        if let Some((kind, what)) = of_socket
            .or_else(|| error.downcast_ref())
            .and_then(turned_away)
        {
            let text = format!("`{base}` did not let this side in: {what}");
            return Some(Error::new(kind, text));
        }
        // An error of a socket has the wrapped one's source for its own, and hides the wrapped one.
        cause = error.source();
    }
    None
}

/// What a server that lets nobody in without a certificate says by its last words.
fn turned_away(error: &TlsError) -> Option<(ErrorKind, &'static str)> {
    let TlsError::AlertReceived(alert) = error else {
        return None;
    };
    Some(match alert {
        Alert::CertificateRequired => (
            ErrorKind::Unauthenticated,
            "it wants a certificate from its clients; show one with `ClientTls::identity`",
        ),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::DecryptError
        | Alert::AccessDenied => (
            ErrorKind::Unauthenticated,
            "it does not accept the certificate of this side; its log has the reason",
        ),
        _ => return None,
    })
}

/// The error of a client that could not get through the handshake.
///
/// - `base`: the server's URL.
/// - `plain`: the scheme that has no TLS.
pub(super) fn unconnected(error: io::Error, base: &str, plain: &str) -> Error {
    let (kind, text) = match of(&error) {
        Some(reason) => {
            if let Some(refused) = refusal(&error, base) {
                return refused.with_source(error);
            }
            unconnected_for(reason, base, plain)
        }
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => (
                ErrorKind::TlsRequired,
                format!(
                    "`{base}` closed the connection without a word of TLS; use a `{plain}://` URL if that \
                     port speaks clear text, and the network is trusted"
                ),
            ),
            _ => (
                ErrorKind::ConnectFailed,
                format!("the connection to `{base}` broke while TLS began ({error})"),
            ),
        },
    };
    Error::new(kind, text).with_source(error)
}

fn unconnected_for(reason: &TlsError, base: &str, plain: &str) -> (ErrorKind, String) {
    match reason {
        TlsError::InvalidMessage(_) => (
            ErrorKind::TlsRequired,
            format!(
                "`{base}` answers in clear text; use the port of a channel with TLS, or a `{plain}://` URL \
                 if the network is trusted"
            ),
        ),
        TlsError::InvalidCertificate(bad) => {
            let text = format!(
                "the certificate of `{base}` is not accepted: {}",
                why(bad, true)
            );
            (ErrorKind::ConnectFailed, text)
        }
        TlsError::NoApplicationProtocol | TlsError::AlertReceived(Alert::NoApplicationProtocol) => {
            (
                ErrorKind::ConnectFailed,
                format!(
                    "`{base}` speaks TLS, and another protocol inside it; check scheme and port"
                ),
            )
        }
        other => (
            ErrorKind::ConnectFailed,
            format!("`{base}` and this side could not agree on TLS ({other})"),
        ),
    }
}

/// What is wrong with a certificate, and what its owner can do.
///
/// - `of_server`: whether it is a server's.
fn why(bad: &Bad, of_server: bool) -> String {
    let text = match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => "it has expired; renew it",
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "it is not valid yet; check the clocks of both machines"
        }
        Bad::Revoked => "it was revoked; get a new one",
        Bad::UnknownIssuer if of_server => {
            "nobody whom this side trusts has issued it; give its issuer with `ClientTls::roots`"
        }
        Bad::UnknownIssuer => {
            "nobody whom this side trusts has issued it; give its issuer with `ServerTls::client_roots`"
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "it is another server's: the name of the URL is none of its names"
        }
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => "it is for another purpose",
        Bad::Other(other) => return of_other(other),
        other => return format!("{other}"),
    };
    text.to_owned()
}

/// The error of a certificate and a key that cannot be used together.
pub(super) fn unfit(chain: &Pem, key: &Pem, error: &TlsError) -> Error {
    match error {
        TlsError::InconsistentKeys(_) => chain.wrong(&format!("and {key} do not belong together")),
        TlsError::InvalidCertificate(Bad::Other(other)) => chain.wrong(&format!(
            "holds a certificate that cannot be used ({})",
            of_other(other)
        )),
        other => chain.wrong(&format!("and {key} cannot be used ({other})")),
    }
}

/// What other libraries have to say of a certificate.
fn of_other(other: &OtherError) -> String {
    let text = format!("{other:?}");
    if text.contains("CaUsedAsEndEntity") {
        return "it is an issuer's own, which shows it to nobody but those who trust it; have it sign one for the server, or \
                make one with `basicConstraints=CA:FALSE`"
            .to_owned();
    }
    if text.contains("UnsupportedCertVersion") {
        return "it is of version 1; make one of version 3, which has the names of its owner"
            .to_owned();
    }
    text
}

/// What the operator of a server is told of a client that could not get through the handshake.
pub(super) fn unwelcome(error: &io::Error) -> String {
    match of(error) {
        Some(TlsError::NoCertificatesPresented) => {
            "it showed no certificate, and clients have to".to_owned()
        }
        Some(TlsError::InvalidCertificate(bad)) => {
            format!("its certificate is not accepted: {}", why(bad, false))
        }
        Some(TlsError::AlertReceived(
            Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown,
        )) => "it does not accept the certificate of this side; its own error has the reason"
            .to_owned(),
        Some(TlsError::AlertReceived(alert)) => format!("it gave up ({alert:?})"),
        Some(TlsError::NoApplicationProtocol) => {
            "it speaks another protocol inside TLS; check its scheme and port".to_owned()
        }
        Some(TlsError::PeerIncompatible(PeerIncompatible::Tls12NotOffered)) => {
            "its version of TLS is older than 1.2".to_owned()
        }
        Some(other) => other.to_string(),
        None => format!("the connection broke while TLS began ({error})"),
    }
}
