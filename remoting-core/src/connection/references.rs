//! Proxies between payloads and the session: what goes out is exported, sent home or
//! forwarded; what comes in becomes a proxy.

use std::sync::Arc;

use bytes::Bytes as SharedBytes;

use super::inbox::Inbox;
use super::pump::Outlet;
use super::{Connection, Export, SlotEndpoint};
use crate::error::{ErrorKind, Fault};
use crate::id::CallId;
use crate::object::{Bytes, home};
use crate::payload::Payload;
use crate::proxy::{Forwarder, Passenger, Passengers, Reference, Use, passengers};
use crate::session::{ExportKey, Lent, Received, Session, kept};
use crate::stream::Freight;

/// What goes along with the arguments of a call, if anything does.
#[derive(Default)]
pub(crate) struct Loan(Option<Box<Lending>>);

#[derive(Default)]
struct Lending {
    lent: Vec<Lent<Export>>,
    /// Keeps the answers that are referred to until the call is written.
    used: Vec<Use>,
}

impl Loan {
    pub(super) fn lent(&self) -> &[Lent<Export>] {
        self.0.as_ref().map_or(&[], |lending| &lending.lent)
    }
}

impl Connection {
    /// What the session has to know of the proxies and streams in a payload. Asks them, so nothing may be
    /// locked meanwhile.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if the host keeps as many objects as it may, `BadArguments` for a stream that
    /// was sent before.
    #[inline]
    pub(crate) fn lent(self: &Arc<Self>, payload: &Payload) -> Result<Vec<Lent<Export>>, Fault> {
        if !payload.has_attached() {
            return Ok(Vec::new());
        }
        self.lend_all(payload, None)
    }

    /// The same for what an object of this side has returned: the streams in it keep the object.
    #[inline]
    pub(super) fn lent_by(
        self: &Arc<Self>,
        target: &Export,
        payload: &Payload,
    ) -> Result<Vec<Lent<Export>>, Fault> {
        if !payload.has_attached() {
            return Ok(Vec::new());
        }
        self.lend_all(payload, Some(target))
    }

    fn lend_all(
        self: &Arc<Self>,
        payload: &Payload,
        by: Option<&Export>,
    ) -> Result<Vec<Lent<Export>>, Fault> {
        let passengers = passengers(payload).iter();
        passengers
            .map(|passenger| self.lend(passenger, by))
            .collect()
    }

    fn lend(
        self: &Arc<Self>,
        passenger: &Passenger,
        by: Option<&Export>,
    ) -> Result<Lent<Export>, Fault> {
        let (reference, interface) = match passenger {
            Passenger::Proxy {
                reference,
                interface,
            } => (reference, *interface),
            Passenger::Stream(freight) if freight.is_taken() => {
                let text = "a stream can be sent once; make a new one for each call";
                return Err(Fault::refused(ErrorKind::BadArguments, text));
            }
            Passenger::Stream(freight) => {
                let busy = by.and_then(Export::keep_busy);
                let outlet = Outlet::new(Arc::clone(self), freight.clone(), busy);
                return Ok(Lent::Stream(Arc::new(outlet)));
            }
        };
        let endpoint = reference.endpoint();
        if let Some(slot) = endpoint.slot_in(self.number()) {
            return Ok(Lent::Home(slot));
        }
        let object = endpoint
            .object()
            .unwrap_or_else(|| Arc::new(Forwarder::new(reference.clone(), interface)));
        let key = ExportKey {
            object: object.identity(),
            interface: object.interface_id(),
        };
        let object = Export::lent(self.service.keeper(), object)?;
        Ok(Lent::Own { object, key })
    }

    /// The same for the arguments of a call, in which answers that have not come may stand for objects.
    ///
    /// - `takes_answers`: whether they may.
    #[inline]
    pub(crate) fn loan(
        self: &Arc<Self>,
        payload: &Payload,
        takes_answers: bool,
    ) -> Result<Loan, Fault> {
        if !payload.has_attached() {
            return Ok(Loan::default());
        }
        self.loan_all(payload, takes_answers)
    }

