//! The server's end: calls that arrive through a connection.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::{Connection, Export, apply};
use crate::budget::ScanLimits;
use crate::clock;
use crate::error::{ErrorKind, Executed, Fault};
use crate::id::{InterfaceId, MethodId};
use crate::object::context::{Active, Headers};
use crate::object::{
    Bytes, ConstructorCall, Permit, RawCall, Reached, Running, ServerObject, Vacancy, check_depth,
    reach, seen_through, supervise,
};
use crate::session::{Effects, IncomingKey, IncomingRequest, IncomingResolve, QueuedCall};
use crate::sink::ReplyMessage;
use crate::wire::header::Header;
use crate::wire::locks::LockTokens;
use crate::wire::resolve::ResolveWhat;

/// A call that has arrived, from whichever place.
struct Arrived<'f> {
    key: IncomingKey,
    target: Export,
    method: MethodId,
    codec: u8,
    locks: LockTokens,
    headers: Headers,
    depth: u32,
    payload: Bytes<'f>,
    deadline: Instant,
}

impl Connection {
    /// Runs a call whose frame was just read.
    pub(super) fn serve_call(
        self: &Arc<Self>,
        call: IncomingRequest<'_, Export>,
        now: &mut Instant,
    ) {
        let key = call.key;
        let references = call.references;
        let arrived = Arrived {
            key,
            target: call.target,
            method: call.method,
            codec: call.header.codec_or_default(),
            headers: headers_of(&call.header),
            locks: call.header.locks,
            payload: self.arguments(call.payload, references),
            depth: call.header.depth,
            deadline: call.deadline,
        };
        self.run(arrived, now);
    }

