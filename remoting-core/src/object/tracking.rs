//! What happens to the objects of a host, told to whoever wants to know.

use std::sync::{Arc, OnceLock};

use tokio::sync::broadcast;

use crate::descriptor::InterfaceDescriptor;
use crate::error::GoneReason;
use crate::id::InterfaceId;

/// How many events wait for a reader that is slow; it is told how many it has missed.
const KEPT: usize = 1024;

/// Where events go, once somebody has asked for them.
#[derive(Default)]
pub(crate) struct Tracking(OnceLock<broadcast::Sender<TrackingEvent>>);

/// What happened to an object. (.NET: `ITrackingHandler`.)
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackingEvent {
    /// What happened.
    pub what: Tracked,
    /// The interface that the object was offered through first, where it is known here.
    pub interface: Option<&'static str>,
    /// The number of that interface.
    pub interface_id: InterfaceId,
    /// The name of the object, if it had one.
    pub name: Option<Arc<str>>,
}

/// A turn in the life of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tracked {
    /// The host has begun to keep an object: it was activated, marshalled, or sent by reference.
    Marshalled,
    /// A reference to an object of somebody else has come in.
    Unmarshalled,
    /// The host keeps the object no more, for this reason.
    Released(GoneReason),
}

/// The events of a host, as they happen.
///
/// Reading is not required: a reader that is slow misses the oldest events.
#[derive(Debug)]
pub struct TrackingEvents(broadcast::Receiver<TrackingEvent>);

impl TrackingEvents {
    /// Waits for the next event. Gives `None` once the host is gone.
    ///
    /// Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<TrackingEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(target: "remoting::host", missed, "a reader of tracking events is too slow");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event, if it has happened already.
    pub fn try_next(&mut self) -> Option<TrackingEvent> {
        loop {
            match self.0.try_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return None,
            }
        }
    }
}

impl Tracking {
    /// All events from now on.
    pub(crate) fn events(&self) -> TrackingEvents {
        let events = self.0.get_or_init(|| broadcast::channel(KEPT).0);
        TrackingEvents(events.subscribe())
    }

    /// Tells that a reference of somebody else's has come in.
    pub(crate) fn unmarshalled(&self, id: InterfaceId) {
        self.tell(|| TrackingEvent {
            what: Tracked::Unmarshalled,
            interface: None,
            interface_id: id,
            name: None,
        });
    }

    /// Tells an event, if anybody listens.
    pub(crate) fn tell(&self, event: impl FnOnce() -> TrackingEvent) {
        let events = self.0.get();
        if let Some(events) = events.filter(|events| events.receiver_count() > 0) {
            let _nobody = events.send(event());
        }
    }
}

impl TrackingEvent {
    pub(crate) fn of(
        what: Tracked,
        interface: &'static InterfaceDescriptor,
        name: Option<&str>,
    ) -> Self {
        Self {
            what,
            interface: Some(interface.name),
            interface_id: interface.id,
            name: name.map(Arc::from),
        }
    }
}
