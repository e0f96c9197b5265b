//! TLS under the channels: what a side shows, whom it trusts, and how a socket becomes a secure one.
//!
//! The scheme of a URL decides whether there is TLS, and nothing falls back: `tcps` and `https` have it,
//! `tcp` and `http` do not. Versions are 1.2 and 1.3, without early data. The library never
//! installs a provider of cryptography for the process; each configuration has its own.
//!
//! - `pem`: where keys and certificates come from
//! - `material`: what was made of them, until they change
//! - `server`, `client`: the two sides
//! - `half`: a secure socket, read and written by two
//! - `owner`: what a certificate says of its owner
//! - `trouble`: what went wrong, in words for whoever can act

mod client;
mod half;
mod material;
mod owner;
mod pem;
mod server;
mod trouble;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;

pub use client::ClientTls;
pub(crate) use half::Half;
pub use pem::Pem;
pub use server::{Refused, ServerTls};
pub(crate) use trouble::ends_link;
pub use trouble::refusal;

/// What is spoken inside TLS, as both sides tell each other before they speak it (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Frames.
    Frames,
    /// HTTP/1.1, for requests and WebSockets.
    Http,
}

impl Protocol {
    fn names(self) -> Vec<Vec<u8>> {
        match self {
            Self::Frames => vec![b"rmt/1".to_vec()],
            Self::Http => vec![b"http/1.1".to_vec()],
        }
    }
}

/// Who does the cryptography.
///
/// Which there are is decided by the features `tls` (ring) and `tls-aws-lc`; the default is ring
/// where both are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cryptography {
    /// The crate `ring`.
    #[cfg(feature = "tls")]
    Ring,
    /// The crate `aws-lc-rs`.
    #[cfg(feature = "tls-aws-lc")]
    AwsLc,
}

impl Default for Cryptography {
    #[cfg(feature = "tls")]
    fn default() -> Self {
        Self::Ring
    }

    #[cfg(not(feature = "tls"))]
    fn default() -> Self {
        Self::AwsLc
    }
}

impl Cryptography {
    fn provider(self) -> Arc<CryptoProvider> {
        Arc::new(match self {
            #[cfg(feature = "tls")]
            Self::Ring => tokio_rustls::rustls::crypto::ring::default_provider(),
            #[cfg(feature = "tls-aws-lc")]
            Self::AwsLc => tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(),
        })
    }
}
