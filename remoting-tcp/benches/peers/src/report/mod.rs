//! From the figures of all rounds to medians and ratios; the files that show them.

mod curves;
mod delays;
mod fairness;
mod growth;
mod json;
mod markdown;
mod streams;
mod svg;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::arguments::{Arguments, Effort, Parts};
use crate::measure::{Figures, Metric};
use crate::peers::{FLOOR_RMP, OURS, Suite};
use crate::runs::Runs;
use crate::workloads::{Headline, Row, Target};

/// All that was measured so far.
pub(crate) struct Report {
    suite: Suite,
    peers: Vec<&'static str>,
    rows: Vec<&'static Row>,
    parts: Parts,
    effort: Effort,
    pub(crate) runs: Runs,
}

impl Report {
    pub(crate) fn new(arguments: &Arguments, rows: &[&'static Row]) -> Self {
        Self {
            suite: arguments.suite,
            peers: arguments.peers.clone(),
            rows: rows.to_vec(),
            parts: arguments.parts,
            effort: arguments.effort,
            runs: Runs::default(),
        }
    }

    /// The median over the rounds of a figure as it was measured.
    fn median(&self, row: &Row, peer: &str, figure: impl Fn(&Figures) -> f64) -> Option<f64> {
        self.runs.median(row.key, peer, figure)
    }

    /// The median over the rounds of a figure's ratio to the floor's in the same round.
    fn ratio(&self, row: &Row, peer: &str, metric: Metric) -> Option<f64> {
        let figure = |figures: &Figures| metric.of(figures);
        self.runs.to_floor(row.key, peer, figure)
    }

    /// What a cell shows: a ratio, or the figure itself.
    fn aimed_at(&self, row: &Row, peer: &str, headline: &Headline) -> Option<f64> {
        match headline.target {
            Target::OfFloor(_) | Target::Unset => self.ratio(row, peer, headline.metric),
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
            Target::Unset => return None,
        };
        Some(self.aimed_at(row, OURS, headline)? <= most)
    }

    /// A failure where the library has to keep to a bound and has not.
    pub(crate) fn hold(&self) -> Result<()> {
        match self.parts.streams {
            true => streams::hold(self),
            false => Ok(()),
        }
    }

    /// The tables for the terminal.
    pub(crate) fn short(&self) -> String {
        markdown::tables(self)
    }

    /// Writes the report in its forms; gives the names of the files.
    pub(crate) fn write(&self, folder: &Path) -> Result<Vec<&'static str>> {
        let mut files = vec![
            ("report.json", json::text(self)?),
            ("report.md", markdown::text(self)),
        ];
        if !self.rows.is_empty() {
            files.push(("report.svg", svg::text(self)));
        }
        if self.parts.growth {
            files.push((growth::PLOT, curves::text(self)));
        }
        if self.parts.fairness {
            files.push((fairness::PLOT, delays::text(self)));
        }
        for (name, text) in &files {
            let path = folder.join(name);
            fs::write(&path, text)
                .with_context(|| format!("{} was not written", path.display()))?;
        }
        Ok(files.iter().map(|(name, _)| *name).collect())
    }
}
