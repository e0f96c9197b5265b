//! The figures of all rounds, and medians and ratios of them.

use std::collections::BTreeMap;

use anyhow::Error;

use crate::measure::Figures;
use crate::peers::FLOOR;

/// All that was measured so far, by what was measured, contestant and round.
#[derive(Default)]
pub(crate) struct Runs {
    figures: BTreeMap<String, BTreeMap<&'static str, BTreeMap<usize, Figures>>>,
    failures: Vec<String>,
}

impl Runs {
    pub(crate) fn add(
        &mut self,
        round: usize,
        key: &str,
        peer: &'static str,
        outcome: Result<Figures, Error>,
    ) {
        match outcome {
            Ok(figures) => {
                let peers = self.figures.entry(key.to_owned()).or_default();
                peers.entry(peer).or_default().insert(round, figures);
            }
            Err(error) => self
                .failures
                .push(format!("round {}, {key}, {peer}: {error:#}", round + 1)),
        }
    }

    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(crate) fn rounds(&self, key: &str, peer: &str) -> Option<&BTreeMap<usize, Figures>> {
        self.figures.get(key)?.get(peer)
    }

    /// The median over the rounds of a figure as it was measured.
    pub(crate) fn median(
        &self,
        key: &str,
        peer: &str,
        figure: impl Fn(&Figures) -> f64,
    ) -> Option<f64> {
        let rounds = self.rounds(key, peer)?;
        median(rounds.values().map(figure).collect())
    }

    /// The largest of a figure in any round.
    pub(crate) fn largest(
        &self,
        key: &str,
        peer: &str,
        figure: impl Fn(&Figures) -> f64,
    ) -> Option<f64> {
        let rounds = self.rounds(key, peer)?;
        rounds.values().map(figure).max_by(f64::total_cmp)
    }

    /// The median over the rounds of a figure's ratio to the floor's in the same round.
    pub(crate) fn to_floor(
        &self,
        key: &str,
        peer: &str,
        figure: impl Fn(&Figures) -> f64,
    ) -> Option<f64> {
        self.ratio((key, peer), (key, FLOOR), figure)
    }

    /// The median over the rounds of a figure's ratio to another one in the same round.
    ///
    /// - `this`, `base`: what was measured, and the contestant.
    pub(crate) fn ratio(
        &self,
        this: (&str, &str),
        base: (&str, &str),
        figure: impl Fn(&Figures) -> f64,
    ) -> Option<f64> {
        let (base, rounds) = (self.rounds(base.0, base.1)?, self.rounds(this.0, this.1)?);
        let each = rounds.iter().filter_map(|(round, figures)| {
            let base = figure(base.get(round)?);
            (base > 0.0).then(|| figure(figures) / base)
        });
        median(each.collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(middle.checked_sub(1)?)?;
    Some((lower + upper) / 2.0)
}
