//! Reading a body within bounds of size and time: what is announced is never believed.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use crate::room::{Place, Room};

/// How long the first bytes may take, and the next ones.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Up to here a body may come very slowly, in bytes.
const SHORT: u64 = 64 * 1024;

/// The least rate up to there, in bytes a second.
const LEAST_RATE: u64 = 240;

/// The least rate of the rest: a long body takes room from others.
const LEAST_RATE_OF_REST: u64 = 16 * 1024;

/// How long the bytes that have come allow a body to take.
pub(crate) fn earned(came: usize) -> Duration {
    let came = came as u64;
    let rest = came.saturating_sub(SHORT) / LEAST_RATE_OF_REST;
    Duration::from_secs(came.min(SHORT) / LEAST_RATE + rest)
}

/// A body that was read, and its place in the memory for bodies.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    /// Held as long as the call needs the bytes.
    pub(crate) place: Place,
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
/// Of one that is too large as much again is read and thrown away, and takes no room: a client that is still sending
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
    let most = room.longest();
    let announced = body.size_hint().lower();
    let heard = most.saturating_mul(2);
    if announced > heard as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut body = pin!(body);
    let (mut bytes, mut came) = (Vec::new(), 0_usize);
    let mut place = room.place();
    let begin = Instant::now();
    let mut last = begin;
    loop {
        // A burst earns no silence.
        let until = (begin + earned(came)).min(last) + PATIENCE;
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
            if !place.grow(data.len()) {
                return Err(BodyError::NoRoom);
            }
            bytes.extend_from_slice(&data);
        } else {
            (bytes, place) = (Vec::new(), room.place());
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
    use crate::room::LONGEST_AT_ONCE;

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

    /// A body that gives a byte each time so many seconds are over.
    struct Trickle(Duration, Pin<Box<tokio::time::Sleep>>);

    impl Trickle {
        fn each(seconds: u64) -> Self {
            let pause = Duration::from_secs(seconds);
            Self(pause, Box::pin(tokio::time::sleep(pause)))
        }
    }

    impl Body for Trickle {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            std::task::ready!(self.1.as_mut().poll(cx));
            let next = self.1.deadline() + self.0;
            self.1.as_mut().reset(next);
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
        let read = read(Trickle::each(1), &Room::new(1_000_000)).await;
        assert!(matches!(read, Err(BodyError::TooSlow)));
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    /// One long piece, and then a byte each nine seconds.
    struct Burst(Option<Bytes>, Trickle);

    impl Body for Burst {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            match self.0.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Pin::new(&mut self.1).poll_frame(cx),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_body_that_trickles_is_given_up_within_minutes() {
        let begin = Instant::now();
        let burst = Burst(Some(vec![b'x'; 4_000_000].into()), Trickle::each(9));
        let read = read(burst, &Room::new(4 * 1024 * 1024)).await;
        assert!(matches!(read, Err(BodyError::TooSlow)));
        let took = begin.elapsed().as_secs();
        assert!((300..600).contains(&took), "{took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_large_takes_no_room_while_its_rest_is_heard() {
        let room = Room::new(100);
        let full = || Full::new(Bytes::from_static(&[b'x'; 100]));
        let mut held = Vec::new();
        for _ in 1..LONGEST_AT_ONCE {
            held.push(read(full(), &room).await.unwrap());
        }
        let pieces = Pieces([&[b'x'; 100][..], b"x"].into(), None);
        let mut hearing = pin!(read(pieces, &room));
        assert!(
            std::future::poll_fn(|cx| Poll::Ready(hearing.as_mut().poll(cx).is_pending())).await
        );
        assert!(read(full(), &room).await.is_ok());
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
