//! The rows of the table: what is called, by how many, and what is aimed at.

use serde::{Deserialize, Serialize};

use crate::measure::Metric;
use crate::peers::Suite;
use crate::streams;

/// What a caller does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Operation {
    /// `add(i32, i32)`.
    Add,
    /// `get_person(u32, text, bool)`, which gives a struct of five fields.
    GetPerson,
    /// As many bytes there and back.
    Echo(usize),
    /// A new connection and the first call over it.
    Connect,
    /// `add`, as often as is said, to count instructions.
    Counted,
    /// Nothing: connections that have made one call, and rest.
    Rest,
    /// `add` at one of so many objects that the caller's connection holds.
    AddAmong(usize),
    /// What keeps a server or a connection busy beside others.
    Deed(Deed),
    /// A whole stream.
    Stream(Streamed),
}

/// What is streamed, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Streamed {
    /// As many numbers of 64 bits from the server.
    Numbers(u64),
    /// As many pieces of [`PIECE`] bytes from the server.
    Down(u64),
    /// As many to the server.
    Up(u64),
}

/// The bytes of a piece.
pub(crate) const PIECE: usize = 64 * 1024;

impl Streamed {
    /// What whoever reads it gets when it adds up the numbers from 0 on, or the bytes.
    pub(crate) fn total(self) -> u64 {
        match self {
            Self::Numbers(count) => (0..count).sum(),
            Self::Down(count) | Self::Up(count) => count * PIECE as u64,
        }
    }
}

/// What a caller does who is company to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Deed {
    /// Waits for what never comes.
    Wait,
    /// Waits as many milliseconds.
    Pause(u32),
    /// Keeps a processor busy for as many microseconds.
    Burn(u32),
    /// The same, in a method that is marked as blocking.
    BurnBlocking(u32),
    /// The same in a plain method, but only in one of so many calls.
    BurnAtTimes { micros: u32, one_in: u32 },
    /// As many bytes there.
    Upload(usize),
    /// As many bytes back.
    Download(usize),
}

/// What the library has to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// At most so many times what the floor takes in the same round.
    OfFloor(f64),
    /// At most so many times what the floor with MessagePack takes.
    OfFloorRmp(f64),
    /// At most so many bytes.
    Bytes(f64),
    /// Nothing: how it is to the floor is only told.
    Unset,
}

/// A figure that the short table shows.
pub(crate) struct Headline {
    pub(crate) metric: Metric,
    pub(crate) target: Target,
}

/// One workload.
pub(crate) struct Row {
    /// Its name on the command line and in files.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) operation: Operation,
    /// How many callers share each connection.
    pub(crate) callers: usize,
    pub(crate) connections: usize,
    /// Whether both processes are kept on one processor.
    pub(crate) one_cpu: bool,
    pub(crate) headlines: &'static [Headline],
}

/// The row that takes long and hardly varies: not in quick runs, unless asked for.
pub(crate) const INSTRUCTIONS: &str = "instructions";

pub(crate) const fn of_floor(metric: Metric, most: f64) -> Headline {
    Headline {
        metric,
        target: Target::OfFloor(most),
    }
}

/// What most rows have in common: one connection, all processors.
pub(crate) const PLAIN: Row = Row {
    key: "",
    title: "",
    operation: Operation::Add,
    callers: 1,
    connections: 1,
    one_cpu: false,
    headlines: &[],
};

