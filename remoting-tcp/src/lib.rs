//! The TCP channel of [`remoting`](https://docs.rs/remoting): objects at
//! `tcp://host:port/name`.
//!
//! A connection is one socket. Each side opens it with eight bytes that name the
//! protocol and its version, in the same write as its first frames, and checks the
//! eight bytes of the other; after that the socket carries frames both ways, about
//! which this crate knows nothing. With the feature `tls` all this can go through TLS, and
//! the URLs are `tcps://host:port/name`. Without it the channel sends clear text: it listens on the
//! machine's own addresses only, unless it is told to
//! [`allow_plaintext`](TcpChannel::allow_plaintext).
//!
//! Users get all this as `remoting::TcpChannel`.
//!
//! # Layout
//!
//! - `channel`: the settings, and the seam to the host
//! - `dial`, `listen`, `accept`: how sockets come to be; `exposure`: who could do what with them
//! - `link`: a socket as a duplex of frames
//! - `preface`: the first eight bytes, and what else may have knocked
//! - `reset`: sockets whose peers are not there any more
//! - `tls`: keys, certificates and trust; `security`: a socket, through TLS or not

mod accept;
mod channel;
mod dial;
mod exposure;
mod link;
mod listen;
mod preface;
mod reset;
mod security;
#[cfg(feature = "_tls")]
mod tls;
#[cfg(not(feature = "_tls"))]
#[path = "without_tls.rs"]
mod tls;

pub use channel::TcpChannel;
#[cfg(feature = "_tls")]
pub use tls::{ClientTls, Cryptography, Pem, ServerTls};

/// How sockets come to be, for the other channels of this family. Promised to nobody else.
#[doc(hidden)]
pub mod sockets {
    pub use crate::accept::{AcceptGuard, Farewells, accept_all, needs_runtime, tune};
    pub use crate::dial::{check_port, dial};
    pub use crate::exposure::Shelter;
    pub use crate::listen::ListenAt;
    pub use crate::security::{Security, Socket, Unwelcome, accept_secure};
    pub use crate::tls::{Protocol, refusal};
}
