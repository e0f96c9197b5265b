//! What happens to the connections of a host, told to whoever wants to know.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::Connection;
use crate::clock;
use crate::log::Seldom;
use crate::session::End;

/// How many events wait for a reader that is slow; it is told how many it has missed.
const KEPT: usize = 1024;

/// Which side has made a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// This host has dialled.
    Dialled,
    /// The peer has dialled.
    Accepted,
}

/// What happened to a connection of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionEvent {
    /// What happened.
    pub what: ConnectionChange,
    /// The name of the channel.
    pub channel: Arc<str>,
    /// Which side has made the connection.
    pub direction: Direction,
    /// The URL that was dialled, without an object's name, or the address that the peer has dialled from last.
    pub peer: Arc<str>,
}

/// A turn in the life of a connection.
///
/// Texts are for people; what a peer has said in them is shortened and without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionChange {
    /// There is a connection, and the peer was let in.
    Connected,
    /// The connection was lost, for this reason, and its session waits for another.
    Lost(String),
    /// The session goes on with another connection.
    Resumed,
    /// One side has asked the other to make no more calls; the connection ends when those under way have. Not said of an end
    /// that comes at once.
    Draining,
    /// The connection is over, for this reason, and its session with it.
    Ended(String),
    /// A connection could not be made, or not be made again. Told the first time, and then once a second at most.
    DialFailed {
        /// Why.
        why: String,
        /// In how long it is dialled again by itself, at the latest: for a session that waits, or for calls that do.
        next: Option<Duration>,
    },
}

/// The events of a host's connections, as they happen; made by [`Host::connection_events`](crate::Host::connection_events).
///
/// Reading is not required: a reader that is slow misses the oldest events, and is told how many.
#[derive(Debug)]
pub struct ConnectionEvents {
    events: broadcast::Receiver<ConnectionEvent>,
    missed: u64,
}

impl ConnectionEvents {
    /// Waits for the next event. Gives `None` once the host is gone.
    ///
    /// Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => self.miss(missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event, if it has happened already.
    pub fn try_next(&mut self) -> Option<ConnectionEvent> {
        loop {
            match self.events.try_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => self.miss(missed),
                Err(_) => return None,
            }
        }
    }

    /// How many events this reader has missed, since it was too slow for them.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn miss(&mut self, missed: u64) {
        self.missed = self.missed.saturating_add(missed);
    }
}

/// Where the events of a host go, once somebody has asked for them.
#[derive(Default)]
pub(crate) struct Events(OnceLock<broadcast::Sender<ConnectionEvent>>);

impl Events {
    /// All events from now on.
    pub(crate) fn subscribe(&self) -> ConnectionEvents {
        let events = self.0.get_or_init(|| broadcast::channel(KEPT).0);
        ConnectionEvents {
            events: events.subscribe(),
            missed: 0,
        }
    }

    /// Tells an event, if anybody listens.
    pub(crate) fn tell(&self, event: impl FnOnce() -> ConnectionEvent) {
        let events = self.0.get();
        if let Some(events) = events.filter(|events| events.receiver_count() > 0) {
            let _nobody = events.send(event());
        }
    }
}

/// What a connection is to people.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    /// The name of its channel.
    pub(crate) channel: Arc<str>,
    /// The URL that was dialled, without an object's name.
    pub(crate) dialled: Option<Arc<str>>,
}

impl Label {
    pub(crate) fn direction(&self) -> Direction {
        match self.dialled {
            Some(_) => Direction::Dialled,
            None => Direction::Accepted,
        }
    }
}

/// How a connection has begun, and what has become of its link since.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) label: Label,
    pub(super) since: Instant,
    /// Whether the peer was let in.
    connected: AtomicBool,
    news: Mutex<News>,
}

#[derive(Debug, Default)]
struct News {
    /// Where the peer has come from when it came back.
    from: Option<Arc<str>>,
    /// Why the link could not be made again when that was tried last.
    failure: Option<String>,
    told: Seldom,
}

impl Beginning {
    pub(super) fn new(label: Label, since: Instant) -> Self {
        let connected = AtomicBool::new(false);
        Self {
            label,
            since,
            connected,
            news: Mutex::default(),
        }
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.news().failure.clone()
    }

