//! Two sessions with pipes between them and a clock that only the test moves.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::arrival::{Arrival, arrival, note};
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::id::{CallId, InterfaceId, MethodId, Slot};
use crate::limits::{Counters, Limits};
use crate::payload::Content;
use crate::session::{
    Effects, End, IncomingKey, Lent, Outgoing, Posting, Reply, ResumeConfig, Session,
    SessionConfig, Start,
};
use crate::wire::{HeaderBlock, Hello, MAX_BODY, ResolveWhat, Target, split_frame, write_hello};

pub(super) type Object = Arc<str>;

/// One session and what its driver would hold.
pub(super) struct Side {
    pub(super) session: Session<Object>,
    pub(super) effects: Effects<Object>,
    pub(super) arrivals: Vec<Arrival>,
    pub(super) counters: Arc<Counters>,
    /// Bytes that the session gave away and the pipe has not taken.
    pub(super) leaving: Vec<u8>,
    /// Bytes that came out of the pipe and are no whole frame yet.
    pub(super) unread: Vec<u8>,
    pub(super) end: Option<End>,
    /// What each call and each answer refers to.
    pub(super) lending: Vec<Lent<Object>>,
    /// The peer's objects that came along with its calls and answers.
    pub(super) borrowed: Vec<Slot>,
}