    /// Runs a call that had to wait for its object.
    fn serve_queued(self: &Arc<Self>, mut call: QueuedCall<Export>) {
        self.unpack(&mut call.payload);
        let arrived = Arrived {
            key: call.key,
            target: call.target,
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
        self.run(arrived, &mut clock::now());
    }

    fn run(self: &Arc<Self>, call: Arrived<'_>, now: &mut Instant) {
        let key = call.key;
        match self.try_run(call, now) {
            Ok(None) => {}
            Ok(Some(result)) => self.reply(key, result, *now),
            Err(fault) => self.reply(key, Err(fault), *now),
        }
    }

    fn try_run(
        self: &Arc<Self>,
        call: Arrived<'_>,
        now: &mut Instant,
    ) -> Result<Option<ReplyMessage>, Fault> {
        let Reached {
            object,
            interface,
            index,
            method,
            busy,
        } = reach(call.target.object(), call.method)?;
        self.check_depth(call.depth)?;
        let permit = self.service.workers().admit()?.keeping(busy);
        let context = Active {
            method,
            peer: Arc::clone(&self.peer),
            deadline: call.deadline,
            headers: call.headers,
            locks: call.locks,
            depth: call.depth,
            queue: self.limits.queued_per_object,
            cancellation: None,
            started: false,
            refusal: None,
        };
        let raw = RawCall {
            interface,
            method,
            index,
            payload: call.payload,
            formatter: self
                .service
                .formatter(call.codec)
                .ok_or_else(|| unreadable_codec(call.codec))?,
            limits: self.scan_limits(),
        };
        let running = Running::start(context, || Arc::clone(&object).dispatch(raw));
        let key = call.key;
        let profile = object.profile(interface);
        let profile = (&profile, index);
        Ok(self
            .service
            .workers()
            .launch(running, profile, now, permit, |cancellation| {
                let late = self.lock().session.attach(key, Arc::clone(&cancellation));
                if let Some(reason) = late {
                    cancellation.cancel(reason);
                }
                let connection = Arc::clone(self);
                move |result| connection.finish(key, result)
            }))
    }

    /// Refuses a call that stands below too many others.
    fn check_depth(&self, depth: u32) -> Result<(), Fault> {
        check_depth(depth, &self.limits, &self.counters)
    }

    fn scan_limits(&self) -> ScanLimits {
        ScanLimits {
            depth: self.limits.depth,
            elements: self.limits.elements,
        }
    }

    /// Answers a call where its frame was read; the reader flushes.
    fn reply(self: &Arc<Self>, key: IncomingKey, result: ReplyMessage, now: Instant) {
        let lent = match &result {
            Ok(payload) | Err(Fault::App(payload)) => self.lent(payload),
            Err(Fault::Error(_)) => Ok(Vec::new()),
        };
        let (result, lent) = match lent {
            Ok(lent) => (result, lent),
            Err(fault) => (Err(fault.after_execution()), Vec::new()),
        };
        let mut effects = Effects::new();
        let ended = {
            let mut state = self.lock();
            let bad = result.as_ref().is_err_and(|fault| self.is_bad(fault));
            let bytes = result.as_ref().map(|payload| payload.as_slice());
            state.session.reply(key, bytes, &lent, now, &mut effects);
            if bad {
                state.session.bad_request(now).err()
            } else {
                None
            }
        };
        apply(effects);
        if let Some(end) = ended {
            self.shut(end);
        }
    }

    /// Counts the bound that a fault comes from; tells whether the peer should have known better.
    fn is_bad(&self, fault: &Fault) -> bool {
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
        error.executed() == Executed::No && bad.contains(&error.kind())
    }

    /// Answers a call that ran as a task.
    fn finish(self: &Arc<Self>, key: IncomingKey, result: ReplyMessage) {
        self.reply(key, result, clock::now());
        let then = {
            let mut state = self.lock();
            let alone = state.session.stats().incoming == 0;
            state.flush(alone)
        };
        self.act(then);
    }

    /// Answers a request for an object.
    pub(super) fn serve_resolve(
        self: &Arc<Self>,
        incoming: IncomingResolve<'_, Export>,
        now: Instant,
    ) {
        let key = incoming.key;
        match self.try_resolve(incoming, now) {
            Ok(None) => {}
            Ok(Some(export)) => self.answer(key, Ok(export)),
            Err(fault) => self.answer(key, Err(fault)),
        }
    }

    fn try_resolve(
        self: &Arc<Self>,
        incoming: IncomingResolve<'_, Export>,
        now: Instant,
    ) -> Result<Option<Export>, Fault> {
        let request = &incoming.resolve.request;
        let name = std::str::from_utf8(request.key).unwrap_or_default();
        let interface = request.interface;
        match request.what {
            ResolveWhat::Name => self.service.resolve(name, interface).map(Some),
            ResolveWhat::Activate(constructor) => {
                let class = self.service.class(name, interface)?;
                self.activate(&*class, constructor, incoming, now)
            }
            ResolveWhat::Cast => self.cast(request.key, interface).map(Some),
            ResolveWhat::Ticket => Err(Fault::of(ErrorKind::Unsupported)),
        }
    }

    /// The object of a slot, seen through another of its interfaces.
    fn cast(&self, key: &[u8], wanted: InterfaceId) -> Result<Export, Fault> {
        let slot = ResolveWhat::slot(key).ok_or_else(|| Fault::of(ErrorKind::BadArguments))?;
        let export = self.lock().session.exported(slot);
        let export = export.ok_or_else(Fault::not_held)?;
        let target = export.object().target()?;
        let object = seen_through(&target, wanted).ok_or_else(|| {
            let text = format!(
                "the object has the interface `{}`, and not the one that is asked for",
                target.interface().name
            );
            Fault::refused(ErrorKind::WrongInterface, text)
        })?;
        Ok(match target.tenant() {
            Some(tenant) => Export::seen(object, tenant.hold()),
            None => Export::Plain(object),
        })
    }

    /// Runs a constructor. Gives the object if it was made at once.
    fn activate(
        self: &Arc<Self>,
        class: &dyn crate::object::Class,
        constructor: MethodId,
        incoming: IncomingResolve<'_, Export>,
        now: Instant,
    ) -> Result<Option<Export>, Fault> {
        let interface = class.interface();
        let Some((index, method)) = interface.constructor(constructor) else {
            return Err(Fault::of(ErrorKind::NoSuchMethod));
        };
        if self.stats().exports >= self.limits.objects_per_session {
            self.counters.objects_per_session.add();
            return Err(Fault::refused(
                ErrorKind::ResourceExhausted,
                "the session holds too many objects; drop some proxies",
            ));
        }
        let vacancy = self.service.keeper().vacancy()?;
        let permit = self.service.workers().admit()?;
        let header = incoming.resolve.header;
        let codec = header.codec_or_default();
        let context = Active {
            method,
            peer: Arc::clone(&self.peer),
            deadline: incoming.deadline,
            headers: headers_of(&header),
            locks: header.locks,
            depth: header.depth,
            queue: self.limits.queued_per_object,
            cancellation: None,
            started: false,
            refusal: None,
        };
        let raw = RawCall {
            interface: interface.id,
            method,
            index,
            payload: self.arguments(incoming.resolve.payload, incoming.references),
            formatter: self
                .service
                .formatter(codec)
                .ok_or_else(|| unreadable_codec(codec))?,
            limits: self.scan_limits(),
        };
        let mut running = Running::start(context, || class.construct(ConstructorCall::new(raw)));
        if let Poll::Ready(object) = running.poll(&mut Context::from_waker(Waker::noop())) {
            return Ok(Some(self.care_for(object?, vacancy)));
        }
        self.construct_later(incoming.key, running, vacancy, permit, now);
        Ok(None)
    }

    /// Goes on with a constructor that waits.
    fn construct_later(
        self: &Arc<Self>,
        key: IncomingKey,
        mut running: Running<Arc<dyn ServerObject>>,
        vacancy: Vacancy,
        permit: Permit,
        now: Instant,
    ) {
        let cancellation = running.cancellation();
        let late = self.lock().session.attach(key, Arc::clone(&cancellation));
        if let Some(reason) = late {
            cancellation.cancel(reason);
        }
        let connection = Arc::clone(self);
        let cap = self.service.workers().cap(now);
        tokio::spawn(async move {
            let object = supervise(running, cap, None).await;
            drop(permit);
            let export = object.map(|object| connection.care_for(object, vacancy));
            connection.answer(key, export);
            let then = connection.lock().flush(true);
            connection.act(then);
        });
    }

    /// Takes in an object that was made for the peer.
    fn care_for(&self, object: Arc<dyn ServerObject>, vacancy: Vacancy) -> Export {
        let tenant = self.service.keeper().take_in(object, vacancy, None);
        Export::Kept(tenant.hold())
    }

    /// Answers a request for an object, and runs the calls that waited for it.
    fn answer(self: &Arc<Self>, key: IncomingKey, export: Result<Export, Fault>) {
        let mut effects = Effects::new();
        let bad = export.as_ref().is_err_and(|fault| self.is_bad(fault));
        let failed;
        let answer = match export {
            Ok(export) => {
                let signature = export.object().interface().signature;
                Ok((export, signature))
            }
            Err(fault) => {
                failed = fault;
                Err(&failed)
            }
        };
        let ended = {
            let session = &mut self.lock().session;
            let now = clock::now();
            session.answer_resolve(key, answer, now, &mut effects);
            bad.then(|| session.bad_request(now).err()).flatten()
        };
        let ready = std::mem::take(&mut effects.ready);
        apply(effects);
        if let Some(end) = ended {
            self.shut(end);
        }
        for call in ready {
            self.serve_queued(call);
        }
    }
}

fn unreadable_codec(codec: u8) -> Fault {
    Fault::refused(
        ErrorKind::Unsupported,
        format!("this host does not read codec {codec}"),
    )
}

fn headers_of(header: &Header<'_>) -> Headers {
    let mut pairs = header.user.iter().peekable();
    pairs.peek()?;
    let header = &header.user;
    Some(Arc::new(
        header
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    ))
}
