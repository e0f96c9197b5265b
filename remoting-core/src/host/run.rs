//! A server's life: it runs until something happens, and goes in good order.

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Host;
use super::channels::{drain_all, end_of};
use crate::channel::BoxFuture;
use crate::connection::Connection;

impl Host {
    /// Runs until `event` happens, a signal for example, and then stops.
    ///
    /// ```no_run
    /// # async fn example(host: remoting_core::Host) {
    /// use std::time::Duration;
    /// let stopped = host.run_until(tokio::signal::ctrl_c()).drain(Duration::from_secs(10)).await;
    /// println!("{} connections had to be cut", stopped.cut);
    /// # }
    /// ```
    pub fn run_until<F: Future + Send + 'static>(&self, event: F) -> RunUntil {
        let event = Box::pin(async move { drop(event.await) });
        RunUntil {
            host: self.clone(),
            event,
            drain: Duration::ZERO,
        }
    }

    /// Stops to listen and closes all connections in good order: first those that came in, whose
    /// calls may still need the others to be answered, then those.
    async fn drain(&self, drain: Duration) -> Drained {
        let until = end_of(drain);
        let channels = self.0.channels().clone();
        for channel in &channels {
            channel.send_away(drain);
            channel.stop_at_once();
        }
        let accepted: Vec<_> = channels
            .iter()
            .flat_map(|channel| channel.connections())
            .collect();
        let visits: usize = channels.iter().map(|channel| channel.visits()).sum();
        tracing::info!(target: "remoting::host", connections = accepted.len() + visits, "stopping");
        let mut cut = dismiss(&accepted, until).await;
        for channel in &channels {
            cut += channel.wait_deserted(until).await;
        }
        let dialled = self.0.peers.connections(None);
        cut += dismiss(&dialled, until).await;
        Drained {
            closed: (accepted.len() + visits + dialled.len()).saturating_sub(cut),
            cut,
        }
    }
}

/// Sends peers away and waits until their connections are closed. Gives how many had to be cut.
async fn dismiss(connections: &[Arc<Connection>], until: Instant) -> usize {
    let left = until.saturating_duration_since(Instant::now());
    for connection in connections {
        connection.go_away(left, "the host is stopping");
    }
    drain_all(connections, until).await
}

/// A host that runs until an event; made by [`Host::run_until`].
#[must_use = "a host is not stopped unless this is awaited"]
pub struct RunUntil {
    host: Host,
    event: BoxFuture<'static, ()>,
    drain: Duration,
}

impl RunUntil {
    /// Lets calls under way go on for so long after the event. New ones are refused meanwhile, and
    /// their callers know that nothing was executed.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }
}

/// How a host stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many connections closed by themselves.
    pub closed: usize,
    /// How many had to be cut, since calls were still under way. Those without a session, such as
    /// HTTP's, end with the call that they wait for, or with the process. A request to a service that is
    /// mounted in another server counts as a connection.
    pub cut: usize,
}

impl IntoFuture for RunUntil {
    type Output = Drained;
    type IntoFuture = BoxFuture<'static, Drained>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { host, event, drain } = self;
        Box::pin(async move {
            event.await;
            let stopped = host.drain(drain).await;
            host.shutdown();
            stopped
        })
    }
}

impl std::fmt::Debug for RunUntil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunUntil")
            .field("host", &self.host)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "macros"))]
mod tests;