    fn loan_all(self: &Arc<Self>, payload: &Payload, takes_answers: bool) -> Result<Loan, Fault> {
        let mut lending = Box::<Lending>::default();
        for passenger in passengers(payload) {
            let answer = self.answer_for(passenger).filter(|_| takes_answers);
            lending.lent.push(match answer {
                None => self.lend(passenger, None)?,
                Some((call, used)) => {
                    lending.used.push(used);
                    Lent::Answer(call)
                }
            });
        }
        Ok(Loan(Some(lending)))
    }

    /// The answer of a call over this connection that an object is to come with.
    fn answer_for(self: &Arc<Self>, passenger: &Passenger) -> Option<(CallId, Use)> {
        match passenger {
            Passenger::Proxy { reference, .. } => {
                let promise = reference.endpoint().promise()?;
                promise.argument(self.number())
            }
            Passenger::Stream(_) => None,
        }
    }

    /// What calls on an answer go to that was lent like this: its one object, if it has one.
    pub(super) fn object_in(
        self: &Arc<Self>,
        payload: &Payload,
        lent: &[Lent<Export>],
    ) -> Option<Export> {
        match (lent, passengers(payload)) {
            ([Lent::Own { object, .. }], _) => Some(object.clone()),
            // The peer's own: calls go back to it.
            (
                [Lent::Home(_)],
                [
                    Passenger::Proxy {
                        reference,
                        interface,
                    },
                ],
            ) => {
                let forwarder = Forwarder::new(reference.clone(), *interface);
                Some(Export::Plain(Arc::new(forwarder)))
            }
            _ => None,
        }
    }

    /// The arguments of a call that was just read.
    pub(super) fn arguments<'f>(
        self: &Arc<Self>,
        bytes: &'f [u8],
        whole: Option<&SharedBytes>,
        references: Vec<Received<Export>>,
    ) -> Bytes<'f> {
        if references.is_empty() && whole.is_none() {
            return Bytes::Borrowed(bytes);
        }
        let mut payload = kept(bytes, whole);
        if references.is_empty() {
            return Bytes::Owned(payload);
        }
        payload.attach(self.proxies(references));
        Bytes::Owned(payload)
    }

    /// Makes proxies of what the session has attached to a payload.
    pub(super) fn take_proxies(self: &Arc<Self>, payload: &mut Payload) {
        if payload.has_attached() {
            let received = Session::<Export>::unpack(payload);
            payload.attach(self.proxies(received));
        }
    }

    fn proxies(self: &Arc<Self>, received: Vec<Received<Export>>) -> Passengers {
        let received = received.into_iter();
        received.map(|received| self.proxy(received)).collect()
    }

    fn proxy(self: &Arc<Self>, received: Received<Export>) -> Passenger {
        match received {
            Received::Theirs { slot, interface } => {
                self.service.keeper().tracking().unmarshalled(interface);
                Passenger::Proxy {
                    reference: Reference::new(Arc::new(SlotEndpoint::new(Arc::clone(self), slot))),
                    interface: Some(interface),
                }
            }
            Received::Own(export) => {
                let object = export.object();
                // What the peer may not call itself, it cannot have called by somebody who may.
                let target = Arc::clone(&object).target();
                let admitted = target.map_or(Ok(()), |target| target.admit(self.peer(), None));
                Passenger::Proxy {
                    interface: Some(object.interface_id()),
                    reference: admitted.map_or_else(Reference::dead_end, |()| home(object)),
                }
            }
            Received::Nothing | Received::Awaited(_) => Passenger::Proxy {
                interface: None,
                reference: Reference::dead_end(Fault::not_held()),
            },
            Received::Stream(key) => {
                Passenger::Stream(Freight::new(Inbox::new(Arc::clone(self), key)))
            }
        }
    }
}
