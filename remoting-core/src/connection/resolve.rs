//! The server's end: requests for objects, which are found, made, or seen through another interface.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::serve::headers_of;
use super::{Connection, Export, apply};
use crate::clock;
use crate::error::{ErrorKind, Fault};
use crate::id::{InterfaceId, MethodId};
use crate::object::context::Active;
use crate::object::{
    Bytes, Class, Conduct, NewObject, News, Permit, RawCall, Running, Vacancy, cap, construct,
    constructor_of, is_slow_here, poll_timed, seen_through,
};
use crate::payload::{Headers, unless_empty};
use crate::proxy::Style;
use crate::session::{Effects, IncomingKey, IncomingResolve};
use crate::wire::resolve::ResolveWhat;

/// An object that was asked for, and the headers that go along with it.
type Found = (Export, Headers);

/// One that has been there before.
fn known(export: Export) -> Option<Found> {
    Some((export, None))
}

impl Connection {
    /// Answers a request for an object.
    pub(super) fn serve_resolve(
        self: &Arc<Self>,
        incoming: IncomingResolve<'_, Export>,
        now: Instant,
    ) {
        let key = incoming.key;
        match self.try_resolve(incoming, now) {
            Ok(None) => {}
            Ok(Some(found)) => self.answer(key, Ok(found)),
            Err(fault) => self.answer(key, Err(fault)),
        }
    }

    fn try_resolve(
        self: &Arc<Self>,
        incoming: IncomingResolve<'_, Export>,
        now: Instant,
    ) -> Result<Option<Found>, Fault> {
        let mut incoming = incoming;
        // Whatever comes of it, what the peer has lent with it is given back when this is dropped.
        let references = std::mem::take(&mut incoming.references);
        let arguments = self.arguments(incoming.resolve.payload, None, references);
        let request = &incoming.resolve.request;
        let name = std::str::from_utf8(request.key).unwrap_or_default();
        let interface = request.interface;
        let peer = self.peer();
        match request.what {
            ResolveWhat::Name => {
                self.check_login()?;
                self.service.resolve(name, interface, peer).map(known)
            }
            ResolveWhat::Activate(constructor) => {
                self.check_login()?;
                let class = self.service.class(name, interface, peer)?;
                let incoming = (incoming, arguments);
                self.activate((name, &class), constructor, incoming, now)
            }
            ResolveWhat::Cast => self.cast(request.key, interface).map(known),
            ResolveWhat::Ticket => {
                self.check_login()?;
                self.service.redeem(name, interface, peer).map(known)
            }
        }
    }

    /// The object of a slot, seen through another of its interfaces.
    fn cast(&self, key: &[u8], wanted: InterfaceId) -> Result<Export, Fault> {
        let slot = ResolveWhat::slot(key).ok_or_else(|| Fault::of(ErrorKind::BadArguments))?;
        let export = self.lock().session.exported(slot);
        let export = export.ok_or_else(Fault::not_held)?;
        let target = export.object().target()?;
        target.admit(self.peer(), None)?;
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
        (name, class): (&str, &Arc<dyn Class>),
        constructor: MethodId,
        (incoming, arguments): (IncomingResolve<'_, Export>, Bytes<'_>),
        now: Instant,
    ) -> Result<Option<Found>, Fault> {
        let interface = class.interface();
        let peer = self.peer();
        let (index, method) = constructor_of(&**class, constructor, peer)?;
        if self.stats().exports >= self.limits.objects_per_session {
            self.counters.objects_per_session.add();
            return Err(Fault::refused(
                ErrorKind::ResourceExhausted,
                "the session holds too many objects; drop some proxies",
            ));
        }
        let vacancy = self.service.keeper().vacancy_of(peer)?;
        let workers = self.service.workers();
        let permit = workers.admit()?;
        let header = incoming.resolve.header;
        let codec = header.codec_or_default();
        let conduct = class.conduct(index);
        let context = Active {
            conduct,
            headers: headers_of(&header),
            locks: header.locks.clone(),
            depth: header.depth,
            queue: self.limits.queued_per_object,
            ..Active::begin(method, Arc::clone(peer), incoming.deadline)
        };
        let formatter = self.formatter_of(codec)?;
        let raw = RawCall {
            interface: interface.id,
            method,
            index,
            payload: arguments,
            style: Style::by_number(formatter),
            limits: self.scan_limits(),
        };
        let mut running =
            Running::start(context, || construct(&self.server_sinks, class, name, raw));
        if !conduct.is_some_and(is_slow_here) {
            let cx = &mut Context::from_waker(Waker::noop());
            if let Poll::Ready(made) = poll_timed(&mut running, conduct, News::Fresh, cx) {
                return Ok(Some(self.care_for(made?, vacancy)));
            }
        }
        self.construct_later(incoming.key, (running, conduct), vacancy, permit, now);
        Ok(None)
    }

    /// Goes on with a constructor that waits, or may take long.
    fn construct_later(
        self: &Arc<Self>,
        key: IncomingKey,
        (mut running, conduct): (Running<NewObject>, Option<&'static Conduct>),
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
        let cap = cap(now, self.limits.max_deadline);
        tokio::spawn(async move {
            let workers = connection.service.workers();
            let made = workers.construct(running, cap, conduct).await;
            drop(permit);
            let found = made.map(|made| connection.care_for(made, vacancy));
            connection.answer(key, found);
            let then = connection.lock().flush(true);
            connection.act(then);
        });
    }

    /// Takes in an object that was made for the peer.
    fn care_for(&self, made: NewObject, vacancy: Vacancy) -> Found {
        let NewObject { object, headers } = made;
        let tenant = self.service.keeper().take_in(object, vacancy, None);
        (Export::Kept(tenant.hold()), unless_empty(headers))
    }

    /// Answers a request for an object, and runs the calls that waited for it.
    fn answer(self: &Arc<Self>, key: IncomingKey, found: Result<Found, Fault>) {
        let mut effects = Effects::new();
        let bad = found.as_ref().is_err_and(|fault| self.is_bad(fault));
        let found = found.map_err(|fault| fault.shown(self.service.shows_details(self.peer())));
        let failed;
        let answer = match found {
            Ok((export, headers)) => {
                let signature = export.object().interface().signature;
                Ok((export, signature, headers))
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
        apply(effects);
        if let Some(end) = ended {
            self.shut(end);
        }
        self.serve_ready();
    }
}
