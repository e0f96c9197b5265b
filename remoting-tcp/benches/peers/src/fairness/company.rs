//! Whom the neighbour has beside it.

use serde::{Deserialize, Serialize};

use crate::workloads::{Deed, Operation, Streamed};

const MIB: usize = 1024 * 1024;

/// Callers who do the same again and again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Company {
    pub(crate) operation: Operation,
    pub(crate) callers: usize,
    /// Whether they share the neighbour's connection.
    pub(crate) same_connection: bool,
    pub(crate) reading: Reading,
}

/// How a client takes what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reading {
    AtOnce,
    /// 64 KiB every ten milliseconds.
    Slowly,
    /// Not at all, after the first 64 KiB.
    Never,
}

/// A row of the table of fairness.
pub(crate) struct Neighbourhood {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) operation: Operation,
    pub(crate) callers: usize,
    pub(crate) reading: Reading,
    /// Whether the floor can do that as well.
    pub(crate) floor: bool,
}

/// The neighbour's control: no company.
pub(crate) const ALONE: &str = "alone";

/// How long who burns does so, in microseconds.
const BURN: u32 = 1000;

const fn deed(key: &'static str, title: &'static str, callers: usize, deed: Deed) -> Neighbourhood {
    Neighbourhood {
        key,
        title,
        operation: Operation::Deed(deed),
        callers,
        reading: Reading::AtOnce,
        floor: !matches!(deed, Deed::Wait | Deed::Pause(_) | Deed::BurnBlocking(_)),
    }
}

const fn add(key: &'static str, title: &'static str, callers: usize) -> Neighbourhood {
    Neighbourhood {
        operation: Operation::Add,
        floor: true,
        ..deed(key, title, callers, Deed::Wait)
    }
}

const fn slow(key: &'static str, title: &'static str, reading: Reading) -> Neighbourhood {
    Neighbourhood {
        reading,
        ..deed(key, title, 8, Deed::Download(MIB))
    }
}

const AT_TIMES: Deed = Deed::BurnAtTimes {
    micros: BURN,
    one_in: 64,
};

static ALL: [Neighbourhood; 14] = [
    add(ALONE, "nobody", 0),
    deed("wait", "1,000 calls that wait for ever", 1000, Deed::Wait),
    deed(
        "pause",
        "1,000 callers, calls that wait 100 ms",
        1000,
        Deed::Pause(100),
    ),
    deed(
        "burn-1",
        "1 caller, plain method that burns 1 ms",
        1,
        Deed::Burn(BURN),
    ),
    deed(
        "burn-8",
        "8 callers, plain method that burns 1 ms",
        8,
        Deed::Burn(BURN),
    ),
    deed(
        "burn-blocking-1",
        "1 caller, `#[blocking]` method that burns 1 ms",
        1,
        Deed::BurnBlocking(BURN),
    ),
    deed(
        "burn-blocking-8",
        "8 callers, `#[blocking]` method that burns 1 ms",
        8,
        Deed::BurnBlocking(BURN),
    ),
    deed(
        "burn-at-times",
        "8 callers, plain method that burns 1 ms in one of 64 calls",
        8,
        AT_TIMES,
    ),
    slow(
        "slow-reader",
        "8 callers, answers of 1 MiB, read at 6 MB/s",
        Reading::Slowly,
    ),
    slow(
        "no-reader",
        "8 callers, answers of 1 MiB, not read",
        Reading::Never,
    ),
    deed("upload", "1 caller, 4 MiB there", 1, Deed::Upload(4 * MIB)),
    deed(
        "download",
        "1 caller, 4 MiB back",
        1,
        Deed::Download(4 * MIB),
    ),
    add("add-8", "8 callers of add", 8),
    add("add-64", "64 callers of add", 64),
];

const fn stream(key: &'static str, title: &'static str, streamed: Streamed) -> Neighbourhood {
    Neighbourhood {
        key,
        title,
        operation: Operation::Stream(streamed),
        callers: 1,
        reading: Reading::AtOnce,
        floor: false,
    }
}

/// Pieces that make a GiB.
const GIB: u64 = 16 * 1024;

static STREAMS: [Neighbourhood; 3] = [
    Neighbourhood {
        floor: false,
        ..add(ALONE, "nobody", 0)
    },
    stream(
        "upload",
        "streams of 1 GiB to the server, one after the other",
        Streamed::Up(GIB),
    ),
    stream(
        "download",
        "an endless stream from the server",
        Streamed::Down(u64::MAX),
    ),
];

/// Those of streams, the control first.
pub(crate) fn beside_streams() -> &'static [Neighbourhood] {
    &STREAMS
}

/// All rows, the control first.
pub(crate) fn neighbourhoods() -> &'static [Neighbourhood] {
    &ALL
}

impl Neighbourhood {
    pub(crate) fn company(&self, same_connection: bool) -> Company {
        Company {
            operation: self.operation,
            callers: self.callers,
            same_connection,
            reading: self.reading,
        }
    }

    /// Where the company can be: who reads slowly has a connection of its own, and nobody has none.
    pub(crate) fn places(&self) -> &'static [bool] {
        match self.reading {
            Reading::AtOnce if self.callers == 0 => &[true],
            Reading::AtOnce => &[true, false],
            Reading::Slowly | Reading::Never => &[false],
        }
    }

    /// Names the figures of a row in the report.
    pub(crate) fn figures(&self, same_connection: bool) -> String {
        let place = if same_connection { "beside" } else { "apart" };
        format!("{}-{place}", self.key)
    }
}
