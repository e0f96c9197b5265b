//! Reading a body within bounds of size and time: what is announced is never believed.

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How long the first bytes may take, and the next ones.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The least rate over the whole body, in bytes a second.
pub(crate) const LEAST_RATE: u64 = 240;

/// How many bodies of the longest kind a channel holds at a time.
const LONGEST_AT_ONCE: usize = 64;

/// The memory that all bodies of a channel may take, from their first byte until their call has ended.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    bytes: Arc<Semaphore>,
    /// The longest body.
    most: usize,
}

impl Room {
    /// Room for some bodies of the longest kind, and many short ones.
    ///
    /// - `most`: how many bytes are taken of one.
    pub(crate) fn new(most: usize) -> Self {
        let bytes = most.saturating_mul(LONGEST_AT_ONCE);
        Self {
            bytes: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
            most,
        }
    }

    pub(crate) fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.bytes).try_acquire_many_owned(bytes);
        taken.map_err(|_| BodyError::NoRoom)
    }
}

/// A body that was read, and its place in the memory for bodies.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    /// Held as long as the call needs the bytes.
    pub(crate) place: OwnedSemaphorePermit,
}

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It has more bytes than are taken.
    TooLarge,
    /// Too many bodies are held already.
    NoRoom,
    /// It came too slowly.
    TooSlow,
    /// It could not be read: it was cut short, or is no body.
    Broken(String),
}

/// Reads all of `body`. Room is made for what has come, not for what is announced.
///
/// Of one that is too large as much again is read and thrown away: a client that is still sending
/// when the connection closes does not see the answer.
///
/// # Errors
///
/// Each of [`BodyError`]; the rest of the body is not read.
pub(crate) async fn read<B>(body: B, room: &Room) -> Result<Read, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let most = room.most;
    let announced = body.size_hint().lower();
    let heard = most.saturating_mul(2);
    if announced > heard as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut body = pin!(body);
    let (mut bytes, mut came) = (Vec::new(), 0_usize);
    let mut place = room.take(0)?;
    let begin = Instant::now();
    let mut last = begin;
    loop {
        let earned = Duration::from_secs(came as u64 / LEAST_RATE);
        // A burst earns no silence.
        let until = (begin + earned).min(last) + PATIENCE;
        let frame = timeout_at(until, body.frame());
        let frame = match frame.await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(None) if came > most => return Err(BodyError::TooLarge),
            Ok(None) => return Ok(Read { bytes, place }),
            Ok(Some(Err(error))) => return Err(BodyError::Broken(error.to_string())),
            Ok(Some(Ok(frame))) => frame,
        };
        // What comes after a body, its trailers, says nothing here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if !data.is_empty() {
            last = Instant::now();
        }
        came = came.saturating_add(data.len());
        if came > heard {
            return Err(BodyError::TooLarge);
        }
        if came <= most {
            place.merge(room.take(data.len())?);
            bytes.extend_from_slice(&data);
        } else {
            bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::{Empty, Full};
    use hyper::body::{Frame, SizeHint};

    use super::*;

    /// A body that gives these pieces, and then waits for ever or ends in an error.
    struct Pieces(VecDeque<&'static [u8]>, Option<&'static str>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            match (self.0.pop_front(), self.1) {
                (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
                (None, Some(error)) => Poll::Ready(Some(Err(error))),
                (None, None) => Poll::Pending,
            }
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::default()
        }
    }

    /// A body that gives a byte each second.
    struct Trickle(Pin<Box<tokio::time::Sleep>>);

    impl Body for Trickle {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            std::task::ready!(self.0.as_mut().poll(cx));
            let next = self.0.deadline() + Duration::from_secs(1);
            self.0.as_mut().reset(next);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    #[tokio::test]
    async fn a_body_is_taken_up_to_the_bound_and_no_further() {
        let body = || Full::new(Bytes::from_static(b"hello"));
        let read_most = async |most| read(body(), &Room::new(most)).await;
        assert_eq!(read_most(5).await.unwrap().bytes, b"hello");
        assert!(matches!(read_most(4).await, Err(BodyError::TooLarge)));
        let empty = read(Empty::new(), &Room::new(0)).await;
        assert_eq!(empty.unwrap().bytes, b"");
        // As much again is heard out; with more, nobody waits for the end.
        let pieces = Pieces([&b"hel"[..], b"lo", b"hello"].into(), None);
        assert!(matches!(
            read(pieces, &Room::new(4)).await,
            Err(BodyError::TooLarge)
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up_however_much_has_come() {
        let begin = Instant::now();
        let pieces = Pieces([&[b'x'; 480_000][..]].into(), None);
        let read = read(pieces, &Room::new(1_000_000)).await;
        assert!(matches!(read, Err(BodyError::TooSlow)));
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up_after_what_its_bytes_have_earned() {
        let begin = Instant::now();
        let body = Trickle(Box::pin(tokio::time::sleep(Duration::from_secs(1))));
        let read = read(body, &Room::new(1_000_000)).await;
        assert!(matches!(read, Err(BodyError::TooSlow)));
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    #[tokio::test]
    async fn a_broken_body_is_no_empty_one() {
        let pieces = Pieces([&b"hel"[..]].into(), Some("cut"));
        let read = read(pieces, &Room::new(100)).await;
        assert!(matches!(read, Err(BodyError::Broken(why)) if why == "cut"));
    }

    #[tokio::test]
    async fn bodies_have_room_until_their_calls_have_ended() {
        let room = Room::new(2);
        let body = || Full::new(Bytes::from_static(b"ab"));
        let mut held = Vec::new();
        for _ in 0..LONGEST_AT_ONCE {
            held.push(read(body(), &room).await.unwrap());
        }
        assert!(matches!(read(body(), &room).await, Err(BodyError::NoRoom)));
        held.pop();
        assert!(read(body(), &room).await.is_ok());
    }
}
