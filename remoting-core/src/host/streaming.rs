//! Streams of calls that come without a session: what goes along with their items is given out, or found, here.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::lookup::Redeemer;
use super::registry::Registry;
use crate::channel::BoxFuture;
use crate::error::{Error, ErrorKind, Fault};
use crate::formatter::FormatterRef;
use crate::object::{Busy, drop_caught, fault_of, poll_producer};
use crate::payload::{Batch, Payload};
use crate::peer::Principal;
use crate::proxy::{Luggage, Redeem};
use crate::sink::ReplyMessage;
use crate::stream::{Freight, Items};

const NO_PART: &str = "without a session a stream is the whole result of a method, and no part of it; use a channel \
    with sessions, such as `tcp://` or `ws://`";

const NOT_TAKEN: &str = "the result is a stream, which the caller does not take";

/// For whom answers are, and how they are made.
pub(super) struct Terms {
    pub(super) registry: Arc<Registry>,
    pub(super) owner: Option<Principal>,
    pub(super) shows_details: bool,
    pub(super) formatter: FormatterRef,
    /// Whether they may be streams.
    pub(super) takes_stream: bool,
    /// The longest item, in bytes.
    pub(super) longest: usize,
}

/// Gives out what stands in an answer: the tickets in it, or the stream that it is.
///
/// - `kept`: keeps the object as long as its stream goes on.
pub(super) fn give_out(terms: Terms, mut result: ReplyMessage, kept: Option<Busy>) -> ReplyMessage {
    if let Ok(payload) = &mut result {
        if let Some(freight) = stream_of(payload) {
            if !is_number_of_stream(&terms.formatter, payload) {
                return Err(Fault::executed(ErrorKind::Unsupported, NO_PART));
            }
            if !terms.takes_stream {
                return Err(Fault::executed(ErrorKind::Unsupported, NOT_TAKEN));
            }
            payload.attach(Freight::new(Outgoing::new(terms, freight, kept)));
            return result;
        }
    }
    if let Ok(payload) | Err(Fault::App(payload)) = &mut result {
        terms.give_tickets(payload)?;
    }
    result
}

/// The stream that goes along with a payload.
fn stream_of(payload: &Payload) -> Option<Freight> {
    payload.attached::<Luggage>()?.stream.clone()
}

/// Whether a payload is what stands for a stream, and nothing else.
fn is_number_of_stream(formatter: &FormatterRef, payload: &Payload) -> bool {
    let number = formatter.encode(&0_u32);
    number.is_ok_and(|number| number.as_slice() == payload.as_slice())
}

impl Terms {
    /// Gives out the tickets in a payload. A stream there is in the wrong place.
    fn give_tickets(&self, payload: &mut Payload) -> Result<(), Fault> {
        if !payload.has_attached() {
            return Ok(());
        }
        if stream_of(payload).is_some() {
            return Err(Fault::executed(ErrorKind::Unsupported, NO_PART));
        }
        let Some(luggage) = payload.detach::<Luggage>() else {
            let text = "the answer holds an object of a third party's, which cannot be passed on to \
                a caller without a session";
            return Err(Fault::executed(ErrorKind::Unsupported, text));
        };
        let (registry, owner) = (&self.registry, self.owner.as_ref());
        registry
            .tickets
            .give_all(&registry.keeper, &luggage.tickets, owner)
            .map_err(Fault::after_execution)
    }

    /// Makes an item what the caller may have.
    fn pass(&self, mut item: Payload) -> Result<Payload, Fault> {
        if item.len() > self.longest {
            self.registry.counters.max_frame.add();
            let text =
                "an item of the stream is longer than a frame may be; make smaller pieces of it";
            return Err(Fault::executed(ErrorKind::TooLarge, text));
        }
        self.give_tickets(&mut item)?;
        Ok(item)
    }

