//! What is drawn for a world before it begins.

use std::time::Duration;

use remoting::Limits;

use crate::chance::Chance;

pub const CLIENTS: usize = 2;

/// How bad things get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// All sessions have to outlive it.
    Lines,
    /// Lines stay away longer than sessions wait for them, and nobody listens for a while.
    Sessions,
    /// The server is started anew besides.
    Server,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub harm: Harm,
    /// Whether the clients have met the server before anything goes wrong.
    pub begins_calm: bool,
    /// How long things go wrong.
    pub storm: Duration,
    /// How often, without what lines do by themselves.
    pub strikes: u64,
    /// How long sessions wait for another line.
    pub window: Duration,
    pub style: Style,
    pub bounds: Bounds,
    pub actors: u64,
    pub steps: u64,
    /// What faults in calls are drawn from, where calls pass sinks.
    pub sinks: Option<u64>,
}

/// How lines are.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The longest that bytes take.
    pub delay: u64,
    /// The most bytes that go together.
    pub piece: u64,
    /// How many bytes are on their way at most.
    pub room: u64,
    /// Of a hundred new lines, how many are cut at some byte.
    pub cuts: u64,
    /// Before which byte.
    pub cut_within: u64,
    /// How many bytes they take beyond what is on its way, and say so only when all of them are: as TLS and WebSockets do.
    pub buffer: usize,
}

/// Limits of both sides, mostly so low that they are met.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    frame: usize,
    calls: usize,
    stream_items: usize,
    pub unsent: usize,
}

impl Bounds {
    pub fn usual() -> Self {
        let usual = Limits::default();
        Self {
            frame: usual.max_frame,
            calls: usual.calls_per_session,
            stream_items: usual.stream_items,
            unsent: usual.unsent,
        }
    }

    fn draw(chance: &mut Chance) -> Self {
        let usual = Self::usual();
        Self {
            frame: chance.of(&[usual.frame, 16_384]),
            calls: chance.of(&[usual.calls, 16, 3]),
            stream_items: chance.of(&[usual.stream_items, 40, 2]),
            unsent: chance.of(&[usual.unsent, 20_000]),
        }
    }
}

impl Plan {
    pub fn draw(chance: &mut Chance) -> Self {
        let harm = match chance.within(0..100) {
            0..=69 => Harm::Lines,
            70..=84 => Harm::Sessions,
            _ => Harm::Server,
        };
        let delay = chance.of(&[0, 1, 5, 40, 300]);
        let window = match harm {
            Harm::Lines => Duration::from_secs(60),
            Harm::Sessions | Harm::Server => chance.millis(500..8000),
        };
        Self {
            harm,
            begins_calm: harm == Harm::Lines || chance.percent(60),
            storm: chance.millis(500..20_000),
            strikes: chance.within(1..12),
            window,
            style: Style {
                delay,
                piece: chance.magnitude(8..65_536),
                // A line that takes longer for one message than pings may take cannot be used at all.
                room: chance.magnitude(512..262_144).max(delay * 40),
                cuts: chance.of(&[0, 30, 70, 95]),
                cut_within: chance.magnitude(64..20_000),
                buffer: chance.of(&[0, 0, 4096, 65_536]),
            },
            bounds: Bounds::draw(chance),
            actors: chance.within(1..4),
            steps: chance.within(4..9),
            sinks: chance.percent(30).then(|| chance.within(0..u64::MAX)),
        }
    }

    /// Whether so few calls run at once that a message may find no place, and is dropped.
    pub fn drops_messages(&self) -> bool {
        self.sinks.is_some() || self.bounds.calls < Bounds::usual().calls
    }

    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.resume_window = self.window;
        limits.max_frame = self.bounds.frame;
        limits.calls_per_session = self.bounds.calls;
        limits.stream_items = self.bounds.stream_items;
        limits.unsent = self.bounds.unsent;
        limits
    }
}
