//! The connections of a host, as people want to see them.

use super::Host;
use crate::connection::{ConnectionEvents, ConnectionInfo};

impl Host {
    /// The connections of the host that are there or being dialled, those that calls wait for, and the sessions that wait for
    /// theirs, in no order.
    ///
    /// Takes a look at each, so it is for people and not for loops. Calls over HTTP without a session have
    /// no connection of their own, and are among them only while they wait for a server that cannot be reached.
    ///
    /// ```
    /// # fn page(host: &remoting_core::Host) -> String {
    /// let lines = host.connections().into_iter().map(|connection| format!("{connection}\n"));
    /// lines.collect()
    /// # }
    /// ```
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        let all = self.all_connections().into_iter();
        let mut known: Vec<_> = all.filter_map(|connection| connection.info()).collect();
        let channels = self.0.channels().clone();
        for channel in &channels {
            known.extend(self.0.peers.under_way(channel));
        }
        known
    }

    /// What happens to the connections of the host, from now on.
    pub fn connection_events(&self) -> ConnectionEvents {
        self.0.registry.events.subscribe()
    }
}
