//! The rows of the tables.

use crate::measure::Metric;
use crate::peers::{CLIENT_SINKS, OURS, OURS_AGAIN, SERVER_SINKS};
use crate::workloads::{Headline, Operation, PLAIN, Row, Streamed, Target, of_floor};

/// How many numbers a stream has.
const NUMBERS: u64 = 100_000;
/// Pieces that make 128 MiB.
const PIECES: u64 = 2048;

const TOLD: &[Headline] = &[Headline {
    metric: Metric::Each,
    target: Target::Unset,
}];

static ROWS: [Row; 3] = [
    Row {
        key: "numbers",
        title: "100,000 u64 down",
        operation: Operation::Stream(Streamed::Numbers(NUMBERS)),
        headlines: &[of_floor(Metric::Each, 4.0)],
        ..PLAIN
    },
    Row {
        key: "down",
        title: "128 MiB in pieces of 64 KiB, down",
        operation: Operation::Stream(Streamed::Down(PIECES)),
        headlines: TOLD,
        ..PLAIN
    },
    Row {
        key: "up",
        title: "128 MiB in pieces of 64 KiB, up",
        operation: Operation::Stream(Streamed::Up(PIECES)),
        headlines: TOLD,
        ..PLAIN
    },
];

/// All rows of streams.
pub(crate) fn rows() -> &'static [Row] {
    &ROWS
}

/// Who is compared by what sinks cost: without any first.
pub(crate) const SINKS: [&str; 4] = [OURS, OURS_AGAIN, CLIENT_SINKS, SERVER_SINKS];

static SINK_ROWS: [Row; 3] = [
    Row {
        key: "sinks-add-1",
        title: "add, one caller",
        ..PLAIN
    },
    Row {
        key: "sinks-add-1-pinned",
        title: "add, one caller, one CPU",
        one_cpu: true,
        ..PLAIN
    },
    Row {
        key: "sinks-add-64",
        title: "add, 64 callers",
        callers: 64,
        ..PLAIN
    },
];

/// The calls that sinks see pass.
pub(crate) fn sink_rows() -> Vec<&'static Row> {
    SINK_ROWS.iter().collect()
}
