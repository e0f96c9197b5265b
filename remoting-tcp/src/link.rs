//! A socket, or any other stream of bytes, as a link.
//!
//! Generic over the stream, so that TLS and the tests need nothing of their own.
//! Three things happen here beyond passing bytes on. The preface leaves in the same
//! write as the first frames. The peer's preface is taken off and judged. And a
//! connection that is quiet keeps little memory: the room for reading grows with
//! what comes in, and goes when nothing does.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use remoting_core::channel::{LinkError, LinkReader, LinkWriter};
use remoting_core::wire::PREFACE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::preface::Arriving;
use crate::reset::Reset;
use crate::tls::ends_link;

/// The room that is made for reading from a connection of which nothing is known.
const LEAST_ROOM: usize = 1024;

/// The most that is read at a time. Messages of 64 KiB, with what is around them, come whole and need not be moved.
const MOST_ROOM: usize = 65 * 1024;

/// The largest empty buffer that a connection keeps while it waits.
const KEPT: usize = 4 * 1024;

/// The incoming half: checks the peer's preface, then passes bytes on.
#[derive(Debug)]
pub(crate) struct StreamReader<R> {
    stream: R,
    /// The peer's preface, until it is whole.
    arriving: Option<Arriving>,
    /// How much room the next read gets at least.
    room: usize,
}

impl<R: AsyncRead + Unpin> StreamReader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self {
            stream,
            arriving: Some(Arriving::default()),
            room: LEAST_ROOM,
        }
    }

    /// Reads once, at the end of `buffer`.
    fn fill(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        // Who has made room already knows how much is to come.
        let spare = buffer.capacity().saturating_sub(buffer.len());
        if buffer.is_empty() || spare < LEAST_ROOM {
            buffer.reserve(self.room);
        }
        let offered = buffer
            .capacity()
            .saturating_sub(buffer.len())
            .min(MOST_ROOM);
        let read = pin!(self.stream.read_buf(&mut buffer.limit(offered))).poll(cx);
        match &read {
            Poll::Pending if buffer.is_empty() && buffer.capacity() > KEPT => *buffer = Vec::new(),
            Poll::Ready(Ok(count)) => self.learn(*count, offered),
            Poll::Pending | Poll::Ready(Err(_)) => {}
        }
        read
    }

    /// Fits the room for the next read to what the last one brought.
    fn learn(&mut self, count: usize, offered: usize) {
        if count == offered {
            let more = offered.saturating_mul(2).min(MOST_ROOM);
            self.room = self.room.max(more);
        } else if count < self.room / 4 && offered >= self.room {
            self.room = (self.room / 2).max(LEAST_ROOM);
        }
    }

    /// What an error of the stream means. A peer that has not spoken may have let this side not in.
    fn end_of(&self, error: io::Error) -> LinkError {
        let refused = self.arriving.as_ref().and_then(|_| ends_link(&error));
        refused.unwrap_or(LinkError::Io(error))
    }

    /// Takes the peer's preface off the bytes after `start`; tells whether it was the last of it.
    fn greet(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<bool, LinkError> {
        let Some(arriving) = &mut self.arriving else {
            return Ok(true);
        };
        let came = buffer.get(start..).unwrap_or_default();
        if came.is_empty() {
            arriving.check_end()?;
            return Ok(true);
        }
        let taken = arriving.take(came);
        let whole = arriving.check()?;
        buffer.drain(start..start.saturating_add(taken));
        if whole {
            self.arriving = None;
        }
        Ok(whole && buffer.len() > start)
    }
}

impl<R: AsyncRead + Unpin + Send> LinkReader for StreamReader<R> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<usize, LinkError>> {
        loop {
            let start = buffer.len();
            let filled = ready!(self.fill(cx, buffer));
            let count = filled.map_err(|error| self.end_of(error))?;
            if self.arriving.is_none() {
                return Poll::Ready(Ok(count));
            }
            if self.greet(buffer, start)? {
                return Poll::Ready(Ok(buffer.len().saturating_sub(start)));
            }
        }
    }
}

/// The outgoing half: puts the preface in front of the first bytes.
#[derive(Debug)]
pub(crate) struct StreamWriter<W> {
    stream: W,
    /// What the peer does not have of our preface.
    preface: &'static [u8],
    /// How many bytes the stream took and may still keep back, some or all: they count when it does not.
    kept: usize,
}

impl<W: AsyncWrite + Unpin> StreamWriter<W> {
    pub(crate) fn new(stream: W) -> Self {
        Self {
            stream,
            preface: &PREFACE,
            kept: 0,
        }
    }

    /// Takes bytes, in one piece or several, with the preface in front of the first ones.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while !self.preface.is_empty() {
            let first = pieces.iter().find(|piece| !piece.is_empty());
            let bytes: &[u8] = first.map_or(&[], |first| first);
            let both = [IoSlice::new(self.preface), IoSlice::new(bytes)];
            let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &both))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_bytes = count.saturating_sub(self.preface.len());
            self.preface = self.preface.get(count..).unwrap_or_default();
            if of_bytes > 0 {
                return Poll::Ready(Ok(of_bytes));
            }
        }
        match pieces {
            [piece] => Pin::new(&mut self.stream).poll_write(cx, piece),
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, pieces),
        }
    }
}

impl<W: AsyncWrite + Reset + Unpin + Send> LinkWriter for StreamWriter<W> {
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.kept == 0 {
            let taken = ready!(self.poll_take(cx, pieces));
            if taken.is_err() && W::HAS_BUFFER {
                self.kept = pieces.iter().map(|piece| piece.len()).sum();
            }
            self.kept = taken?;
        }
        // A socket keeps nothing back; TLS does when the socket is full.
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.kept)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn kept_back(&self) -> usize {
        self.kept
    }

    fn reset(self: Box<Self>) {
        self.stream.reset();
    }
}

#[cfg(test)]
mod tests;
