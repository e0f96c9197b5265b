//! From the figures of all rounds to one table of ratios.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::measure::Figures;
use crate::subjects::Workload;

/// All that was measured so far.
pub(crate) struct Report {
    contestants: &'static [&'static str],
    /// By row: the floor in nanoseconds, then each contestant's ratio to it, a value a round.
    rows: BTreeMap<(usize, usize), Vec<Vec<f64>>>,
}

/// A column of [`Figures`], and what it is called.
type Metric = (&'static str, fn(&Figures) -> Duration);

const METRICS: [Metric; 3] = [
    ("p50", |figures| figures.p50),
    ("time per call", |figures| figures.wall),
    ("CPU per call", |figures| figures.cpu),
];

impl Report {
    pub(crate) fn new(contestants: &'static [&'static str]) -> Self {
        Self {
            contestants,
            rows: BTreeMap::new(),
        }
    }

    /// Adds one round of one workload: the floor, then the contestants.
    pub(crate) fn add(
        &mut self,
        workload: Workload,
        floor: Figures,
        others: impl Iterator<Item = Figures>,
    ) {
        let others: Vec<_> = others.collect();
        let place = Workload::ALL
            .iter()
            .position(|one| *one == workload)
            .unwrap_or_default();
        for (column, (_, metric)) in METRICS.iter().enumerate() {
            let base = metric(&floor).as_secs_f64();
            let ratios = others
                .iter()
                .map(|figures| metric(figures).as_secs_f64() / base);
            let row = self.rows.entry((place, column)).or_default();
            row.push(std::iter::once(base * 1e9).chain(ratios).collect());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<24}{:<16}{:>12}", "workload", "figure", "floor")?;
        for contestant in self.contestants {
            write!(f, "{contestant:>14}")?;
        }
        writeln!(f)?;
        for ((place, column), rounds) in &self.rows {
            let workload = Workload::ALL[*place].name();
            write!(
                f,
                "{workload:<24}{:<16}{:>9.2} µs",
                METRICS[*column].0,
                median(rounds, 0) / 1e3
            )?;
            for contestant in 1..=self.contestants.len() {
                write!(f, "{:>14.2}", median(rounds, contestant))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn median(rounds: &[Vec<f64>], column: usize) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(|round| round[column]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
