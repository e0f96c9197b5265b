//! A WebSocket as a link: each message is one frame without the three bytes of its length
//! (PROTOCOL.md, rule H14).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use remoting_core::Peer;
use remoting_core::channel::{Link, LinkError, LinkReader, LinkWriter};
use remoting_core::formatter::FormatterRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The bytes of a frame's head, of which the first three hold the length of the body.
const HEAD: usize = 4;
const LENGTH: usize = 3;

/// The most that is passed on at a time, in either direction.
const AT_ONCE: usize = 64 * 1024;

/// The room for reading from a socket, which is there for each connection.
const ROOM: usize = 4 * 1024;

/// Bounds of a WebSocket.
///
/// - `max_frame`: the longest body of a frame, in bytes, in either direction.
pub(crate) fn bounds(max_frame: usize) -> WebSocketConfig {
    let most = Some(max_frame.saturating_add(HEAD - LENGTH));
    // A frame that has begun, what is passed on with its end and the heads of its messages; and answers to pings, which
    // nobody may read.
    let waiting = max_frame.saturating_add(5 * AT_ONCE);
    WebSocketConfig::default()
        .read_buffer_size(ROOM)
        .write_buffer_size(AT_ONCE)
        .max_write_buffer_size(waiting)
        .max_message_size(most)
        .max_frame_size(most)
}

/// Makes a link of a WebSocket.
///
/// - `reset_on_drop`: has the stream end by a reset when it is dropped.
/// - `formatter`: how this side's calls are written.
pub(crate) fn link<S>(
    socket: WebSocketStream<S>,
    reset_on_drop: fn(&mut S),
    peer: Peer,
    formatter: FormatterRef,
) -> Link
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let socket = Shared(Arc::new(Mutex::new(socket)));
    Link {
        reader: Box::new(MessageReader {
            socket: socket.clone(),
            rest: Bytes::new(),
        }),
        writer: Box::new(MessageWriter {
            socket,
            reset_on_drop,
            frame: Vec::new(),
            unflushed: 0,
        }),
        peer,
        formatter: Some(formatter),
    }
}

/// A socket with two halves: what comes in may have to be answered.
struct Shared<S>(Arc<Mutex<WebSocketStream<S>>>);

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, WebSocketStream<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The incoming half: from messages to frames.
struct MessageReader<S> {
    socket: Shared<S>,
    /// What has come and was not passed on.
    rest: Bytes,
}

impl<S> LinkReader for MessageReader<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<usize, LinkError>> {
        let before = buffer.len();
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut *self.socket.lock()).poll_next(cx)) {
                Some(Ok(Message::Binary(message))) => {
                    buffer.extend(length_of(&message)?);
                    self.rest = message;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_) | Message::Frame(_))) => {
                    return Poll::Ready(Err(no_frame(
                        "a message is a text, and frames are binary",
                    )));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(0)),
                Some(Err(error)) => return Poll::Ready(ended(error)),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(AT_ONCE));
        buffer.extend_from_slice(&piece);
        Poll::Ready(Ok(buffer.len().saturating_sub(before)))
    }
}

/// The three bytes that a message goes without.
fn length_of(message: &[u8]) -> Result<[u8; LENGTH], LinkError> {
    let body = message.len().checked_sub(HEAD - LENGTH);
    let length = body.and_then(|body| u32::try_from(body).ok());
    match length.map(u32::to_le_bytes) {
        Some([low, middle, high, 0]) => Ok([low, middle, high]),
        _ => Err(no_frame("a message has a length that no frame has")),
    }
}

/// The end of a peer that sends what is no frame. Its calls may have run before.
fn no_frame(what: &str) -> LinkError {
    LinkError::NotOurProtocol(what.to_owned())
}

fn ended(error: Error) -> Result<usize, LinkError> {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ok(0),
        // Another connection would bring no more sense.
        nonsense @ (Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_)) => {
            Err(LinkError::NotOurProtocol(nonsense.to_string()))
        }
        other => Err(LinkError::Io(broken(other))),
    }
}

