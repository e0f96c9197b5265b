//! A stream as the body of an answer: items are asked for as fast as the caller takes them.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use remoting_core::channel::{Batch, BoxFuture, Freight, Items};
use tokio::time::{Instant, Sleep, sleep};

use super::form::Form;
use super::linger::{Recent, Seat};
use crate::answer::error_body;

/// What an answer is written from.
pub(crate) enum ReplyBody {
    Whole(Full<Bytes>),
    Stream(Box<Outflow>),
}

impl ReplyBody {
    /// Holds something until a stream has ended.
    pub(crate) fn keeping(mut self, guard: Box<dyn Send + Sync>) -> Self {
        if let Self::Stream(outflow) = &mut self {
            outflow.guard = Some(guard);
        }
        self
    }

    /// Ends a stream, in the middle, when `cut` is ready.
    pub(crate) fn until(mut self, cut: BoxFuture<'static, ()>) -> Self {
        if let Self::Stream(outflow) = &mut self {
            outflow.cut = Some(cut);
        }
        self
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Stream(outflow) => outflow.poll(cx).map(|part| part.map(Frame::data).map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// The stream that an answer is, until that is written.
#[derive(Clone)]
pub(crate) struct Streamed {
    pub(crate) form: Form,
    outflow: Arc<Mutex<Option<Box<Outflow>>>>,
}

impl Streamed {
    pub(crate) fn new(outflow: Outflow) -> Self {
        Self {
            form: outflow.form,
            outflow: Arc::new(Mutex::new(Some(Box::new(outflow)))),
        }
    }

    pub(crate) fn into_body(self) -> ReplyBody {
        let mut outflow = self.outflow.lock().unwrap_or_else(PoisonError::into_inner);
        match outflow.take() {
            Some(outflow) => ReplyBody::Stream(outflow),
            None => ReplyBody::Whole(Full::default()),
        }
    }
}

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed")
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

/// A stream, as far as it has come.
pub(crate) struct Course {
    /// Gone when it has ended.
    flow: Option<Box<dyn Items>>,
    /// What has come of it.
    came: Batch,
    /// What its events are known by.
    name: String,
    /// How many parts there were: items, and the end.
    number: u64,
    /// The last parts, where the caller may ask for them again.
    recent: Recent,
}

impl Course {
    /// - `recent`: keeps the last parts.
    pub(crate) fn new(freight: &Freight, name: String, recent: Recent) -> Self {
        Self {
            flow: freight.take(),
            came: Batch::one(),
            name,
            number: 0,
            recent,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a caller that has got so many parts can have all others. Forgets those that it has got.
    pub(crate) fn goes_on_after(&mut self, got: u64) -> bool {
        let left = self.number.checked_sub(got);
        left.is_some_and(|left| self.recent.keep_last(left))
    }

    /// The last parts, as far as they are kept.
    pub(crate) fn parts(&self) -> Vec<Bytes> {
        self.recent.parts()
    }

    /// Whether it has ended, and the caller has got the end.
    pub(crate) fn is_over(&self) -> bool {
        self.flow.is_none() && self.recent.is_empty()
    }

    /// Gives the next part.
    fn poll_part(&mut self, form: Form, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(flow) = &mut self.flow else {
            return Poll::Ready(None);
        };
        let came = match self.came.is_empty() {
            true => ready!(flow.poll_batch(cx, &mut self.came)),
            false => None,
        };
        let item = self.came.pop();
        self.number += 1;
        let place = (self.name.as_str(), self.number);
        let part = match (item, came) {
            (Some(item), _) => form.item(place, item.as_slice()),
            (None, came) => {
                self.flow = None;
                let error = came.and_then(Result::err).as_ref().map(error_body);
                form.end(place, error.as_deref())
            }
        };
        self.recent.push(&part);
        Poll::Ready(Some(part))
    }
}

/// A stream on its way to a caller.
pub(crate) struct Outflow {
    form: Form,
    seat: Seat,
    /// What comes before the next item; the first is the last one here.
    before: Vec<Bytes>,
    silence: Silence,
    /// Held until it has ended.
    guard: Option<Box<dyn Send + Sync>>,
    /// When it is ready, nobody waits for the rest.
    cut: Option<BoxFuture<'static, ()>>,
}

impl Outflow {
    /// - `before`: what comes before the next item.
    /// - `ping_after`: after how long a silence the caller is told that the stream is still there.
    pub(crate) fn new(
        form: Form,
        mut before: Vec<Bytes>,
        seat: Seat,
        ping_after: Duration,
    ) -> Self {
        before.reverse();
        Self {
            form,
            seat,
            before,
            silence: Silence::new(ping_after),
            guard: None,
            cut: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(cut) = &mut self.cut {
            if cut.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
        }
        if let Some(part) = self.before.pop() {
            return Poll::Ready(Some(part));
        }
        let Some(mut course) = self.seat.take() else {
            return Poll::Ready(None);
        };
        let polled = course.poll_part(self.form, cx);
        self.seat.put(course);
        if polled.is_ready() {
            self.silence.breaks();
            return polled;
        }
        ready!(self.silence.poll(cx));
        Poll::Ready(Some(self.form.heartbeat()))
    }
}

/// Tells when nothing was sent for a while.
struct Silence {
    longest: Duration,
    since: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Silence {
    fn new(longest: Duration) -> Self {
        Self {
            longest,
            since: Instant::now(),
            sleep: Box::pin(sleep(longest)),
        }
    }

    fn breaks(&mut self) {
        self.since = Instant::now();
    }

    /// Ends with the silence that is too long; the next one begins then.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let now = Instant::now();
            let due = self.since + self.longest;
            if due <= now {
                self.since = now;
                self.sleep.as_mut().reset(now + self.longest);
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}

impl fmt::Debug for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever knows the name can go on with it.
        f.debug_struct("Course")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
