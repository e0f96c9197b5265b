//! Measures every point, round by round.

use anyhow::Result;

use super::all;
use crate::arguments::Effort;
use crate::drive::Order;
use crate::measure::Figures;
use crate::peers::{FLOOR, RAISED};
use crate::processes::{Pair, Place};
use crate::progress::Progress;
use crate::runs::Runs;

/// Measures all series for the floor and for the library.
pub(crate) fn run(effort: &Effort, progress: Progress, runs: &mut Runs) {
    for shortage in all().iter().filter_map(|series| series.shortage()) {
        progress.say(&shortage);
    }
    let rounds = effort.growth_rounds;
    for round in 0..rounds {
        for series in all() {
            for size in series.sizes() {
                progress.open(&format!(
                    "growth, round {} of {rounds}: {size} {}:",
                    round + 1,
                    series.of
                ));
                let order = series.order(size, effort);
                point(round, &series.figures(size), &order, progress, runs);
                progress.done();
            }
        }
    }
}

fn point(round: usize, key: &str, order: &Order, progress: Progress, runs: &mut Runs) {
    let mut peers = [FLOOR, RAISED];
    peers.rotate_left(round % 2);
    for peer in peers {
        progress.word(peer);
        let outcome = measure(peer, order);
        if outcome.is_err() {
            progress.word("failed,");
        }
        runs.add(round, key, peer, outcome);
    }
}

/// Measures in new processes, where no memory is free already.
fn measure(peer: &str, order: &Order) -> Result<Figures> {
    let mut pair = Pair::start(peer, Place::AllCpus)?;
    let before = pair.memory();
    let (figures, most) = pair.run_watched(order)?;
    Ok(Figures {
        memory: most.since(before).server as f64,
        ..figures
    })
}