/// The outgoing half: from frames to messages.
struct MessageWriter<S> {
    socket: Shared<S>,
    reset_on_drop: fn(&mut S),
    /// The frame that is not whole yet.
    frame: Vec<u8>,
    /// How many bytes were taken whose messages may not have left: they count as taken when
    /// they have.
    unflushed: usize,
}

impl<S> MessageWriter<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.unflushed == 0 {
            for piece in pieces {
                let room = AT_ONCE.saturating_sub(self.unflushed);
                self.take(piece.get(..room).unwrap_or(piece))?;
            }
        }
        ready!(Pin::new(&mut *self.socket.lock()).poll_flush(cx)).map_err(broken)?;
        Poll::Ready(Ok(std::mem::take(&mut self.unflushed)))
    }

    /// Makes messages of the frames that are whole. They are queued, in memory.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.unflushed = self.unflushed.saturating_add(bytes.len());
        while !bytes.is_empty() {
            let next = missing(&self.frame).min(bytes.len());
            let (now, later) = bytes.split_at(next);
            self.frame.extend_from_slice(now);
            bytes = later;
            if self.frame.len() >= HEAD && missing(&self.frame) == 0 {
                let mut frame = Bytes::from(std::mem::take(&mut self.frame));
                let message = Message::Binary(frame.split_off(LENGTH));
                let mut socket = self.socket.lock();
                Pin::new(&mut *socket).start_send(message).map_err(broken)?;
            }
        }
        Ok(())
    }
}

/// How many bytes a frame still needs: its head, then its body.
fn missing(frame: &[u8]) -> usize {
    let whole = match *frame {
        [low, middle, high, _, ..] => {
            let length = u32::from_le_bytes([low, middle, high, 0]);
            usize::try_from(length)
                .unwrap_or(usize::MAX)
                .saturating_add(HEAD)
        }
        _ => HEAD,
    };
    whole.saturating_sub(frame.len())
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        other => io::Error::other(other),
    }
}

impl<S> LinkWriter for MessageWriter<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_take(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_take(cx, pieces)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.lock())
            .poll_close(cx)
            .map_err(broken)
    }

    fn kept_back(&self) -> usize {
        self.unflushed
    }

    fn reset(self: Box<Self>) {
        (self.reset_on_drop)(self.socket.lock().get_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::StreamExt as _;
    use remoting_core::formatter::MessagePack;
    use tokio::io::duplex;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    const MAX_FRAME: usize = 16 * 1024;

    #[tokio::test]
    async fn answers_to_pings_that_nobody_reads_take_no_more_room_than_a_frame_may() {
        let (near, far) = duplex(4 * 1024);
        let bounds = Some(bounds(MAX_FRAME));
        let near = WebSocketStream::from_raw_socket(near, Role::Server, bounds).await;
        let mut far = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
        let formatter = FormatterRef::from(MessagePack);
        let mut link = link(near, |_| {}, Peer::named("test"), formatter);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut sent, mut buffer) = (0_usize, Vec::new());
        while sent < 20_000 {
            let ready = Pin::new(&mut far).poll_ready(&mut cx);
            if ready.is_ready() {
                let ping = Message::Ping(Bytes::from_static(&[7; 125]));
                Pin::new(&mut far).start_send(ping).unwrap();
                sent += 1;
            }
            let _waits = Pin::new(&mut far).poll_flush(&mut cx);
            assert!(link.reader.poll_read(&mut cx, &mut buffer).is_pending());
            // The pipe takes no more of one turn.
            tokio::task::yield_now().await;
        }
        let mut answered = 0_usize;
        while let Poll::Ready(Some(Ok(Message::Pong(_)))) = far.poll_next_unpin(&mut cx) {
            answered += 1;
            assert!(link.reader.poll_read(&mut cx, &mut buffer).is_pending());
            tokio::task::yield_now().await;
        }
        assert!(answered > 0, "it answers pings");
        assert!(answered * 127 < MAX_FRAME + 6 * AT_ONCE, "{answered}");
    }
}
