//! Sockets that end by a reset: what the system still holds for a peer that is not there is forgotten, and the end
//! gets through although what went before it is not acknowledged.

use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// The outgoing half of a stream that can end by a reset (RFC 9293, section 3.10.5).
pub(crate) trait Reset {
    /// Whether it has a buffer of its own, so that a write which fails may have passed something on.
    const HAS_BUFFER: bool;

    /// Has the stream end so, when the other half is dropped too.
    fn reset(self);
}

impl Reset for OwnedWriteHalf {
    const HAS_BUFFER: bool = false;

    fn reset(self) {
        reset_on_drop(self.as_ref());
        // Dropped, it would say goodbye.
        self.forget();
    }
}

/// Has a socket end by a reset when it is dropped.
pub(crate) fn reset_on_drop(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        // It ends as others do.
        tracing::debug!(%error, "a socket could not be told to end by a reset");
    }
}
