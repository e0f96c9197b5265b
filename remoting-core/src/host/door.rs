//! Who is inside: the connections that were accepted, and those among them that have said nothing yet.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::channel::TurnedAway;
use crate::limits::{ChannelLimits, Counter, Counters, Limits};
use crate::peer;

/// How many connections a host, or one channel of it, has accepted, in all and from each address.
#[derive(Debug)]
pub(super) struct Door {
    connections: Bound,
    from_address: Bound,
    handshakes: Bound,
    crowd: Mutex<Crowd>,
}

/// How many there may be, and what the next one is told.
#[derive(Debug)]
struct Bound(usize, &'static str);

#[derive(Debug, Default)]
struct Crowd {
    connections: usize,
    handshakes: usize,
    sources: HashMap<IpAddr, usize>,
}

impl Bound {
    fn check(&self, inside: usize, counter: &Counter) -> Result<(), TurnedAway> {
        if inside < self.0 {
            return Ok(());
        }
        counter.add();
        Err(TurnedAway { reason: self.1 })
    }
}

impl Door {
    /// The door that those of all channels go through.
    pub(super) fn of_host(limits: &Limits) -> Self {
        Self {
            connections: Bound(
                limits.connections,
                "it has as many connections as its `connections` limit allows",
            ),
            from_address: Bound(
                limits.connections_per_address,
                "your address has as many connections as `connections_per_address` allows",
            ),
            handshakes: Bound(
                limits.handshakes,
                "as many peers as `handshakes` allows have connected and said nothing yet",
            ),
            crowd: Mutex::default(),
        }
    }

    /// The door of one channel, which is never full where the channel has no limit of its own.
    pub(super) fn of_channel(own: &ChannelLimits) -> Self {
        Self {
            connections: Bound(
                own.connections.unwrap_or(usize::MAX),
                "this channel has as many connections as its own `connections` limit allows",
            ),
            from_address: Bound(
                own.connections_per_address.unwrap_or(usize::MAX),
                "your address has as many connections as `connections_per_address` of this channel allows",
            ),
            handshakes: Bound(
                own.handshakes.unwrap_or(usize::MAX),
                "as many peers as `handshakes` of this channel allows have connected and said nothing yet",
            ),
            crowd: Mutex::default(),
        }
    }

    /// Lets one more in, if there is room.
    ///
    /// # Errors
    ///
    /// A limit is reached.
    pub(super) fn enter(
        self: &Arc<Self>,
        source: Option<IpAddr>,
        counters: &Counters,
    ) -> Result<(Visitor, Stranger), TurnedAway> {
        let source = source.map(peer::source);
        let mut crowd = self.crowd();
        let from_there = source
            .and_then(|source| crowd.sources.get(&source).copied())
            .unwrap_or(0);
        self.connections
            .check(crowd.connections, &counters.connections)?;
        self.from_address
            .check(from_there, &counters.connections_per_address)?;
        self.handshakes
            .check(crowd.handshakes, &counters.handshakes)?;
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

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who was let in, until dropped.
pub(super) struct Visitor {
    door: Arc<Door>,
    source: Option<IpAddr>,
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut crowd = self.door.crowd();
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
        let mut crowd = self.0.crowd();
        crowd.handshakes = crowd.handshakes.saturating_sub(1);
    }
}