impl Side {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self::resuming(ResumeConfig::NEVER, limits, now)
    }

    /// A side whose session may outlive its connection.
    pub(super) fn resuming(resume: ResumeConfig, limits: Limits, now: Instant) -> Self {
        let counters = Arc::new(Counters::default());
        let config = SessionConfig {
            limits: Arc::new(limits),
            counters: Arc::clone(&counters),
            codecs: vec![1, 0],
            agent: "test".to_owned(),
            incarnation: 7,
            token: None,
            resume,
            dialled: false,
        };
        Self {
            session: Session::new(config, now),
            effects: Effects::new(),
            arrivals: Vec::new(),
            counters,
            leaving: Vec::new(),
            unread: Vec::new(),
            end: None,
            lending: Vec::new(),
            borrowed: Vec::new(),
        }
    }

    /// A side whose peer has announced `max_calls` and nothing unusual.
    pub(super) fn greeted(limits: Limits, max_calls: u32, now: Instant) -> Self {
        let mut side = Self::new(limits, now);
        side.session.take_output(Vec::new()).flat();
        let mut hello = Vec::new();
        write_hello(
            &mut hello,
            &Hello {
                max_calls,
                ..Hello::default()
            },
        );
        side.read(&hello, now).unwrap();
        side
    }

    /// Takes bytes in and handles the frames that are whole.
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant) -> Result<(), End> {
        self.unread.extend_from_slice(bytes);
        let unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        let result = self.read_frames(&mut rest, now);
        self.unread = rest.to_vec();
        if let Err(end) = &result {
            self.close(end.clone());
        }
        result
    }

    fn read_frames(&mut self, rest: &mut &[u8], now: Instant) -> Result<(), End> {
        loop {
            let items = self.session.on_items(rest, now, &mut self.effects)?;
            *rest = &rest[items..];
            let Some((frame, length)) = split_frame(rest, MAX_BODY)? else {
                return Ok(());
            };
            *rest = &rest[length..];
            let request = self.session.handle_frame(frame, now, &mut self.effects)?;
            match request.map(|request| arrival(request, &mut self.borrowed)) {
                Some(arrived) => self.arrivals.push(arrived),
                None => self.take_assembled(),
            }
        }
    }

    /// Takes the request whose last frame has just come.
    fn take_assembled(&mut self) {
        if let Some(mut assembled) = self.effects.rare().assembled.take() {
            let request = assembled.request().unwrap().expect("it is taken once");
            let arrived = arrival(request, &mut self.borrowed);
            self.arrivals.push(arrived);
        }
    }

    pub(super) fn reply(&mut self, key: IncomingKey, result: Result<&[u8], &Fault>, now: Instant) {
        let effects = &mut self.effects;
        let result = result.map(Content::from);
        self.session.reply(key, result, &self.lending, now, effects);
    }

    /// Ends the session, if it has not ended.
    pub(super) fn close(&mut self, end: End) {
        if self.end.is_some() {
            return;
        }
        self.session.close(&end, &mut self.effects);
        if end.is_speechless() {
            self.leaving.clear();
        }
        self.end = Some(end);
    }

    /// Takes the calls that an answer has set free.
    pub(super) fn take_ready(&mut self) {
        if !self.session.begin_ready() {
            return;
        }
        while let Some(mut call) = self.session.next_ready() {
            note(Session::unpack(&mut call.payload), &mut self.borrowed);
            self.arrivals.push(Arrival {
                key: call.key,
                target: Some(call.target),
                payload: call.payload.as_slice().to_vec(),
                deadline: call.deadline,
            });
        }
    }

    pub(super) fn call(&mut self, target: Target, payload: &[u8], now: Instant) -> Start {
        self.call_within(target, payload, Duration::from_secs(30), now)
    }

    pub(super) fn call_within(
        &mut self,
        target: Target,
        payload: &[u8],
        wait: Duration,
        now: Instant,
    ) -> Start {
        self.call_keeping(false, target, payload, wait, now)
    }

    /// A call whose answer is to be kept.
    pub(super) fn call_kept(&mut self, target: Target, payload: &[u8], now: Instant) -> Start {
        self.call_keeping(true, target, payload, Duration::from_secs(30), now)
    }

    pub(super) fn call_keeping(
        &mut self,
        keep: bool,
        target: Target,
        payload: &[u8],
        wait: Duration,
        now: Instant,
    ) -> Start {
        let mut header = HeaderBlock::new();
        header.set_deadline_ms(wait.as_millis() as u64);
        let outgoing = Outgoing::Call {
            target,
            method: MethodId(7),
            keep,
            header: &header,
            payload: payload.into(),
        };
        self.session.start(
            outgoing,
            &self.lending,
            Waker::noop(),
            now + wait,
            now,
            &mut self.effects,
        )
    }

    pub(super) fn resolve(&mut self, name: &str, now: Instant) -> Start {
        let outgoing = Outgoing::Resolve {
            what: ResolveWhat::Name,
            interface: InterfaceId(1),
            signature: 2,
            key: name.as_bytes(),
            keep: false,
            header: &HeaderBlock::new(),
            payload: Content::from(&[] as &[u8]),
        };
        let deadline = now + Duration::from_secs(30);
        let (session, effects) = (&mut self.session, &mut self.effects);
        session.start(outgoing, &[], Waker::noop(), deadline, now, effects)
    }

    pub(super) fn post(&mut self, target: Target, payload: &[u8], now: Instant) -> bool {
        let header = HeaderBlock::new();
        let effects = &mut self.effects;
        let post = Posting {
            target,
            method: MethodId(7),
            header: &header,
            payload: payload.into(),
        };
        match self.session.post(post, &self.lending, now, effects) {
            Ok(sent) => sent,
            // The peer holds as much as it may; then it is not told.
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => false,
            Err(error) => panic!("not sent: {error:?}"),
        }
    }

    pub(super) fn poll(&mut self, call: CallId) -> Poll<Result<Reply, Fault>> {
        let mut polled = self
            .session
            .poll_reply(call, Waker::noop(), &mut self.effects);
        let payload = match &mut polled {
            Poll::Ready(Ok(reply)) => &mut reply.payload,
            Poll::Ready(Err(Fault::App(payload))) => payload,
            Poll::Ready(Err(Fault::Error(_))) | Poll::Pending => return polled,
        };
        note(Session::unpack(payload), &mut self.borrowed);
        polled
    }

    /// The error that a call has ended with.
    pub(super) fn error(&mut self, call: CallId) -> Error {
        match self.poll(call) {
            Poll::Ready(Err(Fault::Error(error))) => error,
            other => panic!("{call:?} has not failed: {other:?}"),
        }
    }

    /// The slot that a RESOLVE has ended with.
    pub(super) fn slot(&mut self, call: CallId) -> Slot {
        match self.poll(call) {
            Poll::Ready(Ok(Reply {
                slot: Some((slot, _)),
                ..
            })) => slot,
            other => panic!("{call:?} has no slot: {other:?}"),
        }
    }

    /// Answers a request with success: a RESOLVE with an object of its name, a call
    /// with its own arguments, which are also the name of the object that is kept for calls on its answer.
    pub(super) fn answer(&mut self, arrival: &Arrival, now: Instant) {
        if arrival.key.is_kept() && arrival.target.is_some() {
            let name = String::from_utf8_lossy(&arrival.payload);
            return self.answer_with(arrival, Some(Object::from(name)), now);
        }
        if arrival.target.is_some() {
            return self.reply(arrival.key, Ok(&arrival.payload), now);
        }
        let object = Object::from(String::from_utf8_lossy(&arrival.payload));
        self.session
            .answer_resolve(arrival.key, Ok((object, 2, None)), now, &mut self.effects);
        self.take_ready();
    }

    /// Answers a call whose answer is kept.
    ///
    /// - `object`: what calls on the answer go to.
    pub(super) fn answer_with(&mut self, arrival: &Arrival, object: Option<Object>, now: Instant) {
        let (payload, lent) = (Ok((&*arrival.payload).into()), (&*self.lending, object));
        let effects = &mut self.effects;
        self.session
            .reply_with(arrival.key, payload, lent, now, effects);
        self.take_ready();
    }

    /// Answers everything that has arrived, and what that sets free.
    pub(super) fn answer_all(&mut self, now: Instant) {
        while !self.arrivals.is_empty() {
            for arrival in std::mem::take(&mut self.arrivals) {
                self.answer(&arrival, now);
            }
        }
    }
}

