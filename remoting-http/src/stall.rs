//! A stream whose other end has to take what is sent: a client that asks and never reads would be
//! kept, with its answer, for ever.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The error of a client that took nothing of its answer for too long.
#[derive(Debug)]
struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client took nothing of its answer for too long")
    }
}

impl Error for Stalled {}

/// Whether that is what an error comes from.
pub(crate) fn is_stall(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<Stalled>()) || error.source().is_some_and(is_stall)
}

/// Fails when nothing of what is written has been taken for too long. TLS takes a short answer whole and
/// keeps it back, which only a flush tells.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Ends the patience, while the other end takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            stalled: None,
        }
    }

    /// The stream itself, for whoever watches it from now on.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Stalled)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, duplex};
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_one_that_reads_is_not() {
        let (near, mut far) = duplex(4);
        let mut near = Patient::new(near, Duration::from_secs(10));
        let reading = tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                far.read_exact(&mut [0; 4]).await.unwrap();
            }
            far
        });
        let begin = Instant::now();
        near.write_all(&[7; 16]).await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), 27);
        let _far = reading.await.unwrap();
        let error = near.write_all(&[7; 4]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begin.elapsed().as_secs(), 37);
        assert!(is_stall(&error));
        assert!(!is_stall(&io::Error::from(io::ErrorKind::TimedOut)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_what_its_stream_has_kept_back_is_given_up() {
        for closing in [false, true] {
            let (near, _far) = duplex(4);
            let near = BufWriter::with_capacity(64, near);
            let mut near = Patient::new(near, Duration::from_secs(10));
            let begin = Instant::now();
            near.write_all(&[7; 8]).await.unwrap();
            let sent = async {
                match closing {
                    false => near.flush().await,
                    true => near.shutdown().await,
                }
            };
            let sent = timeout(Duration::from_secs(60), sent).await;
            assert!(is_stall(&sent.unwrap().unwrap_err()));
            assert_eq!(begin.elapsed().as_secs(), 10);
        }
    }
}
