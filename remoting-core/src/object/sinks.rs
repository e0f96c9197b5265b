//! Calls that come to an object through the sinks of the host and of the object's origin.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::running::{forget, panic_text};
use super::{
    Class, ConstructorCall, Dispatched, Made, Pinned, RawCall, ServerObject, context, internal,
};
use crate::error::{Executed, Fault};
use crate::sink::{Carried, MethodCall, Side, Sinks};

impl Carried for Arc<dyn ServerObject> {}

/// Runs a call of an object. It is in place as the call that runs here.
///
/// - `host`: the sinks of the host, outside of the others.
#[inline]
pub(super) fn dispatch(
    host: &Sinks,
    sinks: Sinks,
    object: Arc<dyn ServerObject>,
    call: RawCall<'_>,
) -> Dispatched {
    if host.is_empty() && sinks.is_empty() {
        return object.dispatch(call);
    }
    dispatch_through(host.clone().then(sinks), object, call)
}

#[cold]
fn dispatch_through(sinks: Sinks, object: Arc<dyn ServerObject>, call: RawCall<'_>) -> Dispatched {
    let call = call.into_owned();
    let facet = object.facet(call.interface);
    let interface = facet.unwrap_or_else(|| object.interface()).name;
    run(sinks, interface, false, call, |call| object.dispatch(call))
}

/// Runs a constructor. It is in place as the call that runs here.
///
/// - `host`: the sinks of the host.
pub(crate) fn construct(
    host: &Sinks,
    class: &Arc<dyn Class>,
    call: RawCall<'_>,
) -> Made<Arc<dyn ServerObject>> {
    let own = class.guard().map(|guard| guard.sinks()).unwrap_or_default();
    let sinks = host.clone().then(own);
    if sinks.is_empty() {
        return class.construct(ConstructorCall::new(call));
    }
    let (class, call) = (Arc::clone(class), call.into_owned());
    let interface = class.interface().name;
    run(sinks, interface, true, call, move |call| {
        class.construct(ConstructorCall::new(call))
    })
}

fn run<R: Carried>(
    sinks: Sinks,
    interface: &'static str,
    constructs: bool,
    call: RawCall<'static>,
    last: impl FnOnce(RawCall<'static>) -> Pinned<'static, Result<R, Fault>> + Send + 'static,
) -> Pinned<'static, Result<R, Fault>> {
    let method = call.method;
    let (peer, deadline, headers) = context::seen();
    let seen = MethodCall {
        headers: headers.map(|headers| headers.to_vec()).unwrap_or_default(),
        side: Side::Server,
        interface,
        method: Some(method),
        number: method.id,
        constructs,
        url: None,
        peer,
        size: call.payload.as_slice().len(),
        deadline,
        formatter: call.style.formatter.clone(),
    };
    let has_passed = Arc::new(AtomicBool::new(false));
    let passed = Arc::clone(&has_passed);
    let running = sinks.run(seen, move |seen| {
        passed.store(true, Ordering::Relaxed);
        context::set_headers(seen.headers);
        last(call)
    });
    guarded(method.name, running, has_passed)
}

/// Ends a call with an error in which a sink panics before it has passed the call on.
fn guarded<R: Send + 'static>(
    method: &'static str,
    mut running: Pinned<'static, Result<R, Fault>>,
    has_passed: Arc<AtomicBool>,
) -> Pinned<'static, Result<R, Fault>> {
    Box::pin(poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| {
            if has_passed.load(Ordering::Relaxed) {
                // What comes then is as without sinks.
                resume_unwind(panic);
            }
            let text = panic_text(&*panic);
            forget(panic);
            let fault = internal(
                method,
                &format!("a sink panicked before `{method}` was run"),
                &text,
            );
            std::task::Poll::Ready(Err(match fault {
                Fault::Error(error) => Fault::Error(error.with_executed(Executed::No)),
                fault => fault,
            }))
        })
    }))
}
