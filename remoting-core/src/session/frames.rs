//! What the peer's frames do.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::assembly::{Aim, Begun, Goal};
use super::resume::is_counted;
use super::routing::{Nowhere, Route};
use super::running::Times;
use super::time::after;
use super::{
    EARLY_BYTES, EARLY_CALLS, Effects, End, Exported, IncomingRequest, IncomingResolve, Request,
    Session,
};
use crate::error::{ErrorKind, Executed, Fault};
use crate::id::{CallId, MethodId};
use crate::wire::{
    Call, HEAD_LENGTH, Header, Item, Message, Post, RawFrame, Resolve, Return, Target, Violation,
    kind,
};

/// A CALL, or a POST where `call` is `None`.
pub(super) struct Arrived<'f> {
    pub(super) frame: RawFrame<'f>,
    pub(super) call: Option<CallId>,
    /// It goes on in a CONT.
    pub(super) more: bool,
    /// Its answer is to be kept.
    pub(super) keep: bool,
    pub(super) target: Target,
    pub(super) method: MethodId,
    pub(super) header: Header<'f>,
    pub(super) payload: &'f [u8],
}

impl<'f> Arrived<'f> {
    #[inline]
    fn call(frame: RawFrame<'f>, call: Call<'f>) -> Self {
        Self {
            frame,
            call: Some(call.call),
            more: call.more,
            keep: call.keep,
            target: call.target,
            method: call.method,
            header: call.header,
            payload: call.payload,
        }
    }

    fn post(frame: RawFrame<'f>, post: Post<'f>) -> Self {
        Self {
            frame,
            call: None,
            more: false,
            keep: false,
            target: post.target,
            method: post.method,
            header: post.header,
            payload: post.payload,
        }
    }
}

impl Arrived<'_> {
    /// Whether it can begin only when more has come.
    #[inline]
    fn waits(&self) -> bool {
        let table = self.header.references;
        self.more || !table.is_empty() && table.has_answers()
    }
}

impl<T: Exported> Session<T> {
    /// Takes in a frame. Gives a request that the driver has to answer, if it is one.
    ///
    /// # Errors
    ///
    /// The end of the session, if it has come; the driver passes it to `close`.
    pub fn handle_frame<'f>(
        &mut self,
        frame: RawFrame<'f>,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<Option<Request<'f, T>>, End> {
        if self.closed {
            return Ok(None);
        }
        self.liveness.on_frame(now);
        let length = frame.body.len().saturating_add(HEAD_LENGTH);
        let counted = u64::from(is_counted(frame.kind));
        self.count(counted, length, now);
        // Almost all frames are of these kinds.
        match frame.kind {
            kind::CALL if self.peer.is_some() => {
                let call = Call::parse(frame)?;
                return self.on_call(Arrived::call(frame, call), now, effects);
            }
            kind::RETURN if self.peer.is_some() => {
                let answer = Return::parse(frame)?;
                let done = self.on_return(&answer, effects);
                return done.map(|()| None).map_err(End::Violation);
            }
            kind::ITEM if self.peer.is_some() => {
                let done = self.on_item(&Item::parse(frame)?, effects);
                return done.map(|()| None).map_err(End::Violation);
            }
            _ => {}
        }
        let message = Message::parse(frame)?;
        if self.peer.is_none() && !matches!(message, Message::Hello(_) | Message::Abort(_)) {
            return Err(End::Violation(Violation::FrameBeforeHello));
        }
        match message {
            Message::Post(post) => self.on_call(Arrived::post(frame, post), now, effects),
            Message::Resolve(resolve) => self.on_resolve(frame, resolve, now, effects),
            other => self.on_other(other, now, effects).map(|()| None),
        }
    }

    /// The same for a frame whose bytes, `whole`, can be shared: large payloads are not copied.
    pub fn handle_shared_frame<'f>(
        &mut self,
        (frame, whole): (RawFrame<'f>, &Bytes),
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<Option<Request<'f, T>>, End> {
        self.arriving = Some(whole.clone());
        let handled = self.handle_frame(frame, now, effects);
        self.arriving = None;
        handled
    }

    /// Takes in a message that asks nothing of the driver.
    fn on_other(
        &mut self,
        message: Message<'_>,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<(), End> {
        let done = match message {
            Message::Return(answer) => self.on_return(&answer, effects),
            Message::Error(answer) => self.on_error(&answer, effects),
            Message::Hello(hello) => self.on_hello(hello, effects),
            Message::Cancel(call) => self.on_cancel(call, now, effects),
            Message::Release(release) => self.on_release(&release, effects),
            Message::Renew(renew) => return self.on_renew(renew, now),
            Message::Ping(ping) => self.on_ping(ping, now),
            Message::GoAway(go_away) => self.on_go_away(&go_away, effects),
            Message::Abort(abort) => {
                return Err(End::Aborted {
                    code: abort.code,
                    text: abort.text.to_owned(),
                });
            }
            Message::Pong(pong) => self.resume.on_ack(pong.rx_count),
            Message::Ack(count) => self.resume.on_ack(count),
            Message::Ignored(_) => Ok(()),
            Message::Cont(cont) => self.on_cont(&cont, now, effects),
            Message::Item(item) => self.on_item(&item, effects),
            Message::Credit(credit) => self.on_credit(credit, effects),
            Message::End(end) => self.on_end(&end, effects),
            // These have been dealt with, or were refused before HELLO.
            Message::Call(_) | Message::Post(_) | Message::Resolve(_) => Ok(()),
        };
        done.map_err(End::Violation)
    }

