//! Calls that come to an object through the sinks of the host, of the channel and of the object's origin.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use super::running::{drop_caught, fault_of, forget, panic_text};
use super::{
    Class, ConstructorCall, Dispatched, Made, NewObject, Pinned, RawCall, ServerObject, context,
    internal,
};
use crate::descriptor::MethodDescriptor;
use crate::error::{ErrorKind, Executed, Fault};
use crate::id::MethodId;
use crate::proxy::{FORWARDED, check_headers};
use crate::sink::{Body, Carried, MethodCall, Side, Sinks, of_sink};
use crate::wire::locks::LockTokens;

impl Carried for NewObject {
    fn into_body(self) -> Body {
        Body::Object(Box::new(self.object), self.headers)
    }

    fn from_body(body: Body, _executed: Executed) -> Option<Self> {
        match body {
            Body::Object(object, headers) => {
                let object = *object.downcast().ok()?;
                Some(Self { object, headers })
            }
            Body::Encoded(_) => None,
        }
    }
}

/// What a call passes through, and the name that those are told.
pub(crate) struct Around {
    sinks: Sinks,
    name: Option<Arc<str>>,
}

impl Around {
    /// - `name`: the name that the object was called by; asked only if there are sinks.
    #[inline]
    pub(crate) fn new(sinks: Sinks, name: impl FnOnce() -> Option<Arc<str>>) -> Self {
        let is_seen = !sinks.is_empty();
        let name = is_seen.then(name).flatten();
        Self { sinks, name }
    }
}

/// Runs a call of an object. It is in place as the call that runs here.
#[inline]
pub(super) fn dispatch(
    around: Around,
    object: Arc<dyn ServerObject>,
    call: RawCall<'_>,
) -> Dispatched {
    if around.sinks.is_empty() {
        return object.dispatch(call);
    }
    dispatch_through(around, object, call)
}

#[cold]
fn dispatch_through(
    Around { sinks, name }: Around,
    object: Arc<dyn ServerObject>,
    call: RawCall<'_>,
) -> Dispatched {
    let call = call.into_owned();
    let facet = object.facet(call.interface);
    let seen = Seen {
        interface: facet.unwrap_or_else(|| object.interface()).name,
        name,
        constructs: false,
    };
    run(sinks, seen, call, |call| object.dispatch(call))
}

/// Runs a constructor. It is in place as the call that runs here.
///
/// - `outer`: the sinks of the host and of the channel.
/// - `name`: the name that its class has.
pub(crate) fn construct(
    outer: &Sinks,
    class: &Arc<dyn Class>,
    name: &str,
    call: RawCall<'_>,
) -> Made<NewObject> {
    let own = class.guard().map(|guard| guard.sinks()).unwrap_or_default();
    let sinks = outer.clone().then(own);
    if sinks.is_empty() {
        return class.construct(ConstructorCall::new(call));
    }
    let (class, call) = (Arc::clone(class), call.into_owned());
    let seen = Seen {
        interface: class.interface().name,
        name: Some(name.into()),
        constructs: true,
    };
    run(sinks, seen, call, move |call| {
        class.construct(ConstructorCall::new(call))
    })
}

/// What sinks see of what is called.
struct Seen {
    interface: &'static str,
    name: Option<Arc<str>>,
    constructs: bool,
}

fn run<R: Carried>(
    sinks: Sinks,
    seen: Seen,
    call: RawCall<'static>,
    start: impl FnOnce(RawCall<'static>) -> Pinned<'static, Result<R, Fault>> + Send + 'static,
) -> Pinned<'static, Result<R, Fault>> {
    let method = call.method;
    let seen = seen.of(&call);
    let inside = Arc::new(Inside::new(method, move || start(call)));
    let own = Arc::clone(&inside);
    let running = sinks.run(seen, None, move |seen| match inside.enter(seen.headers) {
        Ok(passage) => Box::pin(passage),
        Err(fault) => Box::pin(std::future::ready(Err(fault))),
    });
    outside(running, own)
}

impl Seen {
    /// What sinks see of a call of it.
    fn of(self, call: &RawCall<'_>) -> MethodCall {
        let (peer, deadline, headers) = context::seen();
        // What goes on to somebody else has a number in the place of a name.
        let is_known = !std::ptr::eq(call.method, &FORWARDED);
        let forwarded = MethodId(u32::try_from(call.index).unwrap_or(u32::MAX));
        MethodCall {
            headers: headers.map(|headers| headers.to_vec()).unwrap_or_default(),
            side: Side::Server,
            interface: self.interface,
            name: self.name,
            method: is_known.then_some(call.method),
            number: if is_known { call.method.id } else { forwarded },
            constructs: self.constructs,
            url: None,
            peer,
            size: call.payload.as_slice().len(),
            streams: Vec::new(),
            deadline,
            formatter: call.style.formatter.clone(),
        }
    }
}

