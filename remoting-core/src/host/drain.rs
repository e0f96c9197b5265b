//! What becomes of those who came in through a channel that stops to listen: they are sent away, waited for, and cut.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use slab::Slab;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, timeout};

use super::Drained;
use super::channels::Registered;
use crate::connection::Connection;
use crate::session::{CancelReason, Cancellation, End};

/// How long a drain takes at least where somebody is connected: whatever has no calls under way closes by itself
/// meanwhile, and is not taken for something that had to be cut.
pub(super) const LEAST: Duration = Duration::from_millis(100);

/// How often it is told how many calls are waited for.
const PROGRESS: Duration = Duration::from_secs(1);

/// How long calls that are cut have to answer, and what has no session to close.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

/// Ends what is still under way. Callers learn how far their calls had come, as long as it takes no time.
/// Gives how many connections and visits there were.
pub(super) async fn cut(channels: &[&Registered]) -> usize {
    let mut calls = Vec::new();
    let left = channels
        .iter()
        .map(|channel| channel.stop_calls(&mut calls))
        .sum();
    Cancellation::cancel_all(&calls, CancelReason::HostStopped);
    if timeout(LAST_ANSWERS, all_deserted(channels)).await.is_err() {
        channels.iter().for_each(|channel| channel.shut_all());
        // The last ones close in tasks of their own.
        let _slow = timeout(LAST_ANSWERS, all_deserted(channels)).await;
    }
    left
}

/// Waits until nobody is connected who came in through these channels.
pub(super) async fn all_deserted(channels: &[&Registered]) {
    for channel in channels {
        channel.wait_deserted().await;
    }
}

/// Parts with peers that this host has dialled.
///
/// - `terms`: how long calls may go on, and why they may not go on for longer, as the peers are told.
pub(super) async fn dismiss(
    mut dialled: Vec<Arc<Connection>>,
    terms: (Duration, &str),
    time_is_up: impl Future<Output = ()>,
) -> Drained {
    dialled.retain(|connection| !connection.is_closed());
    let (drain, reason) = terms;
    for connection in &dialled {
        connection.go_away(drain, reason);
    }
    let count = dialled.len();
    // To those that have lost their connection nothing can be said.
    let (mut cut, here): (Vec<_>, Vec<_>) = dialled
        .into_iter()
        .partition(|connection| connection.is_away());
    let underway = || {
        let stats = here.iter().map(|connection| connection.stats());
        stats.map(|stats| stats.outgoing + stats.incoming).sum()
    };
    finished(all_closed(&here), time_is_up, underway).await;
    let is_late = |connection: &&Arc<Connection>| !connection.is_closed();
    let late: Vec<_> = here.iter().filter(is_late).cloned().collect();
    stop_calls(&late).await;
    cut.extend(late);
    for connection in &cut {
        connection.shut(End::Cut);
    }
    Drained {
        closed: count - cut.len(),
        cut: cut.len(),
    }
}

/// Has the calls that run for peers told how far they had come, as long as it takes no time.
async fn stop_calls(connections: &[Arc<Connection>]) {
    let calls = connections.iter();
    let calls: Vec<_> = calls.flat_map(|peer| peer.stop_calls()).collect();
    if calls.is_empty() {
        return;
    }
    Cancellation::cancel_all(&calls, CancelReason::HostStopped);
    let _slow = timeout(LAST_ANSWERS, all_closed(connections)).await;
}

async fn all_closed(connections: &[Arc<Connection>]) {
    for connection in connections {
        connection.wait_closed().await;
    }
}

/// Waits until something has ended, and tells now and then how many calls are under way. Gives whether it has before the
/// time was up.
pub(super) async fn finished(
    ended: impl Future<Output = ()>,
    time_is_up: impl Future<Output = ()>,
    underway: impl Fn() -> usize,
) -> bool {
    let (mut ended, mut time_is_up) = (pin!(ended), pin!(time_is_up));
    let mut progress = interval_at(Instant::now() + PROGRESS, PROGRESS);
    poll_fn(|cx| {
        if ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        if time_is_up.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        while progress.poll_tick(cx).is_ready() {
            let calls = underway();
            tracing::info!(target: "remoting::host", calls, "stopping, calls are under way");
        }
        Poll::Pending
    })
    .await
}

