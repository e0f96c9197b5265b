//! Proxies of objects that are still to come: calls are made on the answer of a call before that is there.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::endpoint::{CallState, Endpoint, Fetched, Flight, Identity};
use super::keeping::Through;
use super::promise::{Promise, Way};
use super::{Call, CallError, Reference, Stub, is_spent};
use crate::clock;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{ErrorKind, Executed, Fault};
use crate::formatter::FormatterRef;
use crate::id::Slot;
use crate::object::{Pinned, ServerObject};
use crate::sink::Sinks;

impl<P: Stub, E: CallError> Call<P, E> {
    /// The proxy that this call is going to return, at once: calls through it travel together with this one, so
    /// that a chain of calls, each on what the one before returns, takes one round trip.
    ///
    /// ```
    /// # use remoting_core::prelude::*;
    /// # use remoting_core as remoting;
    /// #[remote(crate = remoting_core)]
    /// pub trait Directory {
    ///     async fn open(&self, name: &str) -> remoting::Result<DirectoryProxy>;
    ///     async fn size(&self) -> remoting::Result<u64>;
    /// }
    ///
    /// # async fn example(root: DirectoryProxy) -> remoting::Result<()> {
    /// let size = root.open("a").pipelined().open("b").pipelined().size().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Nothing is sent before the first call through the proxy is polled, or before a call that has it as an
    /// argument is, or [`Proxy::settled`](super::Proxy::settled). Calls through one proxy and its clones arrive in the order in
    /// which they were sent, also when the object is there. As an argument of another call over the same connection the proxy
    /// stands for the answer; over any other it is waited for first. A call that has such an argument begins when the
    /// object is there, and calls that were sent after it may begin before.
    ///
    /// If this call fails, those made through the proxy end with `UpstreamFailed`, executed: no, with the error as their
    /// source; where it has ended with the interface's own error, which the source cannot show, there is none. The error
    /// itself comes where this call could not be made at all (`ConnectFailed`, `Disconnected`), and where it is a
    /// constructor. Each of the calls has its own deadline, and options that were set on this one are for this one alone.
    ///
    /// A peer that does not keep answers, a channel without sessions and an object in this process are called when
    /// the answer of this call has come: slower, and with the same result. Over a new connection the first such call waits for the
    /// peer's greeting, which is one round trip more; after a constructor it does not.
    ///
    /// When the last clone is dropped, and no call through it is under way, the object is released, or this call cancelled
    /// if it runs.
    pub fn pipelined(self) -> P {
        let Self {
            endpoint,
            state,
            decode,
            headers,
        } = self;
        let open = Box::new(move |formatter: &FormatterRef, fetched: Fetched| {
            let proxy: Result<P, E> = decode(formatter, Ok(fetched));
            match proxy {
                Ok(proxy) => Ok(proxy.reference().clone()),
                Err(_) => {
                    let text = "the answer could not be read as the object that was to come";
                    Err(Fault::executed(ErrorKind::BadResult, text))
                }
            }
        });
        let promise = Promise::new(endpoint, state, open, headers);
        P::from_reference(Reference::new(Arc::new(Pipelined(promise))))
    }
}

/// The way to an object that is still to come.
struct Pipelined(Arc<Promise>);

impl Pipelined {
    fn poll_grounded(
        &self,
        call: &mut CallState,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Fetched, Fault>>> {
        self.0.begin();
        match self.0.way() {
            Way::Nowhere(fault) => Some(Poll::Ready(Err(fault))),
            Way::Object(reference) => Some(reference.endpoint().poll(call, cx)),
            Way::Wait => {
                let deadline = call.deadline.unwrap_or_else(clock::now);
                call.flight = Flight::Behind(self.0.known(deadline));
                None
            }
            Way::Answer(answer, used) => {
                let polled = answer.wire.poll_on_answer(answer.call, call, cx);
                if let Flight::Sent { wire, .. } = &mut call.flight {
                    *wire = Through::new(Arc::clone(wire), used);
                }
                let refused = matches!(&polled, Poll::Ready(Err(Fault::Error(error)))
                    if error.kind() == ErrorKind::Disconnected && error.executed() == Executed::No);
                if refused && !is_spent(&call.payload) && call.retries == 0 {
                    call.retries = 1;
                    call.flight = Flight::Grounded;
                    return None;
                }
                Some(polled)
            }
        }
    }
}

impl Endpoint for Pipelined {
    fn formatter(&self) -> FormatterRef {
        self.0.endpoint().formatter()
    }

    fn sinks(&self) -> Option<&Sinks> {
        self.0.endpoint().sinks()
    }

    fn default_deadline(&self) -> Duration {
        self.0.endpoint().default_deadline()
    }

    fn poll(&self, call: &mut CallState, cx: &mut Context<'_>) -> Poll<Result<Fetched, Fault>> {
        loop {
            match &mut call.flight {
                Flight::Sent { wire, call } => return wire.poll(*call, cx),
                Flight::Behind(behind) => {
                    ready!(behind.as_mut().poll(cx))?;
                    call.flight = Flight::Grounded;
                }
                Flight::Grounded | Flight::Queued(_) => {
                    if let Some(polled) = self.poll_grounded(call, cx) {
                        return polled;
                    }
                }
                // Only the object itself has brought it there.
                _ => {
                    return match self.0.object() {
                        Some(reference) => reference.endpoint().poll(call, cx),
                        None => Poll::Ready(Err(Fault::of(ErrorKind::Internal))),
                    };
                }
            }
        }
    }

    fn url(&self) -> Option<String> {
        self.0.object()?.url()
    }

    fn object(&self) -> Option<Arc<dyn ServerObject>> {
        self.0.object()?.endpoint().object()
    }

    fn slot_in(&self, session: usize) -> Option<Slot> {
        self.0.object()?.endpoint().slot_in(session)
    }

    fn promise(&self) -> Option<&Arc<Promise>> {
        Some(&self.0)
    }

    fn cast(
        self: Arc<Self>,
        interface: &'static InterfaceDescriptor,
    ) -> Pinned<'static, Result<Reference, Fault>> {
        let settled = Arc::clone(&self.0).settled();
        Box::pin(async move {
            let reference = settled.await?;
            Arc::clone(reference.endpoint()).cast(interface).await
        })
    }

    /// The same before and after the answer has come.
    fn identity(&self) -> Identity {
        Identity::Local(Arc::as_ptr(&self.0).cast::<()>() as usize)
    }
}
