//! Measures what is not a row of its own, round by round.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{SINKS, sink_rows};
use crate::arguments::Effort;
use crate::contest::{Contest, possible_rows};
use crate::drive::Order;
use crate::fairness;
use crate::measure::Figures;
use crate::peers::{OURS, Suite};
use crate::processes::{Pair, Place};
use crate::progress::Progress;
use crate::runs::Runs;
use crate::workloads::{Operation, PIECE, Streamed};

/// Pieces that make a GiB.
const GIB: u64 = (1 << 30) / PIECE as u64;

/// The streams whose memory is watched, under the keys of their figures.
pub(crate) const MEMORY: [(&str, &str, Streamed); 2] = [
    ("memory-down", "1 GiB down", Streamed::Down(GIB)),
    ("memory-up", "1 GiB up", Streamed::Up(GIB)),
];
/// What neither process may grow by, however long a stream is: 16 MiB.
pub(crate) const MOST_MEMORY: f64 = 16.0 * 1024.0 * 1024.0;

/// A call's p99 beside a stream: at most so many times that without one,
pub(crate) const NEIGHBOUR_RATIO: f64 = 2.0;
/// and so many milliseconds.
pub(crate) const NEIGHBOUR_MS: f64 = 1.0;

/// Measures memory, calls beside streams, and calls that pass sinks.
pub(crate) fn run(effort: Effort, progress: Progress, runs: &mut Runs) {
    for round in 0..effort.memory_rounds {
        for (key, title, streamed) in MEMORY {
            progress.open(&format!("memory of {title}:"));
            let outcome = memory(streamed, &effort);
            progress.word(if outcome.is_ok() { OURS } else { "failed" });
            runs.add(round, key, OURS, outcome);
            progress.done();
        }
    }
    fairness::run(fairness::beside_streams(), &effort, progress, runs);
    let rows = possible_rows(&sink_rows());
    let mut contest = Contest::new(Suite::Tcp, effort, progress);
    for round in 0..effort.rounds {
        for row in &rows {
            contest.round(round, row, &SINKS, runs);
        }
    }
}

/// Measures in new processes: what they have grown by at most, while the stream was on.
fn memory(streamed: Streamed, effort: &Effort) -> Result<Figures> {
    let mut pair = Pair::start(OURS, Place::AllCpus)?;
    // After calls there is what every process needs that calls.
    pair.run(&Order::plain(Operation::Add, effort))?;
    let before = pair.memory();
    ensure!(
        before.client > 0 && before.server > 0,
        "the system does not tell a process's memory"
    );
    let (figures, most) = pair.run_watched(&Order {
        warm_up: Duration::ZERO,
        measured: Duration::ZERO,
        ..Order::plain(Operation::Stream(streamed), effort)
    })?;
    let grown = most.since(before);
    Ok(Figures {
        memory: grown.server as f64,
        client_memory: grown.client as f64,
        ..figures
    })
}