impl Registered {
    /// Has callers without a session know that they had better go elsewhere.
    pub(super) fn announce(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Tells all who came in through the channel to make no more calls.
    ///
    /// - `drain`: how long those under way may go on.
    pub(super) fn send_away(&self, drain: Duration) {
        self.announce();
        for connection in self.connections() {
            connection.go_away(drain, "the channel stopped listening");
        }
    }

    /// Ends the sessions that have no connection: nobody can come back to them, since nobody listens. Gives their
    /// number.
    pub(super) fn end_away(&self) -> usize {
        let mut away = self.connections();
        away.retain(|connection| connection.is_away());
        for connection in &away {
            let text = "the host stopped before the peer came back";
            connection.shut(End::Lost(text.to_owned()));
        }
        away.len()
    }

    /// Notes one more connection without a session, or request, until the answer is dropped.
    pub(super) fn visit(&self) -> Visit {
        self.visits.send_modify(|visits| *visits += 1);
        Visit(Arc::clone(&self.visits))
    }

    /// How many connections without a session there are, and requests that have none.
    pub(super) fn visits(&self) -> usize {
        *self.visits.borrow()
    }

    /// How many calls run that came in through the channel.
    pub(super) fn running(&self) -> usize {
        let sessions = self.connections();
        let of_sessions = sessions.iter().map(|session| session.stats().incoming);
        of_sessions.sum::<usize>() + self.calls.count()
    }

    /// Waits until nobody is connected.
    pub(super) async fn wait_deserted(&self) {
        loop {
            // Some may come while others are waited for, from the time before the channel stopped.
            for connection in self.connections() {
                connection.wait_closed().await;
            }
            let mut visits = self.visits.subscribe();
            // The sender is ours.
            let _deserted = visits.wait_for(|visits| *visits == 0).await;
            if self.connections().is_empty() {
                return;
            }
        }
    }

    /// Adds the calls that are to be told to stop. Gives how many connections and visits there are.
    fn stop_calls(&self, calls: &mut Vec<Arc<Cancellation>>) -> usize {
        let connections = self.connections();
        for connection in &connections {
            calls.extend(connection.stop_calls());
        }
        calls.extend(self.calls.stop());
        connections.len() + self.visits()
    }

    /// Ends all that is left, whatever it does.
    fn shut_all(&self) {
        for connection in self.connections() {
            connection.shut(End::Cut);
        }
        self.cut.send_replace(true);
    }
}

/// A connection without a session, or a request that came in without one, until dropped.
pub(super) struct Visit(Arc<watch::Sender<usize>>);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0
            .send_modify(|visits| *visits = visits.saturating_sub(1));
    }
}

/// Calls that came without a session and go on as tasks.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    calls: Slab<Arc<Cancellation>>,
    /// They are told to stop, and so are those that come late.
    stopped: bool,
}

impl Calls {
    /// Adds one, until the answer is dropped.
    pub(super) fn add(&self, cancellation: Arc<Cancellation>) -> Underway {
        let (place, stopped) = {
            let mut running = self.lock();
            let place = running.calls.insert(Arc::clone(&cancellation));
            (place, running.stopped)
        };
        if stopped {
            cancellation.cancel(CancelReason::HostStopped);
        }
        Underway {
            calls: self.clone(),
            place,
            cancellation,
        }
    }

    fn count(&self) -> usize {
        self.lock().calls.len()
    }

    /// Gives all of them, which are to be told to stop.
    fn stop(&self) -> Vec<Arc<Cancellation>> {
        let mut running = self.lock();
        running.stopped = true;
        let calls = running.calls.iter();
        calls.map(|(_, call)| Arc::clone(call)).collect()
    }

    /// Lets those go on that come from now on.
    pub(super) fn go_on(&self) {
        self.lock().stopped = false;
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call without a session that goes on as a task.
pub(super) struct Underway {
    calls: Calls,
    place: usize,
    cancellation: Arc<Cancellation>,
}

impl Underway {
    /// Tells the call to stop.
    pub(super) fn cancel(&self, reason: CancelReason) {
        self.cancellation.cancel(reason);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let call = self.calls.lock().calls.try_remove(self.place);
        drop(call);
    }
}
