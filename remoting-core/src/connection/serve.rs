//! The server's end: calls that arrive through a connection.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes as SharedBytes;

use super::{Connection, Export, State, apply, apply_all};
use crate::budget::ScanLimits;
use crate::clock;
use crate::error::{ErrorKind, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::id::MethodId;
use crate::object::context::Active;
use crate::object::{Around, Bytes, Prepared, RawCall, Reached, check_depth, reach};
use crate::payload::{Content, Headers};
use crate::proxy::Style;
use crate::session::{Effects, End, IncomingKey, IncomingRequest, Lent, QueuedCall, Request};
use crate::sink::{ReplyMessage, is_of_sink};
use crate::wire::header::Header;
use crate::wire::locks::LockTokens;

/// A call that has arrived, from whichever place.
struct Arrived<'f> {
    key: IncomingKey,
    method: MethodId,
    codec: u8,
    locks: LockTokens,
    headers: Headers,
    depth: u32,
    payload: Bytes<'f>,
    deadline: Instant,
}

/// The answer of a call, which only has to be appended. To be dropped when nothing is locked.
pub(super) struct Answer {
    key: IncomingKey,
    result: ReplyMessage,
    beside: Option<Box<Beside>>,
    /// Whether the peer should have known better.
    bad: bool,
}

/// What few answers have.
struct Beside {
    lent: Vec<Lent<Export>>,
    /// What calls on the answer go to, if that is kept and is an object.
    object: Option<Export>,
}

impl State {
    /// Appends an answer.
    ///
    /// # Errors
    ///
    /// The end of the session, if the peer has asked for nonsense too often.
    pub(super) fn answer(
        &mut self,
        answer: &mut Answer,
        now: Instant,
        effects: &mut Effects<Export>,
    ) -> Result<(), End> {
        let bytes = answer.result.as_ref().map(Content::from);
        match &mut answer.beside {
            None => self.session.reply(answer.key, bytes, &[], now, effects),
            Some(beside) => {
                let beside = (&*beside.lent, beside.object.take());
                self.session
                    .reply_with(answer.key, bytes, beside, now, effects);
            }
        }
        match answer.bad {
            true => self.session.bad_request(now),
            false => Ok(()),
        }
    }
}

impl Connection {
    /// Serves a request of the peer. Gives the answer of a call that has ended at once.
    ///
    /// - `whole`: the bytes of its frame, if they can be shared.
    pub(super) fn serve(
        self: &Arc<Self>,
        request: Request<'_, Export>,
        whole: Option<&SharedBytes>,
        now: &mut Instant,
    ) -> Option<Answer> {
        match request {
            Request::Call(call) => self.serve_call(call, whole, now),
            Request::Resolve(resolve) => {
                self.serve_resolve(resolve, *now);
                *now = clock::now();
                None
            }
        }
    }

    /// The same for a request that came in several frames.
    #[cold]
    pub(super) fn serve_whole(
        self: &Arc<Self>,
        effects: &mut Effects<Export>,
        now: &mut Instant,
    ) -> Result<Option<Answer>, End> {
        let assembled = effects.rare().assembled.take();
        apply_all(effects);
        let Some(mut assembled) = assembled else {
            return Ok(None);
        };
        let body = assembled.body().clone();
        let request = assembled.request().map_err(End::Violation)?;
        Ok(request.and_then(|request| self.serve(request, Some(&body), now)))
    }

    /// Runs a call whose frame was just read. Gives the answer if it has ended at once.
    ///
    /// - `whole`: the bytes of the frame, if they can be shared.
    fn serve_call(
        self: &Arc<Self>,
        call: IncomingRequest<'_, Export>,
        whole: Option<&SharedBytes>,
        now: &mut Instant,
    ) -> Option<Answer> {
        let key = call.key;
        let references = call.references;
        let arrived = Arrived {
            key,
            method: call.method,
            codec: call.header.codec_or_default(),
            headers: headers_of(&call.header),
            locks: call.header.locks.clone(),
            payload: self.arguments(call.payload, whole, references),
            depth: call.header.depth,
            deadline: call.deadline,
        };
        let answer = self.run(&call.target, arrived, now)?;
        if !key.is_kept() {
            return Some(answer);
        }
        self.append(answer, *now);
        self.serve_ready();
        *now = clock::now();
        None
    }

    /// Runs the calls that have become ready, unless somebody else does: one after the other, so that they begin
    /// in their order.
    pub(super) fn serve_ready(self: &Arc<Self>) {
        if !self.lock().session.begin_ready() {
            return;
        }
        loop {
            let Some(call) = self.lock().session.next_ready() else {
                return;
            };
            self.serve_queued(call);
        }
    }

    /// Runs a call that had to wait for its object.
    fn serve_queued(self: &Arc<Self>, mut call: QueuedCall<Export>) {
        self.take_proxies(&mut call.payload);
        let arrived = Arrived {
            key: call.key,
            method: call.method,
            codec: call.codec,
            locks: call.locks,
            headers: Some(call.user)
                .filter(|pairs| !pairs.is_empty())
                .map(Arc::new),
            payload: Bytes::Owned(call.payload),
            depth: call.depth,
            deadline: call.deadline,
        };
        let mut now = clock::now();
        if let Some(answer) = self.run(&call.target, arrived, &mut now) {
            self.append(answer, now);
        }
    }

