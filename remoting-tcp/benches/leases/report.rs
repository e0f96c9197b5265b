//! All figures in one table, each beside that of the control and its target, where it has them.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use crate::ledger::{Lateness, Tally};

/// The figures, in the order in which they were measured.
pub(crate) struct Report {
    title: String,
    limits: String,
    rows: Vec<Row>,
    failed: bool,
}

/// One figure, or the title of those that follow.
#[derive(Default)]
pub(crate) struct Row {
    name: String,
    measured: String,
    control: String,
    target: Option<String>,
    missed: bool,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            name: format!("  {}", name.into()),
            measured: measured.into(),
            ..Self::default()
        }
    }

    /// What the plain map has taken for the same.
    pub(crate) fn control(mut self, control: impl Into<String>) -> Self {
        self.control = control.into();
        self
    }

    pub(crate) fn target(mut self, target: impl Into<String>, met: bool) -> Self {
        self.target = Some(target.into());
        self.missed = !met;
        self
    }
}

impl Report {
    pub(crate) fn new(title: String, limits: String) -> Self {
        Self {
            title,
            limits,
            rows: Vec::new(),
            failed: false,
        }
    }

    pub(crate) fn section(&mut self, title: impl Into<String>) {
        let name = title.into();
        self.add(Row {
            name,
            ..Row::default()
        });
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// What has become of the objects: if any went wrong, the whole run fails.
    pub(crate) fn fates(&mut self, tally: &Tally) {
        for (name, count) in [
            ("gone too soon", tally.early),
            ("not gone at all", tally.left),
            ("released twice or without a word", tally.not_once),
        ] {
            self.failed |= count > 0;
            self.add(Row::new(name, grouped(count as usize)).target("0", count == 0));
        }
    }

    /// - `most`: the targets of the p99 and of the worst.
    pub(crate) fn lateness(
        &mut self,
        late: Lateness,
        control: Option<Lateness>,
        most: [Option<Duration>; 2],
    ) {
        let of = |late: Lateness| [late.p50, late.p99, late.worst];
        let control = control.map_or([None; 3], |control| of(control).map(Some));
        let targets = [None, most[0], most[1]];
        for (place, name) in ["p50", "p99", "worst"].into_iter().enumerate() {
            let time = of(late)[place];
            let control = control[place].map_or_else(String::new, milliseconds);
            let row = Row::new(format!("lateness, {name}"), milliseconds(time)).control(control);
            self.add(match targets[place] {
                Some(most) => row.target(format!("<= {}", milliseconds(most)), time <= most),
                None => row,
            });
        }
    }

    pub(crate) fn verdict(&self) -> ExitCode {
        if self.failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nlimits raised: {}", self.title, self.limits)?;
        let (measured, control, target) = ("measured", "plain map", "target");
        writeln!(f, "{:<46}{measured:>14}{control:>14}{target:>14}", "")?;
        for row in &self.rows {
            let (name, measured, control) = (&row.name, &row.measured, &row.control);
            let (target, verdict) = match (&row.target, row.missed) {
                (None, _) => ("", ""),
                (Some(target), false) => (target.as_str(), "  met"),
                (Some(target), true) => (target.as_str(), "  MISSED"),
            };
            let line = format!("{name:<46}{measured:>14}{control:>14}{target:>14}{verdict}");
            writeln!(f, "{}", line.trim_end())?;
        }
        if !self.rows.iter().any(|row| row.missed) {
            writeln!(f, "all targets are met")?;
        }
        for row in self.rows.iter().filter(|row| row.missed) {
            let (name, target) = (row.name.trim(), row.target.as_deref().unwrap_or_default());
            writeln!(f, "missed: {name}: {}, not {target}", row.measured)?;
        }
        Ok(())
    }
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
