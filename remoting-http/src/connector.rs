//! From the address of a request to a connection: the dialling of the channels, as the pool wants it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use remoting_core::channel::BoxFuture;
use remoting_core::{Error, ErrorKind};
use remoting_tcp::sockets::{Protocol, Security, Socket, dial, tune};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::address::{is_secure, with_port};

/// Opens connections to servers.
#[derive(Debug, Clone)]
pub(crate) struct Connector(Arc<Security>);

impl Connector {
    pub(crate) fn new(security: Arc<Security>) -> Self {
        Self(security)
    }
}

/// Opens a connection through TLS or not, as the scheme says.
///
/// # Errors
///
/// `ConnectFailed`, `TlsRequired`, `Unauthenticated`, `Config`.
pub(crate) async fn connect(
    security: &Security,
    scheme: &str,
    authority: &str,
) -> Result<Socket, Error> {
    let stream = dial(scheme, &with_port(scheme, authority)).await?;
    tune(&stream);
    // The scheme without TLS is the same word without its last letter.
    let plain = match is_secure(scheme) {
        true => scheme.trim_end_matches('s'),
        false => scheme,
    };
    let place = (scheme, authority);
    security.connect(stream, place, plain, Protocol::Http).await
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Way>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let security = Arc::clone(&self.0);
        Box::pin(async move {
            let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
                return Err(Error::new(
                    ErrorKind::InvalidUrl,
                    "a request has no address",
                ));
            };
            let socket = connect(&security, scheme, authority.as_str()).await?;
            Ok(TokioIo::new(Way(socket)))
        })
    }
}

/// A connection of the pool.
#[derive(Debug)]
pub(crate) struct Way(Socket);

impl Connection for Way {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Way {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Way {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
