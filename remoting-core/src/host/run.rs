//! A server's life: it runs until something happens, and goes in good order.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Host;
use super::channels::Registered;
use super::drain::{LEAST, all_deserted, cut, dismiss, finished};
use crate::channel::BoxFuture;

/// The longest drain; those that are longer take so long.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Host {
    /// Runs until `event` happens, a signal for example, and then stops.
    ///
    /// Dropped before the event, nothing has happened. Dropped later, it leaves channels that do not listen if the time of
    /// [`announce`](RunUntil::announce) was over, and connections that close when their calls have ended.
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
            announce: Duration::ZERO,
            drain: Duration::ZERO,
            cut: Cut::default(),
        }
    }

    /// Whether the host has begun to stop, since the event of [`run_until`](Self::run_until) has happened: new callers
    /// had better go elsewhere. It stays so afterwards, until a channel listens again.
    pub fn is_draining(&self) -> bool {
        self.0.leaving.load(Ordering::Relaxed)
    }

    /// Tells all callers to go elsewhere, and lets them in for so long all the same.
    async fn announce(&self, time: Duration, cut: &mut Cut) {
        self.0.leaving.store(true, Ordering::Relaxed);
        let channels = self.0.channels().clone();
        channels.iter().for_each(|channel| channel.announce());
        if !time.is_zero() {
            tracing::info!(target: "remoting::host", ?time, "stopping soon");
            cut.or_at_once(Instant::now() + time.min(LONGEST)).await;
        }
    }

    /// Stops to listen and closes all connections in good order: first those that came in, whose
    /// calls may still need the others to be answered, then those.
    async fn drain(&self, drain: Duration, sooner: &mut Cut) -> Drained {
        let begun = Instant::now();
        let channels = self.0.channels().clone();
        for channel in &channels {
            channel.send_away(drain);
            channel.stop_at_once();
            // Some have come meanwhile, while the others were told.
            channel.send_away(drain);
        }
        let channels: Vec<&Registered> = channels.iter().map(|channel| &**channel).collect();
        let came = |channel: &&Registered| channel.connections().len() + channel.visits();
        let inside: usize = channels.iter().map(came).sum();
        tracing::info!(target: "remoting::host", connections = inside, "stopping");
        let mut lost: usize = channels.iter().map(|channel| channel.end_away()).sum();
        let until = begun + drain.min(LONGEST);
        let running = || channels.iter().map(|channel| channel.running()).sum();
        if !finished(all_deserted(&channels), sooner.or(until), running).await {
            lost += cut(&channels).await;
        }
        let dialled = self.0.peers.connections(None);
        let left = until.saturating_duration_since(Instant::now());
        let parted = dismiss(dialled, (left, "the host is stopping"), sooner.or(until)).await;
        Drained {
            closed: (inside + parted.closed).saturating_sub(lost),
            cut: lost + parted.cut,
        }
    }
}

/// The event at which nothing is waited for any more.
#[derive(Default)]
struct Cut {
    event: Option<BoxFuture<'static, ()>>,
    has_come: bool,
}

impl Cut {
    /// Waits for the event, or until a moment if that comes first; but for [`LEAST`] in any case.
    async fn or(&mut self, until: Instant) {
        let least = Instant::now() + LEAST;
        self.or_at_once(until).await;
        sleep_until(least).await;
    }

    async fn or_at_once(&mut self, until: Instant) {
        let mut until = pin!(sleep_until(until));
        poll_fn(|cx| {
            if let Some(event) = self.event.as_mut().filter(|_| !self.has_come) {
                self.has_come = event.as_mut().poll(cx).is_ready();
            }
            match self.has_come {
                true => Poll::Ready(()),
                false => until.as_mut().poll(cx),
            }
        })
        .await;
    }
}

/// A host that runs until an event; made by [`Host::run_until`].
#[must_use = "a host is not stopped unless this is awaited"]
pub struct RunUntil {
    host: Host,
    event: BoxFuture<'static, ()>,
    announce: Duration,
    drain: Duration,
    cut: Cut,
}

impl RunUntil {
    /// Goes on serving for so long after the event, while all who ask whether to come hear that they had better not:
    /// [`Host::is_draining`] is true, and over HTTP the host's health is `draining` and connections end with the answer
    /// that is under way (rule H26). A balancer that asks every second needs two or three to send its clients elsewhere.
    ///
    /// Nothing unless set.
    pub fn announce(mut self, time: Duration) -> Self {
        self.announce = time;
        self
    }

    /// Lets calls under way, and streams, go on for so long after the event and the time of
    /// [`announce`](Self::announce). New calls are refused meanwhile, and their callers know that nothing was executed.
    ///
    /// Those that take longer are cut. Callers of calls that had not begun learn that nothing was executed; for others,
    /// nobody can tell. A tenth of a second is always granted.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Waits for nothing any more when something else happens after the event: when the signal comes a second time, for
    /// example. What is under way then is cut.
    ///
    /// - `event`: not polled before the first one has happened, so that a signal's future sees the second signal.
    pub fn cut_on<F: Future + Send + 'static>(mut self, event: F) -> Self {
        self.cut.event = Some(Box::pin(async move { drop(event.await) }));
        self
    }
}

/// How a host stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many connections closed by themselves. A request to a service that is mounted in another server counts as a
    /// connection, and so does a call that goes on without its client.
    pub closed: usize,
    /// How many had to be cut, since calls were still under way; and how many sessions had lost their connection, to which
    /// nobody can come back when nobody listens.
    pub cut: usize,
}

impl IntoFuture for RunUntil {
    type Output = Drained;
    type IntoFuture = BoxFuture<'static, Drained>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            host,
            event,
            announce,
            drain,
            mut cut,
        } = self;
        Box::pin(async move {
            event.await;
            host.announce(announce, &mut cut).await;
            let stopped = host.drain(drain, &mut cut).await;
            host.shutdown();
            stopped
        })
    }
}

impl std::fmt::Debug for RunUntil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunUntil")
            .field("host", &self.host)
            .field("announce", &self.announce)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "macros"))]
mod tests;
