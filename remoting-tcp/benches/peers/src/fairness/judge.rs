//! Lets the neighbour call beside each company, round by round.

use anyhow::Result;

use super::Neighbourhood;
use crate::arguments::Effort;
use crate::drive::Order;
use crate::measure::Figures;
use crate::peers::{FLOOR, OURS};
use crate::processes::{Pair, Place};
use crate::progress::Progress;
use crate::runs::Runs;
use crate::workloads::Operation;

/// Measures neighbourhoods for the floor and for the library.
pub(crate) fn run(
    neighbourhoods: &[Neighbourhood],
    effort: &Effort,
    progress: Progress,
    runs: &mut Runs,
) {
    let rounds = effort.fairness_rounds;
    for round in 0..rounds {
        for neighbourhood in neighbourhoods {
            let title = neighbourhood.title;
            progress.open(&format!(
                "fairness, round {} of {rounds}: beside {title}:",
                round + 1
            ));
            for same_connection in neighbourhood.places() {
                of_round(
                    round,
                    neighbourhood,
                    *same_connection,
                    effort,
                    progress,
                    runs,
                );
            }
            progress.done();
        }
    }
}

fn of_round(
    round: usize,
    neighbourhood: &Neighbourhood,
    same_connection: bool,
    effort: &Effort,
    progress: Progress,
    runs: &mut Runs,
) {
    let key = neighbourhood.figures(same_connection);
    let mut peers = [FLOOR, OURS];
    peers.rotate_left(round % 2);
    for peer in peers {
        if peer == FLOOR && !neighbourhood.floor {
            continue;
        }
        progress.word(peer);
        let outcome = measure(peer, neighbourhood, same_connection, effort);
        if outcome.is_err() {
            progress.word("failed,");
        }
        runs.add(round, &key, peer, outcome);
    }
}

/// Measures in new processes, so that what one company has left is not the next one's.
fn measure(
    peer: &str,
    neighbourhood: &Neighbourhood,
    same_connection: bool,
    effort: &Effort,
) -> Result<Figures> {
    let mut pair = Pair::start(peer, Place::AllCpus)?;
    pair.run(&Order {
        measured: effort.fairness_measured,
        company: Some(neighbourhood.company(same_connection)),
        ..Order::plain(Operation::Add, effort)
    })
}
