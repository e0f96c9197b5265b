//! Reading a body within bounds of size and time: what is announced is never believed.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

/// How long the first bytes may take, and a body that comes at the least rate.
const PATIENCE: Duration = Duration::from_secs(10);

/// The least rate, in bytes a second.
const LEAST_RATE: u64 = 240;

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It has more bytes than are taken.
    TooLarge,
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
/// - `most`: how many bytes are taken.
///
/// # Errors
///
/// Each of [`BodyError`]; the rest of the body is not read.
pub(crate) async fn read<B>(body: B, most: usize) -> Result<Vec<u8>, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let announced = body.size_hint().lower();
    let heard = most.saturating_mul(2);
    if announced > heard as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut body = pin!(body);
    let (mut bytes, mut came) = (Vec::new(), 0_usize);
    let begin = Instant::now();
    loop {
        let earned = Duration::from_secs(came as u64 / LEAST_RATE);
        let frame = timeout_at(begin + PATIENCE + earned, body.frame());
        let frame = match frame.await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(None) if came > most => return Err(BodyError::TooLarge),
            Ok(None) => return Ok(bytes),
            Ok(Some(Err(error))) => return Err(BodyError::Broken(error.to_string())),
            Ok(Some(Ok(frame))) => frame,
        };
        // What comes after a body, its trailers, says nothing here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        came = came.saturating_add(data.len());
        if came > heard {
            return Err(BodyError::TooLarge);
        }
        if came <= most {
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

    #[tokio::test]
    async fn a_body_is_taken_up_to_the_bound_and_no_further() {
        let body = || Full::new(Bytes::from_static(b"hello"));
        assert_eq!(read(body(), 5).await.unwrap(), b"hello");
        assert!(matches!(read(body(), 4).await, Err(BodyError::TooLarge)));
        assert_eq!(read(Empty::new(), 0).await.unwrap(), b"");
        // As much again is heard out; with more, nobody waits for the end.
        let pieces = Pieces([&b"hel"[..], b"lo", b"hello"].into(), None);
        assert!(matches!(read(pieces, 4).await, Err(BodyError::TooLarge)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up_after_what_its_bytes_have_earned() {
        let begin = Instant::now();
        let pieces = Pieces([&[b'x'; 480][..]].into(), None);
        assert!(matches!(read(pieces, 1000).await, Err(BodyError::TooSlow)));
        assert_eq!(begin.elapsed().as_secs(), 12);
    }

    #[tokio::test]
    async fn a_broken_body_is_no_empty_one() {
        let pieces = Pieces([&b"hel"[..]].into(), Some("cut"));
        let read = read(pieces, 100).await;
        assert!(matches!(read, Err(BodyError::Broken(why)) if why == "cut"));
    }
}