    /// Makes what a stream has failed with what the caller may be told.
    fn pass_error(&self, fault: Fault) -> Fault {
        let fault = match fault {
            Fault::App(error) => match self.pass(error) {
                Ok(error) => Fault::App(error),
                Err(fault) => fault,
            },
            fault @ Fault::Error(_) => fault,
        };
        self.registry.counters.count(&fault);
        fault.shown(self.shows_details)
    }
}

/// The stream of an answer. It ends when its host is gone.
struct Outgoing {
    terms: Terms,
    /// Gone when it has ended.
    items: Option<Box<dyn Items>>,
    /// What has come of it, and was not passed.
    came: Batch,
    /// Keeps the object whose method has returned the stream.
    kept: Option<Busy>,
    host_gone: BoxFuture<'static, ()>,
}

impl Outgoing {
    fn new(terms: Terms, freight: Freight, kept: Option<Busy>) -> Self {
        let mut closing = terms.registry.closing.subscribe();
        Self {
            terms,
            items: freight.take(),
            came: Batch::one(),
            kept,
            host_gone: Box::pin(async move {
                let _gone = closing.wait_for(|closing| *closing).await;
            }),
        }
    }

    /// Asks the producer, whose code may panic.
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), Fault>>> {
        let Some(items) = &mut self.items else {
            return Poll::Ready(None);
        };
        if Pin::new(&mut self.host_gone).poll(cx).is_ready() {
            let text = "the host has been dropped";
            return Poll::Ready(Some(Err(Fault::executed(ErrorKind::Disconnected, text))));
        }
        let poll = AssertUnwindSafe(|| items.poll_batch(cx, &mut self.came));
        match poll_producer(|| catch_unwind(poll)) {
            Ok(asked) => asked,
            Err(panic) => Poll::Ready(Some(Err(fault_of("a stream", true, panic)))),
        }
    }

    fn end(&mut self) {
        if let Some(items) = self.items.take() {
            drop_caught("a stream", items);
        }
        self.kept = None;
    }
}

impl Items for Outgoing {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Batch,
    ) -> Poll<Option<Result<(), Fault>>> {
        if self.came.is_empty() {
            match ready!(self.ask(cx)) {
                Some(Ok(())) => {}
                ended => {
                    self.end();
                    let fault = ended.and_then(Result::err);
                    return Poll::Ready(fault.map(|fault| Err(self.terms.pass_error(fault))));
                }
            }
        }
        let item = self.came.pop().map(|item| self.terms.pass(item));
        Poll::Ready(item.map(|passed| match passed {
            Ok(item) => {
                into.push(item);
                Ok(())
            }
            Err(fault) => {
                self.end();
                Err(self.terms.pass_error(fault))
            }
        }))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.end();
    }
}

/// The items of a stream of the caller's, with what knows the paths in them.
///
/// - `redeemer`: without a stream of its own.
pub(super) fn incoming(items: Freight, redeemer: Redeemer) -> Freight {
    let redeem: Arc<dyn Redeem> = Arc::new(redeemer);
    Freight::new(Incoming {
        items: items.take(),
        came: Batch::one(),
        redeem,
    })
}

struct Incoming {
    items: Option<Box<dyn Items>>,
    /// What has come of it.
    came: Batch,
    redeem: Arc<dyn Redeem>,
}

impl Items for Incoming {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Batch,
    ) -> Poll<Option<Result<(), Fault>>> {
        let Some(items) = &mut self.items else {
            return Poll::Ready(None);
        };
        let came = ready!(items.poll_batch(cx, &mut self.came));
        while let Some(mut item) = self.came.pop() {
            item.attach(Arc::clone(&self.redeem));
            into.push(item);
        }
        Poll::Ready(came)
    }

    fn unreadable(&mut self, why: &str) -> Error {
        match &mut self.items {
            Some(items) => items.unreadable(why),
            None => Error::new(ErrorKind::BadArguments, why),
        }
    }
}
