//! From the figures of all rounds to medians and ratios; the files that show them.

mod json;
mod markdown;
mod svg;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Error, Result};

use crate::arguments::Effort;
use crate::measure::{Figures, Metric};
use crate::peers::{FLOOR, FLOOR_RMP, OURS};
use crate::workloads::{Headline, Row, Target};

/// All that was measured so far.
pub(crate) struct Report {
    peers: Vec<&'static str>,
    rows: Vec<&'static Row>,
    effort: Effort,
    /// By row and peer: the figures of each round.
    runs: BTreeMap<(&'static str, &'static str), BTreeMap<usize, Figures>>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(peers: &[&'static str], rows: &[&'static Row], effort: Effort) -> Self {
        Self {
            peers: peers.to_vec(),
            rows: rows.to_vec(),
            effort,
            runs: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    pub(crate) fn add(
        &mut self,
        round: usize,
        row: &Row,
        peer: &'static str,
        outcome: Result<Figures, Error>,
    ) {
        match outcome {
            Ok(figures) => {
                let rounds = self.runs.entry((row.key, peer)).or_default();
                rounds.insert(round, figures);
            }
            Err(error) => self.failures.push(format!(
                "round {}, {}, {peer}: {error:#}",
                round + 1,
                row.title
            )),
        }
    }

    /// The median over the rounds of a figure as it was measured.
    fn median(&self, row: &Row, peer: &str, figure: impl Fn(&Figures) -> f64) -> Option<f64> {
        let rounds = self.rounds(row, peer)?;
        median(rounds.values().map(figure).collect())
    }

    /// The median over the rounds of a figure's ratio to the floor's in the same round.
    fn ratio(&self, row: &Row, peer: &str, metric: Metric) -> Option<f64> {
        let (floor, rounds) = (self.rounds(row, FLOOR)?, self.rounds(row, peer)?);
        let each = rounds.iter().filter_map(|(round, figures)| {
            let base = metric.of(floor.get(round)?);
            (base > 0.0).then(|| metric.of(figures) / base)
        });
        median(each.collect())
    }

    fn rounds(&self, row: &Row, peer: &str) -> Option<&BTreeMap<usize, Figures>> {
        let entry = self
            .runs
            .iter()
            .find(|((key, name), _)| *key == row.key && *name == peer);
        entry.map(|(_, rounds)| rounds)
    }

    /// What a cell shows: a ratio, or the figure itself.
    fn aimed_at(&self, row: &Row, peer: &str, headline: &Headline) -> Option<f64> {
        match headline.target {
            Target::OfFloor(_) => self.ratio(row, peer, headline.metric),
            Target::OfFloorRmp(_) | Target::Bytes(_) => {
                self.median(row, peer, |figures| headline.metric.of(figures))
            }
        }
    }

    /// Whether the library has reached a target; `None` where it was not measured.
    fn reached(&self, row: &Row, headline: &Headline) -> Option<bool> {
        let most = match headline.target {
            Target::OfFloor(most) | Target::Bytes(most) => most,
            Target::OfFloorRmp(most) => most * self.aimed_at(row, FLOOR_RMP, headline)?,
        };
        Some(self.aimed_at(row, OURS, headline)? <= most)
    }

    /// The table for the terminal: the short one of the report.
    pub(crate) fn short(&self) -> String {
        markdown::short(self)
    }

    /// Writes the report in its three forms.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let files = [
            ("report.json", json::text(self)?),
            ("report.md", markdown::text(self)),
            ("report.svg", svg::text(self)),
        ];
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text)
                .with_context(|| format!("{} was not written", path.display()))?;
        }
        Ok(())
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