    fn run(
        self: &Arc<Self>,
        target: &Export,
        call: Arrived<'_>,
        now: &mut Instant,
    ) -> Option<Answer> {
        let key = call.key;
        let result = match self.try_run(target, call, now) {
            Ok(result) => result?,
            Err(fault) => Err(fault),
        };
        Some(self.answer_of(key, target, result))
    }

    fn try_run(
        self: &Arc<Self>,
        target: &Export,
        call: Arrived<'_>,
        now: &mut Instant,
    ) -> Result<Option<ReplyMessage>, Fault> {
        let peer = Arc::clone(self.peer());
        let Reached {
            object,
            interface,
            index,
            method,
            busy,
            sinks,
        } = reach(target.object(), call.method, &peer)?;
        let sinks = self.server_sinks.clone().then(sinks);
        let around = Around::new(sinks, || target.object().name());
        self.check_depth(call.depth)?;
        let permit = self.service.workers().admit()?.keeping(busy);
        let context = Active {
            headers: call.headers,
            locks: call.locks,
            depth: call.depth,
            queue: self.limits.queued_per_object,
            ..Active::begin(method, peer, call.deadline)
        };
        let formatter = self.formatter_of(call.codec)?;
        let raw = RawCall {
            interface,
            method,
            index,
            payload: call.payload,
            style: Style::by_number(formatter),
            limits: self.scan_limits(),
        };
        let key = call.key;
        let prepared = Prepared {
            object,
            call: raw,
            context,
            permit,
            around,
            longest: self.limits.max_deadline,
        };
        let workers = self.service.workers();
        Ok(workers.launch(prepared, now, |cancellation, trial| {
            let late = {
                let mut state = self.lock();
                if trial.is_some() {
                    state.trial = trial;
                }
                state.session.attach(key, Arc::clone(&cancellation))
            };
            if let Some(reason) = late {
                cancellation.cancel(reason);
            }
            let (connection, target) = (Arc::clone(self), target.clone());
            move |result| connection.finish(key, &target, result)
        }))
    }

    /// How a call of the peer is written.
    pub(super) fn formatter_of(&self, codec: u8) -> Result<FormatterRef, Fault> {
        self.service.formatter(codec).ok_or_else(|| {
            let text = format!("this host does not read codec {codec}");
            Fault::refused(ErrorKind::Unsupported, text)
        })
    }

    /// Refuses a call that stands below too many others.
    fn check_depth(&self, depth: u32) -> Result<(), Fault> {
        check_depth(depth, &self.limits, &self.counters)
    }

    pub(super) fn scan_limits(&self) -> ScanLimits {
        ScanLimits {
            depth: self.limits.depth,
            elements: self.limits.elements,
        }
    }

    /// Makes the answer of a call. Asks the proxies in it, so nothing may be locked meanwhile.
    fn answer_of(
        self: &Arc<Self>,
        key: IncomingKey,
        target: &Export,
        mut result: ReplyMessage,
    ) -> Answer {
        if let Ok(payload) = &mut result {
            payload.share();
        }
        let lent = match &result {
            Ok(payload) | Err(Fault::App(payload)) => self.lent_by(target, payload),
            Err(Fault::Error(_)) => Ok(Vec::new()),
        };
        let (result, lent) = match lent {
            Ok(lent) => (result, lent),
            Err(fault) => (Err(fault.after_execution()), Vec::new()),
        };
        let beside = (!lent.is_empty()).then(|| {
            let object = match &result {
                Ok(payload) if key.is_kept() => self.object_in(payload, &lent),
                _ => None,
            };
            Box::new(Beside { lent, object })
        });
        let bad = result.as_ref().is_err_and(|fault| self.is_bad(fault));
        let result = result.map_err(|fault| fault.shown(self.service.shows_details(self.peer())));
        Answer {
            key,
            result,
            beside,
            bad,
        }
    }

    /// Appends an answer.
    fn append(&self, mut answer: Answer, now: Instant) {
        let mut effects = Effects::new();
        let ended = self.lock().answer(&mut answer, now, &mut effects);
        apply(effects);
        if let Err(end) = ended {
            self.shut(end);
        }
    }

    /// Counts the bound that a fault comes from; tells whether the peer should have known better.
    pub(super) fn is_bad(&self, fault: &Fault) -> bool {
        self.counters.count(fault);
        let Fault::Error(error) = fault else {
            return false;
        };
        let bad = [
            ErrorKind::NotFound,
            ErrorKind::NoSuchMethod,
            ErrorKind::BadArguments,
            ErrorKind::Unsupported,
        ];
        error.executed() == Executed::No && bad.contains(&error.kind()) && !is_of_sink(error)
    }

    /// Answers a call that ran as a task.
    fn finish(self: &Arc<Self>, key: IncomingKey, target: &Export, result: ReplyMessage) {
        self.append(self.answer_of(key, target, result), clock::now());
        if key.is_kept() {
            self.serve_ready();
        }
        let then = {
            let mut state = self.lock();
            let alone = state.session.stats().incoming == 0;
            state.flush(alone)
        };
        self.act(then);
    }
}

pub(super) fn headers_of(header: &Header<'_>) -> Headers {
    if header.user.is_empty() && header.trace.is_none() {
        return None;
    }
    Some(header.pairs())
        .filter(|pairs| !pairs.is_empty())
        .map(Arc::new)
}
