//! Who is inside: the connections that were accepted, and those among them that have said nothing yet.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::HostInner;
use crate::channel::TurnedAway;

/// How many connections a host has accepted, in all and from each address.
#[derive(Debug, Default)]
pub(super) struct Door(Mutex<Crowd>);

#[derive(Debug, Default)]
struct Crowd {
    connections: usize,
    handshakes: usize,
    sources: HashMap<IpAddr, usize>,
}

impl Door {
    /// Lets one more in, if there is room.
    ///
    /// # Errors
    ///
    /// A limit is reached.
    pub(super) fn enter(
        self: &Arc<Self>,
        source: Option<IpAddr>,
        host: &HostInner,
    ) -> Result<(Visitor, Stranger), TurnedAway> {
        let (limits, counters) = (&host.registry.limits, &host.registry.counters);
        let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from_there = source
            .and_then(|source| crowd.sources.get(&source).copied())
            .unwrap_or(0);
        let full = [
            (
                crowd.connections >= limits.connections,
                &counters.connections,
                "it has as many connections as its `connections` limit allows",
            ),
            (
                from_there >= limits.connections_per_address,
                &counters.connections_per_address,
                "your address has as many connections as `connections_per_address` allows",
            ),
            (
                crowd.handshakes >= limits.handshakes,
                &counters.handshakes,
                "as many peers as `handshakes` allows have connected and said nothing yet",
            ),
        ];
        if let Some((_, counter, reason)) = full.into_iter().find(|(full, ..)| *full) {
            counter.add();
            return Err(TurnedAway { reason });
        }
        crowd.connections += 1;
        crowd.handshakes += 1;
        if let Some(source) = source {
            *crowd.sources.entry(source).or_default() += 1;
        }
        let visitor = Visitor {
            door: Arc::clone(self),
            source,
        };
        Ok((visitor, Stranger(Arc::clone(self))))
    }
}

/// Somebody who was let in, until dropped.
pub(super) struct Visitor {
    door: Arc<Door>,
    source: Option<IpAddr>,
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut crowd = self.door.0.lock().unwrap_or_else(PoisonError::into_inner);
        crowd.connections = crowd.connections.saturating_sub(1);
        let Some(source) = self.source else { return };
        if let Some(count) = crowd.sources.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                crowd.sources.remove(&source);
            }
        }
    }
}

/// Somebody who has not said anything yet, until dropped.
pub(super) struct Stranger(Arc<Door>);

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut crowd = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        crowd.handshakes = crowd.handshakes.saturating_sub(1);
    }
}