    /// Notes that the session has another link.
    ///
    /// - `from`: where the peer has dialled it from, if it has.
    pub(super) fn go_on(&self, from: Option<Arc<str>>) {
        *self.news() = News {
            from,
            ..News::default()
        };
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Tells that one of the sides leaves, where it was told that the peer came.
    pub(super) fn tell_draining(&self) {
        if self.beginning.connected.load(Ordering::Relaxed) {
            self.tell(|| ConnectionChange::Draining);
        }
    }

    /// Tells that the peer was let in.
    pub(super) fn tell_connected(&self) {
        self.beginning.connected.store(true, Ordering::Relaxed);
        self.tell(|| ConnectionChange::Connected);
    }

    /// Tells of the end, or that there has never been anything but an attempt.
    pub(super) fn tell_end(&self, end: &End) {
        let connected = self.beginning.connected.load(Ordering::Relaxed);
        // Its link is another session's, which tells.
        if *end == End::Resumed {
            return;
        }
        let take_turn = || {
            self.origin
                .as_ref()
                .is_some_and(|origin| origin.take_turn())
        };
        if !connected && !take_turn() {
            return;
        }
        let (why, next) = (|| crate::log::clean(&end.to_string()), None);
        self.tell(|| match connected {
            true => ConnectionChange::Ended(why()),
            false => ConnectionChange::DialFailed { why: why(), next },
        });
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> ConnectionChange) {
        self.service.events().tell(|| ConnectionEvent {
            what: what(),
            channel: Arc::clone(&self.beginning.label.channel),
            direction: self.beginning.label.direction(),
            peer: self.shown_peer(),
        });
    }

    /// Tells that the link could not be made again.
    ///
    /// - `next`: when that is tried again.
    pub(super) fn tell_failure(&self, why: String, next: Duration) {
        let is_due = {
            let mut news = self.beginning.news();
            news.failure = Some(why.clone());
            news.told.take_turn(clock::now())
        };
        if is_due {
            let next = Some(next);
            self.tell(|| ConnectionChange::DialFailed { why, next });
        }
    }

    /// The URL that was dialled, or where the peer has dialled from last.
    pub(super) fn shown_peer(&self) -> Arc<str> {
        match &self.beginning.label.dialled {
            Some(url) => Arc::clone(url),
            None => {
                let from = self.beginning.news().from.clone();
                from.unwrap_or_else(|| self.peer().to_string().into())
            }
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialled => "dialled",
            Self::Accepted => "accepted",
        })
    }
}

/// One line, for logs.
impl fmt::Display for ConnectionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, peer, .. } = self;
        write!(f, "{} {peer} (`{}`): ", self.direction, self.channel)?;
        match what {
            ConnectionChange::Connected => f.write_str("connected"),
            ConnectionChange::Lost(why) => write!(f, "lost, the session waits: {why}"),
            ConnectionChange::Resumed => f.write_str("the session goes on"),
            ConnectionChange::Draining => f.write_str("draining, no more calls are made"),
            ConnectionChange::Ended(why) => write!(f, "ended: {why}"),
            ConnectionChange::DialFailed { why, next } => {
                write!(f, "cannot be reached: {why}")?;
                match next {
                    Some(next) if *next < Duration::from_secs(1) => {
                        write!(f, "; dialled again within {} ms", next.as_millis().max(1))
                    }
                    Some(next) => write!(f, "; dialled again within {:.1} s", next.as_secs_f64()),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> ConnectionEvent {
        ConnectionEvent {
            what: ConnectionChange::Ended(number.to_string()),
            channel: "tcp".into(),
            direction: Direction::Dialled,
            peer: "tcp://127.0.0.1:1".into(),
        }
    }

    #[test]
    fn a_reader_that_is_slow_is_told_how_many_events_it_has_missed() {
        let events = Events::default();
        events.tell(|| panic!("nobody listens"));
        let mut reader = events.subscribe();
        let told = KEPT as u64 + 100;
        for number in 0..told {
            events.tell(|| event(number));
        }
        let mut read = 0;
        while reader.try_next().is_some() {
            read += 1;
        }
        assert!(read >= KEPT as u64 - 1, "{read}");
        assert_eq!(read + reader.missed(), told);
        let text = event(7).to_string();
        assert_eq!(text, "dialled tcp://127.0.0.1:1 (`tcp`): ended: 7");
    }
}
