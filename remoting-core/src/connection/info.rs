//! A connection as people see it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Connection, Direction};
use crate::clock;

/// A connection of a host at one moment; given by [`Host::connections`](crate::Host::connections). Displayed, it is a line of
/// an overview.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The name of the channel.
    pub channel: Arc<str>,
    /// Which side has made it.
    pub direction: Direction,
    /// The URL that was dialled, without an object's name, or the address that the peer has dialled from last.
    pub peer: Arc<str>,
    /// How it is.
    pub state: ConnectionState,
    /// Whom the host takes the peer for.
    pub principal: Option<String>,
    /// How long there has been the session, which may have had several connections.
    pub age: Duration,
    /// How many calls of this side are under way, or wait for a place; where there is no connection yet, those that wait
    /// until there is one ([`ConnectPolicy::Wait`](crate::ConnectPolicy::Wait)).
    pub calls_out: usize,
    /// How many calls of the peer are under way.
    pub calls_in: usize,
    /// How many streams are under way, in both directions.
    pub streams: usize,
    /// How many objects of the peer this side holds, those that were got by name included.
    pub objects_held: usize,
    /// How many objects of this side the peer holds.
    pub objects_lent: usize,
    /// Why it could not be made, or made again, when that was tried last; nothing once it is there.
    pub failure: Option<String>,
}

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionState {
    /// There is none yet: it is being dialled, or will be again soon because calls wait for it.
    Dialling,
    /// The peer has not said yet who it is.
    Connecting,
    /// It takes calls.
    Open,
    /// It was lost, and the session waits for another.
    Away,
    /// One side has asked the other to make no more calls; it closes when those under way have ended.
    Draining,
}

impl ConnectionInfo {
    /// One that is being dialled, which nothing is known of.
    pub(crate) fn dialling(channel: &str, url: &str) -> Self {
        Self {
            channel: channel.into(),
            direction: Direction::Dialled,
            peer: url.into(),
            state: ConnectionState::Dialling,
            principal: None,
            age: Duration::ZERO,
            calls_out: 0,
            calls_in: 0,
            streams: 0,
            objects_held: 0,
            objects_lent: 0,
            failure: None,
        }
    }
}

impl Connection {
    /// Whether this side has dialled that URL, without an object's name, for it.
    pub(crate) fn is_at(&self, base: &str) -> bool {
        self.beginning.label.dialled.as_deref() == Some(base)
    }

    /// How it is now; nothing once it has ended.
    pub(crate) fn info(&self) -> Option<ConnectionInfo> {
        let (state, stats) = {
            let state = self.lock();
            if state.end.is_some() {
                return None;
            }
            let session = &state.session;
            let shown = if state.is_away {
                ConnectionState::Away
            } else if session.peer().is_none() {
                ConnectionState::Connecting
            } else if session.is_draining() {
                ConnectionState::Draining
            } else {
                ConnectionState::Open
            };
            (shown, session.stats())
        };
        let label = &self.beginning.label;
        let principal = self.peer().principal();
        Some(ConnectionInfo {
            channel: Arc::clone(&label.channel),
            direction: label.direction(),
            peer: self.shown_peer(),
            state,
            principal: principal.map(|principal| principal.name().to_owned()),
            age: clock::now().saturating_duration_since(self.beginning.since),
            calls_out: stats.outgoing.saturating_add(stats.waiting),
            calls_in: stats.incoming,
            streams: stats.streams,
            objects_held: stats.imports,
            objects_lent: stats.exports,
            failure: self.beginning.failure(),
        })
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialling => "being dialled",
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Away => "away",
            Self::Draining => "draining",
        })
    }
}

impl fmt::Display for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (`{}`)", self.direction, self.peer, self.channel)?;
        if let Some(principal) = &self.principal {
            write!(f, " as {}", crate::log::clean(principal))?;
        }
        write!(f, ": {}, {:.1} s", self.state, self.age.as_secs_f64())?;
        write!(f, ", calls {} out {} in", self.calls_out, self.calls_in)?;
        write!(f, ", streams {}", self.streams)?;
        let (held, lent) = (self.objects_held, self.objects_lent);
        write!(f, ", objects {held} held {lent} lent")?;
        match &self.failure {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}
