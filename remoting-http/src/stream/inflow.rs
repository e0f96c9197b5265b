//! The body of a request as a stream of items: one on each line, read as fast as they are taken.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body;
use remoting_core::channel::{Batch, Freight, Items};
use remoting_core::formatter::Payload;
use remoting_core::{Counters, Error, ErrorKind, Executed, Fault};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::answer::Answer;
use crate::body::{PATIENCE, earned};
use crate::codes::of_kind;
use crate::room::{Place, Room};

/// What was wrong with the body of a request, if anything was: it becomes the answer of a call that fails by it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flaw(Arc<OnceLock<Answer>>);

impl Flaw {
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.0.get().cloned()
    }

    /// Notes what is wrong, and makes the error of it that the handler sees.
    fn note(&self, kind: ErrorKind, text: impl Into<String>) -> Error {
        self.note_as(of_kind(kind).1, kind, text)
    }

    /// The same, where the status does not follow from the kind.
    fn note_as(&self, status: StatusCode, kind: ErrorKind, text: impl Into<String>) -> Error {
        let error = Error::new(kind, text).with_executed(Executed::Yes);
        let mut answer = Answer::of_error(&error).closing();
        answer.status = status;
        let _first_counts = self.0.set(answer);
        error
    }
}

/// The bounds of the lines.
pub(crate) struct Bounds {
    /// The longest line, in bytes.
    pub(crate) longest: usize,
    /// The most bytes that are read, and thrown away, of what nobody takes.
    pub(crate) unheard: usize,
    pub(crate) room: Room,
    pub(crate) counters: Arc<Counters>,
}

/// Makes a stream of a body.
pub(crate) fn items<B>(body: B, bounds: Bounds) -> (Freight, Flaw)
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Display,
{
    let flaw = Flaw::default();
    let inflow = Inflow {
        body: Some(Box::pin(body)),
        bounds,
        rest: Bytes::new(),
        begun: Begun::default(),
        lines: 0,
        flaw: flaw.clone(),
    };
    (Freight::new(inflow), flaw)
}

struct Inflow<B: Body<Data = Bytes> + Send + 'static> {
    /// Gone when it has been read to its end.
    body: Option<Pin<Box<B>>>,
    bounds: Bounds,
    /// What has come and is not cut into lines yet.
    rest: Bytes,
    begun: Begun,
    /// How many lines there were so far.
    lines: u64,
    flaw: Flaw,
}

/// A line of which not everything has come.
#[derive(Default)]
struct Begun {
    bytes: Vec<u8>,
    /// Its place in the memory for bodies.
    place: Option<Place>,
    /// When it was waited for first, and the end of the patience.
    waited: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Begun {
    /// Waits a while for more of the line, and longer the more has come of it.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.bytes.is_empty() {
            return Poll::Pending;
        }
        let earned = earned(self.bytes.len());
        let (since, sleep) = self.waited.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + PATIENCE)))
        });
        let until = *since + PATIENCE + earned;
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx)
    }
}

impl<B> Inflow<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Display,
{
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, Error>>> {
        loop {
            match self.cut_line() {
                Ok(None) => {}
                Ok(Some(line)) => return Poll::Ready(Some(Ok(line))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            let Some(body) = &mut self.body else {
                return Poll::Ready(self.last_line().map(Ok));
            };
            let polled = body.as_mut().poll_frame(cx);
            let Poll::Ready(frame) = polled else {
                ready!(self.begun.poll_patience(cx));
                let (slow, text) = (
                    StatusCode::REQUEST_TIMEOUT,
                    "a line of the body came too slowly",
                );
                let error = self.flaw.note_as(slow, ErrorKind::Protocol, text);
                return Poll::Ready(Some(Err(error)));
            };
            match frame {
                None => self.body = None,
                // What comes after a body, its trailers, says nothing here.
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    self.body = None;
                    tracing::debug!(target: "remoting::http", %error, "a body could not be read");
                    let text = "the body could not be read to its end";
                    let error = self.flaw.note(ErrorKind::Protocol, text);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Cuts a line off what has come; an empty one stands for nothing.
    fn cut_line(&mut self) -> Result<Option<Payload>, Error> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(self.rest.len());
            if self.begun.bytes.len() + length > self.bounds.longest {
                self.bounds.counters.max_frame.add();
                let text = format!(
                    "line {} of the body is longer than the server takes (its limit `max_frame`)",
                    self.lines + 1
                );
                return Err(self.flaw.note(ErrorKind::TooLarge, text));
            }
            let part = self.rest.split_to(length);
            if end.is_none() {
                self.keep(&part)?;
                return Ok(None);
            }
            self.rest = self.rest.slice(1..);
            self.lines += 1;
            let line = match self.begun.bytes.is_empty() {
                true => Payload::from(part),
                false => {
                    let mut begun = std::mem::take(&mut self.begun);
                    begun.bytes.extend_from_slice(&part);
                    Payload::from(begun.bytes)
                }
            };
            if !is_blank(line.as_slice()) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Keeps a part of a line until the rest has come.
    fn keep(&mut self, part: &[u8]) -> Result<(), Error> {
        let room = &self.bounds.room;
        let place = self.begun.place.get_or_insert_with(|| room.place());
        if !place.grow(part.len()) {
            let text = "the server holds too many large bodies at the moment";
            return Err(self.flaw.note(ErrorKind::Overloaded, text));
        }
        self.begun.bytes.extend_from_slice(part);
        Ok(())
    }

    /// The last line, which may have no end of its own.
    fn last_line(&mut self) -> Option<Payload> {
        let begun = std::mem::take(&mut self.begun);
        self.lines += 1;
        (!is_blank(&begun.bytes)).then(|| begun.bytes.into())
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

impl<B> Items for Inflow<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Display,
{
    /// Gives one line: which it was has to be known until it was read.
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Batch,
    ) -> Poll<Option<Result<(), Fault>>> {
        let line = ready!(self.poll_line(cx));
        Poll::Ready(line.map(|line| line.map(|line| into.push(line)).map_err(Fault::Error)))
    }

    fn unreadable(&mut self, why: &str) -> Error {
        let text = format!("line {} of the body could not be read: {why}", self.lines);
        self.flaw.note(ErrorKind::BadArguments, text)
    }
}

impl<B: Body<Data = Bytes> + Send + 'static> Drop for Inflow<B> {
    /// A client that is still sending when the connection closes does not see the answer.
    fn drop(&mut self) {
        let (Some(body), Ok(runtime)) = (self.body.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        if !body.is_end_stream() {
            runtime.spawn(throw_away(body, self.bounds.unheard));
        }
    }
}

/// Reads on for a while.
async fn throw_away<B: Body<Data = Bytes>>(mut body: Pin<Box<B>>, most: usize) {
    let mut heard = 0_usize;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            heard += frame.into_data().map_or(0, |data| data.len());
            if heard > most {
                return;
            }
        }
    };
    let _over = timeout(PATIENCE, reading).await;
}
