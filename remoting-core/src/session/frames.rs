//! What the peer's frames do.

use std::time::{Duration, Instant};

use super::answering::refused;
use super::chained::ChainedCall;
use super::exports::NoObject;
use super::incoming::AnswerState;
use super::running::Times;
use super::time::after;
use super::{
    EARLY_BYTES, EARLY_CALLS, Effects, End, Exported, IncomingRequest, IncomingResolve, PeerHello,
    Request, Session,
};
use crate::error::{ErrorKind, Executed, Fault, GoneReason};
use crate::id::{CallId, MethodId, Slot};
use crate::wire::{
    HEAD_LENGTH, Header, Hello, Message, Ping, RawFrame, Renew, Resolve, Target, Violation,
    write_pong,
};

/// A CALL, or a POST where `call` is `None`.
struct Arrived<'f> {
    call: Option<CallId>,
    target: Target,
    method: MethodId,
    header: Header<'f>,
    payload: &'f [u8],
}

/// Where a call goes.
enum Route<T> {
    Object(T),
    /// It waits for the answer to this RESOLVE.
    Behind(CallId),
    /// Nowhere. `bad` tells that the caller should have known.
    Nowhere {
        fault: Fault,
        bad: bool,
    },
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
        let message = Message::parse(frame).map_err(End::Violation)?;
        if self.peer.is_none() && !matches!(message, Message::Hello(_) | Message::Abort(_)) {
            return Err(End::Violation(Violation::FrameBeforeHello));
        }
        match message {
            Message::Call(call) => {
                let unsupported = call.keep || self.is_too_long(call.more);
                let arrived = Arrived {
                    call: Some(call.call),
                    target: call.target,
                    method: call.method,
                    header: call.header,
                    payload: call.payload,
                };
                self.on_call(arrived, unsupported, length, now)
            }
            Message::Post(post) => {
                let arrived = Arrived {
                    call: None,
                    target: post.target,
                    method: post.method,
                    header: post.header,
                    payload: post.payload,
                };
                self.on_call(arrived, false, length, now)
            }
            Message::Resolve(resolve) => self.on_resolve(resolve, length, now),
            other => self.on_other(other, now, effects).map(|()| None),
        }
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
            Message::Pong(_) | Message::Ack(_) | Message::Ignored(_) => Ok(()),
            // Not in use: what they belong to was refused (rule S19).
            Message::Item(_) | Message::Credit(_) | Message::End(_) | Message::Cont(_) => Ok(()),
            // These have been dealt with.
            Message::Call(_) | Message::Post(_) | Message::Resolve(_) => Ok(()),
        };
        done.map_err(End::Violation)
    }

    fn on_hello(&mut self, hello: Hello, effects: &mut Effects<T>) -> Result<(), Violation> {
        if self.peer.is_some() {
            return Err(Violation::SecondHello);
        }
        self.liveness.on_hello();
        self.peer = Some(PeerHello {
            agent: hello.agent,
            codecs: hello.codecs,
            max_frame: usize::try_from(hello.max_frame).unwrap_or(EARLY_BYTES),
            max_calls: usize::try_from(hello.max_calls).unwrap_or(usize::MAX),
            incarnation: hello.incarnation,
        });
        effects.wakers.append(&mut self.curious);
        self.admit(effects);
        Ok(())
    }

    fn on_call<'f>(
        &mut self,
        arrived: Arrived<'f>,
        unsupported: bool,
        length: usize,
        now: Instant,
    ) -> Result<Option<Request<'f, T>>, End> {
        if self.going_away {
            self.decline(arrived.header.references);
            return Ok(None);
        }
        self.on_request(arrived.call, length)
            .map_err(End::Violation)?;
        if let Some(fault) = self.refusal_of(&arrived, unsupported) {
            self.decline(arrived.header.references);
            self.refuse(arrived.call, &fault, None, now)?;
            return self.count_bad(&fault, now).map(|()| None);
        }
        let times = self.times(&arrived.header, now);
        match self.route(arrived.target) {
            Route::Object(target) => {
                let key = self.incoming.begin(arrived.call, times);
                let references = self.receive(arrived.header.references);
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
            Route::Behind(on) => self.chain(&arrived, on, times, now),
            Route::Nowhere { fault, bad } => {
                self.decline(arrived.header.references);
                let bad = bad.then_some(()).map_or(Ok(()), |()| self.bad_request(now));
                self.refuse(arrived.call, &fault, Some(Executed::No), now)?;
                bad.map(|()| None)
            }
        }
    }

    fn on_resolve<'f>(
        &mut self,
        resolve: Resolve<'f>,
        length: usize,
        now: Instant,
    ) -> Result<Option<Request<'f, T>>, End> {
        if self.going_away {
            self.decline(resolve.header.references);
            return Ok(None);
        }
        self.on_request(Some(resolve.call), length)
            .map_err(End::Violation)?;
        let unsupported = self.is_too_long(resolve.more);
        if let Some(fault) = refusal_of_header(&resolve.header, unsupported) {
            self.decline(resolve.header.references);
            self.write_fault(resolve.call, &fault, None);
            self.liveness.on_append(now);
            let counted = self.count_bad(&fault, now);
            self.incoming.begin_failed(resolve.call, fault);
            return counted.map(|()| None);
        }
        let times = self.times(&resolve.header, now);
        let key = self.incoming.begin_resolve(resolve.call, times);
        let references = self.receive(resolve.header.references);
        Ok(Some(Request::Resolve(IncomingResolve {
            key,
            resolve,
            references,
            deadline: times.deadline,
        })))
    }

    /// Counts a request and checks its number.
    fn on_request(&mut self, call: Option<CallId>, length: usize) -> Result<(), Violation> {
        self.incoming.count();
        if !self.output.is_begun() {
            // The peer cannot have seen our HELLO.
            self.early_bytes = self.early_bytes.saturating_add(length);
            if self.early_bytes > EARLY_BYTES || self.incoming.sequence() > EARLY_CALLS as u64 {
                return Err(Violation::TooMuchBeforeHello);
            }
        }
        let Some(call) = call else { return Ok(()) };
        let checked = self.incoming.check(call);
        if checked == Err(Violation::CallIdOutOfRange) {
            self.config.counters.calls_per_session.add();
        }
        checked
    }

    /// Counts a message of more than one frame, which is more than this side takes.
    fn is_too_long(&self, more: bool) -> bool {
        if more {
            self.config.counters.max_message.add();
        }
        more
    }

    /// Why a call is not let through, whatever its target.
    fn refusal_of(&mut self, arrived: &Arrived<'_>, unsupported: bool) -> Option<Fault> {
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

    /// Finds the object that a call goes to.
    fn route(&self, target: Target) -> Route<T> {
        match target {
            Target::Slot(slot) => self.route_to(slot),
            Target::Answer(call) => match self.incoming.answer(call) {
                AnswerState::Pending => Route::Behind(call),
                AnswerState::Object(slot) => self.route_to(slot),
                AnswerState::Failed(fault) => Route::Nowhere {
                    fault: fault.clone(),
                    bad: false,
                },
                AnswerState::None => {
                    let text = "there is no such answer, or it has been forgotten";
                    Route::Nowhere {
                        fault: refused(ErrorKind::BadArguments, text),
                        bad: true,
                    }
                }
            },
        }
    }

    fn route_to(&self, slot: Slot) -> Route<T> {
        let fault = match self.exports.get(slot) {
            Ok(object) => return Route::Object(object.clone()),
            Err(NoObject::Released) => Fault::of(ErrorKind::ObjectGone(GoneReason::Released)),
            Err(NoObject::Unknown) => Fault::not_held(),
        };
        Route::Nowhere { fault, bad: true }
    }

    /// Keeps a call until its object is found.
    fn chain<'f>(
        &mut self,
        arrived: &Arrived<'_>,
        on: CallId,
        times: Times,
        now: Instant,
    ) -> Result<Option<Request<'f, T>>, End> {
        let bytes = self
            .incoming
            .chained_bytes()
            .saturating_add(arrived.payload.len());
        if bytes > self.config.limits.assembly {
            self.config.counters.assembly.add();
            let text = "too much waits for an object that is still being made";
            let fault = refused(ErrorKind::ResourceExhausted, text);
            self.decline(arrived.header.references);
            return self.refuse(arrived.call, &fault, None, now);
        }
        let Arrived {
            call,
            method,
            header,
            payload,
            ..
        } = arrived;
        let payload = self.keep(payload, header.references);
        let make = |key| ChainedCall::new(key, times, *method, header, payload);
        self.incoming.begin_chained(*call, on, times, make);
        Ok(None)
    }

    /// Answers a call that is not let through.
    fn refuse<'f>(
        &mut self,
        call: Option<CallId>,
        fault: &Fault,
        executed: Option<Executed>,
        now: Instant,
    ) -> Result<Option<Request<'f, T>>, End> {
        if let Some(call) = call {
            self.write_fault(call, fault, executed);
            self.liveness.on_append(now);
        }
        Ok(None)
    }

    fn on_cancel(
        &mut self,
        call: CallId,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        if !self.rates.cancels.allow(now) {
            self.config.counters.cancels_per_second.add();
            return Err(Violation::TooManyCancels);
        }
        if let Some(waiting) = self.incoming.cancel(call, &mut effects.cancelled) {
            self.end_waiting(waiting, &Fault::of(ErrorKind::Cancelled), now, effects);
        }
        Ok(())
    }

    /// Leases are not renewed over a session yet.
    fn on_renew(&mut self, renew: Renew, now: Instant) -> Result<(), End> {
        self.incoming.check(renew.call).map_err(End::Violation)?;
        let text = "a session holds its objects without renewing them";
        let fault = refused(ErrorKind::Unsupported, text);
        self.refuse(Some(renew.call), &fault, None, now)?;
        self.bad_request(now)
    }

    fn on_ping(&mut self, ping: Ping, now: Instant) -> Result<(), Violation> {
        if !self.rates.pings.allow(now) {
            self.config.counters.pings_per_second.add();
            return Err(Violation::TooManyPings);
        }
        write_pong(
            self.output.buffer(),
            Ping {
                rx_count: 0,
                opaque: ping.opaque,
            },
        );
        self.liveness.on_append(now);
        Ok(())
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
