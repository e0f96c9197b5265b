//! Where a channel listens: from what its owner asks for to a bound socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use remoting_core::channel::Acceptor;
use remoting_core::{Error, ErrorKind};
use tokio::net::{TcpListener, lookup_host};

use crate::accept::needs_runtime;
use crate::exposure::{Allowed, Exposed, Shelter};

/// Where a channel listens: what its owner has asked for, and which address that became.
#[derive(Debug, Clone, Default)]
pub struct ListenAt {
    wanted: Option<String>,
    /// The address that was bound first; a channel that listens again does so there.
    bound: OnceLock<SocketAddr>,
    allowed: Allowed,
}

impl ListenAt {
    /// - `address`: `host:port`; port 0 takes any free one. The default value listens nowhere.
    pub fn new(address: impl ToString) -> Self {
        Self {
            wanted: Some(address.to_string()),
            ..Self::default()
        }
    }

    /// Lets addresses beyond this machine be bound, whatever the host says of them.
    pub fn allow_plaintext(&mut self) {
        self.allowed.plaintext = true;
    }

    /// Whether its owner has said that clear text may leave this machine.
    pub fn allows_plaintext(&self) -> bool {
        self.allowed.plaintext
    }

    /// Lets addresses beyond this machine be bound although callers do not say who they are.
    pub fn allow_anonymous(&mut self) {
        self.allowed.anonymous = true;
    }

    /// Binds the address, the same one each time, and gives it; nothing where none is wanted.
    ///
    /// - `scheme`: that of the channel, for errors.
    /// - `acceptor`: says what the host allows.
    /// - `shelter`: what there is besides.
    ///
    /// # Errors
    ///
    /// - `ChannelTaken`: something listens there.
    /// - `Config`: the address cannot be used, or there is no runtime.
    pub async fn bind(
        &self,
        scheme: &str,
        acceptor: &Acceptor,
        shelter: Shelter,
    ) -> Result<Option<(TcpListener, SocketAddr)>, Error> {
        let Some(wanted) = &self.wanted else {
            return Ok(None);
        };
        needs_runtime()?;
        let allowed = Allowed {
            plaintext: self.allowed.plaintext || acceptor.allow_plaintext(),
            anonymous: self.allowed.anonymous || acceptor.allow_anonymous(),
        };
        let exposed = Exposed::of(shelter, allowed);
        let listener = match self.bound.get() {
            Some(bound) => bind(scheme, &bound.to_string(), exposed).await?,
            None => bind(scheme, wanted, exposed).await?,
        };
        let bound = listener.local_addr().map_err(|error| {
            let text = format!("cannot tell which address `{wanted}` became ({error})");
            Error::new(ErrorKind::Config, text).with_source(error)
        })?;
        Ok(Some((listener, *self.bound.get_or_init(|| bound))))
    }
}

/// Binds the first of the addresses of `address` that can be bound.
///
/// - `scheme`: that of the channel, for errors.
/// - `address`: `host:port`; port 0 takes any free one.
/// - `exposed`: what becomes of addresses that other machines reach.
///
/// # Errors
///
/// `ChannelTaken` if something listens there, `Config` if the address cannot be used.
async fn bind(scheme: &str, address: &str, exposed: Exposed) -> Result<TcpListener, Error> {
    let addresses: Vec<SocketAddr> = lookup_host(address)
        .await
        .map_err(|error| unreadable(address, error))?
        .collect();
    let outside = addresses.iter().find(|address| !is_loopback(address.ip()));
    match (outside, exposed) {
        (Some(outside), Exposed::Refused(advice)) => {
            return Err(beyond_this_machine(address, *outside, advice));
        }
        (Some(outside), Exposed::Allowed(what)) => {
            tracing::warn!(address = %outside, "listening where other machines reach it; the channel {what}, as was allowed");
        }
        (Some(_), Exposed::Nothing) | (None, _) => {}
    }
    TcpListener::bind(addresses.as_slice())
        .await
        .map_err(|error| unbindable(scheme, address, error))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn unreadable(address: &str, error: io::Error) -> Error {
    let text = format!(
        "`{address}` is no address to listen on ({error}); \
         write it like `127.0.0.1:8080`, with port 0 for any free one"
    );
    Error::new(ErrorKind::Config, text).with_source(error)
}

fn beyond_this_machine(address: &str, outside: SocketAddr, advice: &str) -> Error {
    let also = if address == outside.to_string() {
        String::new()
    } else {
        format!(" ({outside})")
    };
    let text =
        format!("`{address}`{also} can be reached from other machines, and this channel {advice}");
    Error::new(ErrorKind::Config, text)
}

fn unbindable(scheme: &str, address: &str, error: io::Error) -> Error {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            ErrorKind::ChannelTaken,
            "something listens there already; stop it, or choose another port, 0 for any free one",
        ),
        io::ErrorKind::AddrNotAvailable => {
            (ErrorKind::Config, "the address is none of this machine's")
        }
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Config,
            "the system does not allow it; ports from 1024 on need no rights",
        ),
        _ => (ErrorKind::Config, "the system refused"),
    };
    let text = format!("cannot listen on `{scheme}://{address}`: {advice} ({error})");
    Error::new(kind, text).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Exposed = Exposed::Refused("is open");

    #[tokio::test]
    async fn addresses_beyond_this_machine_need_tls_and_authentication_or_have_to_be_allowed() {
        for (is_secure, knows_callers, advice) in [
            (
                false,
                false,
                Some("use TLS and authentication, or call `allow_plaintext()`"),
            ),
            (false, true, Some("use TLS, or call `allow_plaintext()`")),
            (true, false, Some("call `allow_anonymous()`")),
            (true, true, None),
        ] {
            let shelter = Shelter {
                is_secure,
                knows_callers,
            };
            let exposed = Exposed::of(shelter, Allowed::default());
            assert!(bind("tcp", "localhost:0", exposed).await.is_ok());
            for address in ["0.0.0.0:0", "[::]:0"] {
                let bound = bind("tcp", address, exposed).await;
                match advice {
                    None => assert!(bound.is_ok()),
                    Some(advice) => {
                        let error = bound.unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::Config);
                        assert!(error.message().contains(advice), "{error}");
                    }
                }
            }
        }
        assert!(is_loopback("::ffff:127.0.0.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn an_address_in_use_is_told_from_one_that_cannot_be_used() {
        let first = bind("tcp", "127.0.0.1:0", REFUSED).await.unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = bind("tcp", &address, REFUSED).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChannelTaken);
        assert!(error.message().contains(&address), "{error}");
        for address in ["here", "127.0.0.1", "tcp://127.0.0.1:0", "192.0.2.1:0"] {
            assert_eq!(
                bind("tcp", address, Exposed::Nothing)
                    .await
                    .unwrap_err()
                    .kind(),
                ErrorKind::Config,
                "{address}"
            );
        }
    }
}
