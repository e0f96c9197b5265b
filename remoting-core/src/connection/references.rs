//! Proxies between payloads and the session: what goes out is exported, sent home or
//! forwarded; what comes in becomes a proxy.

use std::sync::Arc;

use bytes::Bytes as SharedBytes;

use super::{Connection, Export, SlotEndpoint};
use crate::error::Fault;
use crate::object::{Bytes, home};
use crate::payload::Payload;
use crate::proxy::{Forwarder, Passenger, Passengers, Reference, passengers};
use crate::session::{ExportKey, Lent, Received, Session, kept};

impl Connection {
    /// What the session has to know of the proxies in a payload. Asks them, so nothing may be
    /// locked meanwhile.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` if the host keeps as many objects as it may.
    #[inline]
    pub(crate) fn lent(self: &Arc<Self>, payload: &Payload) -> Result<Vec<Lent<Export>>, Fault> {
        if !payload.has_attached() {
            return Ok(Vec::new());
        }
        self.lend_all(payload)
    }

    fn lend_all(self: &Arc<Self>, payload: &Payload) -> Result<Vec<Lent<Export>>, Fault> {
        let passengers = passengers(payload).iter();
        passengers.map(|passenger| self.lend(passenger)).collect()
    }

    fn lend(self: &Arc<Self>, passenger: &Passenger) -> Result<Lent<Export>, Fault> {
        let endpoint = passenger.reference.endpoint();
        if let Some(slot) = endpoint.slot_in(Arc::as_ptr(self) as usize) {
            return Ok(Lent::Home(slot));
        }
        let object = endpoint
            .object()
            .unwrap_or_else(|| Arc::new(Forwarder::new(passenger.clone())));
        let key = ExportKey {
            object: object.identity(),
            interface: object.interface_id(),
        };
        let object = Export::lent(self.service.keeper(), object)?;
        Ok(Lent::Own { object, key })
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
                Passenger {
                    reference: Reference::new(Arc::new(SlotEndpoint::new(Arc::clone(self), slot))),
                    interface: Some(interface),
                }
            }
            Received::Own(export) => {
                let object = export.object();
                // What the peer may not call itself, it cannot have called by somebody who may.
                let target = Arc::clone(&object).target();
                let admitted = target.map_or(Ok(()), |target| target.admit(self.peer(), None));
                Passenger {
                    interface: Some(object.interface_id()),
                    reference: admitted.map_or_else(Reference::dead_end, |()| home(object)),
                }
            }
            Received::Nothing => Passenger {
                interface: None,
                reference: Reference::dead_end(Fault::not_held()),
            },
        }
    }
}