/// The call itself, behind the sinks.
struct Inside<R> {
    method: &'static MethodDescriptor,
    start: Mutex<Option<Start<R>>>,
    /// What a sink has given up and may not be cut: it runs on to its end.
    left: Mutex<Option<Pinned<'static, Result<R, Fault>>>>,
    /// The locks that are held outside of it.
    locks: LockTokens,
    /// Whether it has ended in an error of its own.
    has_failed: AtomicBool,
}

type Start<R> = Box<dyn FnOnce() -> Pinned<'static, Result<R, Fault>> + Send>;

impl<R: Send + 'static> Inside<R> {
    fn new(
        method: &'static MethodDescriptor,
        start: impl FnOnce() -> Pinned<'static, Result<R, Fault>> + Send + 'static,
    ) -> Self {
        Self {
            method,
            start: Mutex::new(Some(Box::new(start))),
            left: Mutex::default(),
            locks: context::locks(),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Lets the call in, once.
    fn enter(
        self: &Arc<Self>,
        headers: Vec<(String, String)>,
    ) -> Result<impl Future<Output = Result<R, Fault>> + Send + use<R>, Fault> {
        check_headers(&headers)?;
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let start = { start }.take().ok_or_else(|| {
            let text = "a sink has passed the call on twice, which it cannot at the server";
            Fault::refused(ErrorKind::Unsupported, text)
        })?;
        context::set_headers(headers);
        let mut passage = Passage {
            inside: Arc::clone(self),
            start: Some(start),
            running: None,
        };
        Ok(poll_fn(move |cx| passage.poll(cx)))
    }

    /// Polls it, if it is there, and keeps it if it goes on.
    fn poll(
        &self,
        running: &mut Option<Pinned<'static, Result<R, Fault>>>,
        start: Option<Start<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<R, Fault>> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let Some(start) = start {
                *running = Some(start());
            }
            running
                .as_mut()
                .map_or(Poll::Pending, |running| running.as_mut().poll(cx))
        }));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(fault_of(self.method.name, context::has_begun(), panic)),
        };
        drop_caught(self.method.name, running.take());
        if result.is_err() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        context::end(self.locks.clone());
        Poll::Ready(result)
    }

    /// Polls what a sink has given up. Tells whether nothing is left of it.
    fn poll_left(&self, cx: &mut Context<'_>) -> bool {
        let left = || self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = left().take();
        if running.is_none() {
            return true;
        }
        match self.poll(&mut running, None, cx) {
            Poll::Ready(_) => true,
            Poll::Pending => {
                *left() = running;
                false
            }
        }
    }
}

/// A call that a sink has passed on and waits for.
struct Passage<R: Send + 'static> {
    inside: Arc<Inside<R>>,
    start: Option<Start<R>>,
    running: Option<Pinned<'static, Result<R, Fault>>>,
}

impl<R: Send + 'static> Passage<R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Fault>> {
        let inside = Arc::clone(&self.inside);
        inside.poll(&mut self.running, self.start.take(), cx)
    }
}

impl<R: Send + 'static> Drop for Passage<R> {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let inside = &self.inside;
        if context::has_begun() && !inside.method.may_be_cut() {
            let mut left = inside.left.lock().unwrap_or_else(PoisonError::into_inner);
            *left = Some(running);
        } else {
            drop_caught(inside.method.name, running);
            context::end(inside.locks.clone());
        }
    }
}

/// Runs the sinks to their end, and what they have given up. A panic of one of them ends the call with an error.
fn outside<R: Send + 'static>(
    running: Pinned<'static, Result<R, Fault>>,
    inside: Arc<Inside<R>>,
) -> Pinned<'static, Result<R, Fault>> {
    let method = inside.method.name;
    let (mut sinks, mut reply) = (Some(running), None);
    Box::pin(poll_fn(move |cx| {
        if let Some(running) = &mut sinks {
            match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(result)) => reply = Some(result),
                Err(panic) => reply = Some(Err(panicked(method, panic))),
            }
        }
        if reply.is_some() {
            drop_caught(method, sinks.take());
        }
        let is_done = inside.poll_left(cx);
        match reply.take() {
            Some(Err(Fault::Error(error))) if is_done => {
                let is_own = inside.has_failed.load(Ordering::Relaxed);
                let error = if is_own { error } else { of_sink(error) };
                Poll::Ready(Err(Fault::Error(error)))
            }
            Some(result) if is_done => Poll::Ready(result),
            waiting => {
                reply = waiting;
                Poll::Pending
            }
        }
    }))
}

/// What the caller is told of a sink that has panicked.
fn panicked(method: &str, panic: Box<dyn Any + Send>) -> Fault {
    let text = panic_text(&*panic);
    forget(panic);
    match internal(method, &format!("a sink of `{method}` panicked"), &text) {
        Fault::Error(error) if !context::has_begun() => {
            Fault::Error(error.with_executed(Executed::No))
        }
        fault => fault,
    }
}
