//! A server's life: it runs until something happens, and goes in good order.

use std::future::{Future, IntoFuture};
use std::time::Duration;

use super::Host;
use super::channels::drain_all;
use crate::channel::BoxFuture;

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
    /// How many had to be cut, since calls were still under way.
    pub cut: usize,
}

impl IntoFuture for RunUntil {
    type Output = Drained;
    type IntoFuture = BoxFuture<'static, Drained>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { host, event, drain } = self;
        Box::pin(async move {
            event.await;
            for channel in host.0.channels().iter() {
                channel.stop_at_once();
            }
            let connections = host.connections();
            tracing::info!(target: "remoting::host", connections = connections.len(), "stopping");
            for connection in &connections {
                connection.go_away(drain, "the host is stopping");
            }
            let cut = drain_all(&connections, drain).await;
            host.shutdown();
            Drained {
                closed: connections.len().saturating_sub(cut),
                cut,
            }
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
