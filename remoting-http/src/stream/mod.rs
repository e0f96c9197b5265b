//! Calls that stream without a session: a stream in is the body of the request, a stream out that of the answer
//! (PROTOCOL.md, rules H22 to H25).

mod form;
mod inflow;
mod linger;
mod outflow;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::http::request::Parts;
use remoting_core::channel::{Freight, unguessable};
use remoting_core::formatter::{FormatterRef, Payload};
use remoting_core::{CallMessage, Fault, Limits, MethodDescriptor, Peer};

use self::form::Form;
use self::inflow::{Bounds, Flaw};
use self::linger::{Found, Owner, Recent, Seat};
use self::outflow::{Course, Outflow};
use crate::answer::{Answer, JSON};
use crate::codes::STREAM_GONE;
use crate::headers::LAST_EVENT;
use crate::once::caller_of;
use crate::serve::Service;

pub(crate) use self::form::{EVENTS, LINES};

pub(crate) use self::linger::Lingering;
pub(crate) use self::outflow::{ReplyBody, Streamed};

/// The stream among the arguments of a call.
pub(crate) struct Inbound {
    pub(crate) items: Freight,
    flaw: Flaw,
}

impl Inbound {
    /// The answer of a call: where it has failed by its own body, what was wrong with that.
    fn answer(self, answer: Answer) -> Answer {
        match self.flaw.answer() {
            Some(flawed) if !answer.status.is_success() => flawed,
            _ => answer,
        }
    }
}

/// How a call streams.
pub(crate) struct Streams {
    inbound: Option<Inbound>,
    /// What the caller takes a stream as.
    outbound: Option<Outbound>,
}

/// How a stream goes out.
struct Outbound {
    form: Form,
    limits: Arc<Limits>,
    /// Where it lingers, if it may.
    afterlife: Option<(Lingering, Owner)>,
}

impl Service {
    /// The items in the body of a request.
    pub(crate) fn items<B>(&self, body: B, peer: &Peer) -> Inbound
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let limits = self.limits();
        let bounds = Bounds {
            longest: limits.max_frame,
            unheard: limits.max_message,
            room: self.room.of(peer),
            counters: self.counters(),
        };
        let (items, flaw) = inflow::items(body, bounds);
        Inbound { items, flaw }
    }

    /// Finds out how a call streams.
    ///
    /// - `is_kept`: whether its answer is to be kept for one that is sent again.
    ///
    /// # Errors
    ///
    /// The answer to a call that streams as it cannot.
    pub(crate) fn streams(
        &self,
        (head, method): (&Parts, &MethodDescriptor),
        formatter: &FormatterRef,
        inbound: Option<Inbound>,
        (is_kept, unanswered): (bool, bool),
    ) -> Result<Streams, Answer> {
        let form = Form::accepted(&head.headers);
        if is_kept && (method.streams || inbound.is_some()) {
            let text = "a stream is not kept, and so it has no Idempotency-Key";
            return Err(Answer::refused(400, "unsupported", text));
        }
        if method.streams && !unanswered {
            if form.is_none() {
                let text = "the result is a stream; take it with `Accept: application/x-ndjson`, or as \
                    `text/event-stream`";
                return Err(Answer::refused(406, "unsupported", text));
            }
            if formatter.content_type() != JSON {
                let text = "the items of a stream are JSON, and so the arguments have to be";
                return Err(Answer::refused(415, "unsupported", text));
            }
        }
        let form = form.filter(|_| !is_kept && formatter.content_type() == JSON);
        let outbound = form.map(|form| Outbound {
            form,
            limits: self.limits(),
            afterlife: None,
        });
        Ok(Streams { inbound, outbound })
    }

    /// Lets the stream of a call's answer linger, or goes on with one that does: then the answer is that.
    ///
    /// # Errors
    ///
    /// The answer to who wants to go on with a stream of which there is nothing left.
    pub(crate) async fn resume(
        &self,
        (head, call): (&Parts, &CallMessage),
        peer: &Peer,
        streams: &mut Streams,
    ) -> Result<Option<Answer>, Answer> {
        let Some(outbound) = &mut streams.outbound else {
            return Ok(None);
        };
        if outbound.form != Form::Events || streams.inbound.is_some() {
            return Ok(None);
        }
        let request = [
            head.method.as_str().as_bytes(),
            head.uri.path().as_bytes(),
            &call.interface.0.to_le_bytes(),
            call.payload.as_slice(),
        ];
        let lingering = match peer.principal() {
            Some(_) => &self.lingering,
            None => &self.lingering_of_strangers,
        };
        let owner = lingering.owner(caller_of(peer), &request);
        let last = head.headers.get(LAST_EVENT);
        let last = last.and_then(|id| id.to_str().ok());
        let found = match last {
            None => None,
            Some(id) => Some(lingering.find(id, &owner).await),
        };
        outbound.afterlife = Some((lingering.clone(), owner));
        match found {
            None => Ok(None),
            Some(Found::Course(course)) => {
                let stream = outbound.go_on(*course);
                Ok(Some(Answer::empty(StatusCode::OK).streaming(stream)))
            }
            Some(Found::Over) => Ok(Some(Answer::empty(StatusCode::NO_CONTENT))),
            Some(Found::Nothing) => {
                let text = "nothing is left of the stream that the Last-Event-ID is of; call anew, without it";
                let (code, status) = STREAM_GONE;
                Err(Answer::refused(status, code, text))
            }
        }
    }
}

impl Streams {
    /// Lets a call stream so.
    pub(crate) fn mark(&self, call: &mut CallMessage) {
        call.stream = self.inbound.as_ref().map(|inbound| inbound.items.clone());
        call.takes_stream = self.outbound.is_some();
    }

    /// What a call came to.
    pub(crate) fn answer(self, formatter: &FormatterRef, reply: Result<Payload, Fault>) -> Answer {
        let freight = reply.as_ref().ok().and_then(Freight::of_answer);
        let answer = Answer::of(formatter, reply);
        let answer = match (freight, self.outbound) {
            (Some(freight), Some(mut outbound)) => answer.streaming(outbound.begin(&freight)),
            _ => answer,
        };
        match self.inbound {
            Some(inbound) => inbound.answer(answer),
            None => answer,
        }
    }
}

impl Outbound {
    fn begin(&mut self, freight: &Freight) -> Streamed {
        let recent = match &self.afterlife {
            Some(_) => Recent::new(self.limits.stream_items, self.limits.stream_bytes),
            None => Recent::none(),
        };
        let name = unguessable();
        let begin = self.form.begin(&name);
        let course = Course::new(freight, name, recent);
        self.send(begin.into_iter().collect(), course)
    }

    /// Goes on with a stream that has lingered.
    fn go_on(&mut self, course: Course) -> Streamed {
        let missed = course.parts();
        self.send(missed, course)
    }

    fn send(&mut self, before: Vec<Bytes>, course: Course) -> Streamed {
        let seat = match self.afterlife.take() {
            Some((lingering, owner)) => lingering.enter(course, owner),
            None => Seat::alone(course),
        };
        Streamed::new(Outflow::new(
            self.form,
            before,
            seat,
            self.limits.ping_after,
        ))
    }
}