    fn on_call<'f>(
        &mut self,
        arrived: Arrived<'f>,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<Option<Request<'f, T>>, End> {
        if self.parting.here {
            self.decline(arrived.header.references)?;
            return Ok(None);
        }
        self.on_request(arrived.call, arrived.frame)?;
        if let Some(fault) = self.refusal_of(&arrived) {
            self.decline(arrived.header.references)?;
            self.refuse_call(&arrived, &fault, now);
            return self.count_bad(&fault, now).map(|()| None);
        }
        let times = self.times(&arrived.header, now);
        let target = match self.route(arrived.target) {
            Route::Object(target) if !arrived.waits() => target,
            Route::Nowhere(nowhere) => return self.go_nowhere(&arrived, &nowhere, now),
            other => return self.set_aside(arrived, other, times, now, effects),
        };
        let key = self.incoming.begin(arrived.call, arrived.keep, times);
        let table = arrived.header.references;
        let references = match table.is_empty() {
            true => Vec::new(),
            false => self.receive(table)?,
        };
        Ok(Some(Request::Call(IncomingRequest {
            key,
            target,
            method: arrived.method,
            header: arrived.header,
            payload: arrived.payload,
            references,
            deadline: times.deadline,
        })))
    }

    /// Answers a call whose object is not there.
    pub(super) fn go_nowhere<'f>(
        &mut self,
        arrived: &Arrived<'_>,
        nowhere: &Nowhere,
        now: Instant,
    ) -> Result<Option<Request<'f, T>>, End> {
        self.decline(arrived.header.references)?;
        let fault = &nowhere.fault;
        let bad = match nowhere.bad {
            true => self.bad_request(now),
            false => Ok(()),
        };
        self.refuse_call(arrived, fault, now);
        bad.map(|()| None)
    }

    fn on_resolve<'f>(
        &mut self,
        frame: RawFrame<'f>,
        resolve: Resolve<'f>,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<Option<Request<'f, T>>, End> {
        if self.parting.here {
            self.decline(resolve.header.references)?;
            return Ok(None);
        }
        self.on_request(Some(resolve.call), frame)?;
        if let Some(fault) = refusal_of_header(&resolve.header, false) {
            self.decline(resolve.header.references)?;
            self.write_fault(resolve.call, &fault, None);
            self.liveness.on_append(now);
            let counted = self.count_bad(&fault, now);
            self.incoming.begin_failed(resolve.call, fault);
            return counted.map(|()| None);
        }
        let times = self.times(&resolve.header, now);
        let key = self.incoming.begin_resolve(resolve.call, times);
        let references = self.receive(resolve.header.references)?;
        if resolve.more {
            let aim = Aim {
                goal: Goal::Resolve,
                on: None,
                references,
            };
            let begun = Begun { key, aim, times };
            self.begin_partial(resolve.call, frame, begun, now, effects);
            return Ok(None);
        }
        Ok(Some(Request::Resolve(IncomingResolve {
            key,
            resolve,
            references,
            deadline: times.deadline,
        })))
    }

    /// Counts a request and checks its number.
    fn on_request(&mut self, call: Option<CallId>, frame: RawFrame<'_>) -> Result<(), Violation> {
        self.incoming.count();
        let length = frame.body.len().saturating_add(HEAD_LENGTH);
        if !self.output.is_begun() {
            // The peer cannot have seen our HELLO.
            self.early_bytes = self.early_bytes.saturating_add(length);
            if self.early_bytes > EARLY_BYTES || self.incoming.sequence() > EARLY_CALLS as u64 {
                return Err(Violation::TooMuchBeforeHello);
            }
        }
        let checked = call.map_or(Ok(()), |call| self.incoming.check(call));
        if checked == Err(Violation::CallIdOutOfRange) {
            self.config.counters.calls_per_session.add();
        }
        checked
    }

    /// Why a call is not let through, whatever its target.
    fn refusal_of(&mut self, arrived: &Arrived<'_>) -> Option<Fault> {
        let unsupported = arrived.keep && !self.peer_keeps();
        if let Some(fault) = refusal_of_header(&arrived.header, unsupported) {
            return Some(fault);
        }
        if arrived.call.is_none() && self.incoming.posts() >= self.config.limits.calls_per_session {
            self.config.counters.calls_per_session.add();
            return Some(Fault::of(ErrorKind::ResourceExhausted));
        }
        None
    }

    fn times(&self, header: &Header<'_>, now: Instant) -> Times {
        let most = self.config.limits.max_deadline;
        let wait = Duration::from_millis(header.deadline_ms_or_default());
        Times {
            deadline: after(now, wait.min(most)),
            cap: after(now, most),
        }
    }

    /// Answers a call that does not come to run. Calls on its answer are told so too, if it was to be kept.
    pub(super) fn refuse_call(&mut self, arrived: &Arrived<'_>, fault: &Fault, now: Instant) {
        if let (true, Some(call)) = (arrived.keep && self.peer_keeps(), arrived.call) {
            self.incoming.begin_failed(call, fault.upstream());
        }
        self.refuse(arrived.call, fault, Some(Executed::No), now);
    }

    /// Answers a call that is not let through.
    pub(super) fn refuse(
        &mut self,
        call: Option<CallId>,
        fault: &Fault,
        executed: Option<Executed>,
        now: Instant,
    ) {
        if let Some(call) = call {
            self.write_fault(call, fault, executed);
            self.liveness.on_append(now);
        }
    }
}

/// Refuses what this side must understand and does not (other ways to send a message,
/// keys that are critical), and what comes too late.
fn refusal_of_header(header: &Header<'_>, unsupported: bool) -> Option<Fault> {
    let unknown = header.unknown_critical.is_some() || header.idempotency_key.is_some();
    if unknown || unsupported {
        return Some(Fault::of(ErrorKind::Unsupported));
    }
    (header.deadline_ms == Some(0)).then(|| Fault::of(ErrorKind::DeadlineExceeded))
}