/// A client and a server.
pub(super) struct Pair {
    pub(super) client: Side,
    pub(super) server: Side,
    pub(super) now: Instant,
}

impl Pair {
    /// Two sides that have greeted each other.
    pub(super) fn new() -> Self {
        Self::with(Limits::default(), Limits::default())
    }

    pub(super) fn with(client: Limits, server: Limits) -> Self {
        let mut pair = Self::silent(client, server);
        pair.pass();
        pair
    }

    /// Two sides that have said nothing yet.
    pub(super) fn silent(client: Limits, server: Limits) -> Self {
        let now = Instant::now();
        Self {
            client: Side::new(client, now),
            server: Side::new(server, now),
            now,
        }
    }

    /// Moves all bytes until there are none.
    pub(super) fn pass(&mut self) {
        while pass(&mut self.client, &mut self.server, self.now)
            | pass(&mut self.server, &mut self.client, self.now)
        {}
    }

    /// Lets time go by, as the drivers would: from one timeout to the next.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let due = [&self.client, &self.server].map(|s| s.session.poll_timeout());
            let due = due.into_iter().flatten().min();
            let due = due.filter(|due| *due <= until);
            self.now = due.unwrap_or(until).max(self.now);
            for side in [&mut self.client, &mut self.server] {
                if let Err(end) = side.session.handle_timeout(self.now, &mut side.effects) {
                    side.close(end);
                }
            }
            self.pass();
            if due.is_none() {
                return;
            }
        }
    }

    /// A slot of the server's that the client holds.
    pub(super) fn connect(&mut self, name: &str) -> Slot {
        let call = sent(self.client.resolve(name, self.now));
        self.pass();
        self.server.answer_all(self.now);
        self.pass();
        self.client.slot(call)
    }
}

/// Moves all bytes of one direction; tells whether there were any.
fn pass(from: &mut Side, to: &mut Side, now: Instant) -> bool {
    if from.session.output_len() == 0 {
        return false;
    }
    let bytes = from.session.take_output(Vec::new()).flat();
    from.session.written(bytes.len(), now, &mut from.effects);
    // A broken rule is noted as the end of the side that saw it.
    let _ = to.read(&bytes, now);
    true
}

pub(super) fn sent(start: Start) -> CallId {
    match start {
        Start::Sent(call) => call,
        other => panic!("not sent: {other:?}"),
    }
}

/// The result of a call, if it has one.
pub(super) fn result(polled: Poll<Result<Reply, Fault>>) -> Vec<u8> {
    match polled {
        Poll::Ready(Ok(reply)) => reply.payload.as_slice().to_vec(),
        other => panic!("no result: {other:?}"),
    }
}

pub(super) fn failed(text: &str) -> Fault {
    let error = Error::new(crate::error::ErrorKind::Internal, text);
    Fault::Error(error.with_executed(Executed::Yes))
}
