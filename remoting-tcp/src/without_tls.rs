//! What the channels need to know of TLS where it is not compiled in.

use std::io;

use remoting_core::Error;
use remoting_core::channel::LinkError;
use tokio::net::TcpStream;

/// What is spoken inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Frames.
    Frames,
    /// HTTP/1.1.
    Http,
}

/// A client that did not get through: there is none.
#[derive(Debug)]
pub enum Refused {
    /// It began with clear text.
    ClearText(TcpStream),
    /// It failed.
    Failed(TcpStream, String),
    /// The socket failed.
    Gone(io::Error),
}

/// The error of a caller whose server did not let this side in: without TLS none has that meaning.
pub fn refusal(_error: &(dyn std::error::Error + 'static), _base: &str) -> Option<Error> {
    None
}

pub(crate) fn ends_link(_error: &io::Error) -> Option<LinkError> {
    None
}
