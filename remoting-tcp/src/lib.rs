//! The TCP channel of [`remoting`](https://docs.rs/remoting): objects at
//! `tcp://host:port/name`.
//!
//! A connection is one socket. Each side opens it with eight bytes that name the
//! protocol and its version, in the same write as its first frames, and checks the
//! eight bytes of the other; after that the socket carries frames both ways, about
//! which this crate knows nothing. What it sends is clear text: it listens on the
//! machine's own addresses only, unless it is told to
//! [`allow_plaintext`](TcpChannel::allow_plaintext).
//!
//! Users get all this as `remoting::TcpChannel`.
//!
//! # Layout
//!
//! - `channel`: the settings, and the seam to the host
//! - `dial`, `listen`: how sockets come to be
//! - `link`: a socket as a duplex of frames
//! - `preface`: the first eight bytes, and what else may have knocked

mod channel;
mod dial;
mod link;
mod listen;
mod preface;

pub use channel::TcpChannel;

/// How sockets come to be, for the other channels of this family. Promised to nobody else.
#[doc(hidden)]
pub mod sockets {
    pub use crate::dial::{check_port, dial};
    pub use crate::listen::{AcceptGuard, Farewells, ListenAt, accept_all, needs_runtime, tune};
}