const ROWS: [Row; 11] = [
    Row {
        key: "add-1",
        title: "add, one caller",
        headlines: &[of_floor(Metric::P50, 1.10)],
        ..PLAIN
    },
    Row {
        key: "add-1-pinned",
        title: "add, one caller, one CPU",
        one_cpu: true,
        headlines: &[of_floor(Metric::P50, 1.10)],
        ..PLAIN
    },
    Row {
        key: "add-64-pinned",
        title: "add, 64 callers, one CPU",
        callers: 64,
        one_cpu: true,
        headlines: &[of_floor(Metric::Cpu, 1.15)],
        ..PLAIN
    },
    Row {
        key: "add-64",
        title: "add, 64 callers",
        callers: 64,
        headlines: &[of_floor(Metric::Each, 1.45), of_floor(Metric::Cpu, 1.5)],
        ..PLAIN
    },
    Row {
        key: "connections-64",
        title: "add, 64 connections",
        connections: 64,
        headlines: &[of_floor(Metric::Each, 1.05)],
        ..PLAIN
    },
    Row {
        key: "person-64",
        title: "get_person, 64 callers",
        operation: Operation::GetPerson,
        callers: 64,
        headlines: &[of_floor(Metric::Each, 1.3)],
        ..PLAIN
    },
    Row {
        key: "echo-64k",
        title: "echo 64 KiB, 8 callers",
        operation: Operation::Echo(64 * 1024),
        callers: 8,
        headlines: &[of_floor(Metric::Each, 0.95)],
        ..PLAIN
    },
    Row {
        key: "echo-4m",
        title: "echo 4 MiB, one caller",
        operation: Operation::Echo(4 * 1024 * 1024),
        headlines: &[of_floor(Metric::Each, 1.15)],
        ..PLAIN
    },
    Row {
        key: "connect",
        title: "connect and first call",
        operation: Operation::Connect,
        headlines: &[of_floor(Metric::P50, 1.25)],
        ..PLAIN
    },
    Row {
        key: "memory",
        title: "server memory of an idle connection",
        operation: Operation::Rest,
        headlines: &[Headline {
            metric: Metric::Memory,
            target: Target::Bytes(8.0 * 1024.0),
        }],
        ..PLAIN
    },
    Row {
        key: INSTRUCTIONS,
        title: "instructions, 64 callers",
        operation: Operation::Counted,
        callers: 64,
        headlines: &[Headline {
            metric: Metric::Instructions,
            target: Target::OfFloorRmp(2.0),
        }],
        ..PLAIN
    },
];

/// The same for requests of HTTP, each of which has its connection for itself.
const HTTP_ROWS: [Row; 7] = [
    Row {
        key: "add-1",
        title: "add, one caller",
        headlines: &[of_floor(Metric::P50, 1.15), of_floor(Metric::Cpu, 1.15)],
        ..PLAIN
    },
    Row {
        key: "add-1-pinned",
        title: "add, one caller, one CPU",
        one_cpu: true,
        headlines: &[of_floor(Metric::P50, 1.15)],
        ..PLAIN
    },
    Row {
        key: "add-64",
        title: "add, 64 callers",
        callers: 64,
        headlines: &[of_floor(Metric::Each, 1.15), of_floor(Metric::Cpu, 1.15)],
        ..PLAIN
    },
    Row {
        key: "person-64",
        title: "get_person, 64 callers",
        operation: Operation::GetPerson,
        callers: 64,
        headlines: &[of_floor(Metric::Each, 1.15)],
        ..PLAIN
    },
    Row {
        key: "echo-64k",
        title: "echo 64 KiB, 8 callers",
        operation: Operation::Echo(64 * 1024),
        callers: 8,
        headlines: &[of_floor(Metric::Each, 1.15)],
        ..PLAIN
    },
    Row {
        key: "connect",
        title: "connect and first call",
        operation: Operation::Connect,
        headlines: &[of_floor(Metric::P50, 1.15)],
        ..PLAIN
    },
    Row {
        key: INSTRUCTIONS,
        title: "instructions, one caller",
        operation: Operation::Counted,
        headlines: &[of_floor(Metric::Instructions, 1.15)],
        ..PLAIN
    },
];

/// All rows, in the order in which they are measured.
pub(crate) fn rows(suite: Suite) -> &'static [Row] {
    static TCP: [Row; 11] = ROWS;
    static HTTP: [Row; 7] = HTTP_ROWS;
    match suite {
        Suite::Tcp => &TCP,
        Suite::Http => &HTTP,
        Suite::Streams => streams::rows(),
    }
}

impl Row {
    /// The bytes that one call carries there and back, or one stream.
    pub(crate) fn bytes(&self) -> usize {
        match self.operation {
            Operation::Echo(size) => 2 * size,
            Operation::Stream(Streamed::Down(count) | Streamed::Up(count)) => {
                count as usize * PIECE
            }
            _ => 0,
        }
    }

    /// The numbers that one stream carries.
    pub(crate) fn numbers(&self) -> u64 {
        match self.operation {
            Operation::Stream(Streamed::Numbers(count)) => count,
            _ => 0,
        }
    }
}
