//! From a socket to a stream of bytes, through TLS or not.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use remoting_core::channel::{Acceptor, Lines};
use remoting_core::{Certificate, Error, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::reset::reset_on_drop;
#[cfg(feature = "_tls")]
use crate::tls::{ClientTls, ServerTls};
use crate::tls::{Protocol, Refused};

/// What a channel does about TLS: at its listening side, and where it dials.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// How it listens with TLS, if it does.
    #[cfg(feature = "_tls")]
    pub server: Option<ServerTls>,
    /// How it dials URLs with TLS.
    #[cfg(feature = "_tls")]
    pub client: ClientTls,
}

/// A socket whose peer has not got through TLS, and may still be told something.
#[derive(Debug)]
pub enum Unwelcome {
    /// The peer speaks in clear text. What it sent is unread.
    ClearText(TcpStream),
    /// The peer knows what TLS has told it.
    Failed(TcpStream),
}

/// Takes in a socket that was accepted, within the time that a handshake has and until the host
/// [cuts](Acceptor::cut) what is under way, and tells the operator
/// of those who do not get through. Gives the certificate that the peer has shown.
///
/// # Errors
///
/// The peer has not got through.
pub async fn accept_secure(
    security: &Security,
    acceptor: &Acceptor,
    stream: TcpStream,
    peer: &Peer,
    protocol: Protocol,
) -> Result<(Socket, Option<Certificate>), Option<Unwelcome>> {
    static LINES: Lines = Lines::new();
    let patience = acceptor.limits().handshake_time;
    let mut accepting = pin!(timeout(patience, security.accept(stream, protocol)));
    let mut cut = acceptor.cut();
    let accepted = poll_fn(|cx| match accepting.as_mut().poll(cx) {
        Poll::Pending => cut.as_mut().poll(cx).map(|()| None),
        ready => ready.map(Some),
    });
    let refused = match accepted.await {
        Some(Ok(Ok(accepted))) => return Ok(accepted),
        Some(Ok(Err(refused))) => refused,
        Some(Err(_)) => {
            acceptor.counters().handshake_time.add();
            return Err(None);
        }
        None => return Err(None),
    };
    let (why, unwelcome) = match refused {
        Refused::ClearText(stream) => {
            let why = "it speaks in clear text, and this port has TLS; give it a URL with `tcps://` or `https://`";
            (why.to_owned(), Unwelcome::ClearText(stream))
        }
        Refused::Failed(stream, why) => (why, Unwelcome::Failed(stream)),
        Refused::Gone(_) => return Err(None),
    };
    if LINES.is_free() {
        tracing::warn!(target: "remoting::tls", %peer, "a connection was turned away: {why}");
    }
    Err(Some(unwelcome))
}

/// A stream of bytes.
#[derive(Debug)]
pub enum Socket {
    /// As the system has it.
    Plain(TcpStream),
    /// Through TLS.
    #[cfg(feature = "_tls")]
    Secure(Box<tokio_rustls::TlsStream<TcpStream>>),
}

impl Socket {
    /// Has it end by a reset when it is dropped.
    pub fn reset_on_drop(&mut self) {
        match self {
            Self::Plain(stream) => reset_on_drop(stream),
            #[cfg(feature = "_tls")]
            Self::Secure(stream) => reset_on_drop(stream.get_ref().0),
        }
    }
}

#[cfg(feature = "_tls")]
impl Security {
    /// Whether the listening side speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.server.is_some()
    }

    /// Whether the listening side lets in only those who prove by a certificate who they are.
    pub fn knows_clients(&self) -> bool {
        self.server.as_ref().is_some_and(ServerTls::knows_clients)
    }

    /// Checks what the listening side shows, and whom the other one trusts if that was said.
    ///
    /// # Errors
    ///
    /// `Config` if it cannot be used.
    pub fn check(&self) -> Result<(), Error> {
        self.server.as_ref().map_or(Ok(()), ServerTls::check)?;
        self.client.check()
    }

    /// Takes in a socket that was accepted. Gives the certificate that its peer has shown.
    ///
    /// # Errors
    ///
    /// The peer has not got through TLS.
    pub async fn accept(
        &self,
        stream: TcpStream,
        protocol: Protocol,
    ) -> Result<(Socket, Option<Certificate>), Refused> {
        let Some(server) = &self.server else {
            return Ok((Socket::Plain(stream), None));
        };
        let (stream, owner) = server.accept(stream, protocol).await?;
        Ok((Socket::Secure(Box::new(stream.into())), owner))
    }

    /// Goes on with a socket that was dialled.
    ///
    /// - `plain`: the scheme that has no TLS.
    ///
    /// # Errors
    ///
    /// Those of [`ClientTls::connect`].
    pub async fn connect(
        &self,
        stream: TcpStream,
        (scheme, authority): (&str, &str),
        plain: &str,
        protocol: Protocol,
    ) -> Result<Socket, Error> {
        if scheme == plain {
            return Ok(Socket::Plain(stream));
        }
        let client = &self.client;
        let stream = client
            .connect(stream, (scheme, authority), plain, protocol)
            .await?;
        Ok(Socket::Secure(Box::new(stream.into())))
    }
}

#[cfg(not(feature = "_tls"))]
impl Security {
    /// Whether the listening side speaks TLS.
    pub fn is_secure(&self) -> bool {
        false
    }

    /// Whether the listening side lets in only those who prove by a certificate who they are.
    pub fn knows_clients(&self) -> bool {
        false
    }

    /// Checks what the listening side shows.
    pub fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Takes in a socket that was accepted.
    pub async fn accept(
        &self,
        stream: TcpStream,
        _protocol: Protocol,
    ) -> Result<(Socket, Option<Certificate>), Refused> {
        Ok((Socket::Plain(stream), None))
    }

    /// Goes on with a socket that was dialled.
    ///
    /// # Errors
    ///
    /// `TlsRequired` for a scheme with TLS.
    pub async fn connect(
        &self,
        stream: TcpStream,
        (scheme, authority): (&str, &str),
        plain: &str,
        _protocol: Protocol,
    ) -> Result<Socket, Error> {
        if scheme == plain {
            return Ok(Socket::Plain(stream));
        }
        let text = format!(
            "`{scheme}://{authority}` has TLS, and this program was built without it; enable the feature \
             `tls` of `remoting`"
        );
        Err(Error::new(remoting_core::ErrorKind::TlsRequired, text))
    }
}

/// Calls a method of the stream, whichever it is.
macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket.get_mut() {
            Socket::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            #[cfg(feature = "_tls")]
            Socket::Secure($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
