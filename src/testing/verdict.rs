//! What the journals of a test come to, and how that is told.

use std::collections::BTreeMap;
use std::fmt;

use remoting_core::Executed;

use super::journal::CallId;

/// What the journals of a test tell of its calls. Made by [`check`](super::check); its text is a short table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// How many calls were begun.
    pub calls: u64,
    /// How many of them were answered.
    pub ok: u64,
    /// How many failed, and were said not to have run.
    pub failed_no: u64,
    /// How many failed, and were said to have run.
    pub failed_yes: u64,
    /// How many failed with nobody knowing whether they had run. That is no violation: a test that allows none looks here.
    pub failed_unknown: u64,
    /// How many of [`failed_unknown`](Self::failed_unknown) have run.
    pub unknown_ran: u64,
    /// How the failed calls have failed: what was said of whether they ran, and the kind of the error.
    pub kinds: BTreeMap<String, u64>,
    /// How many faults were made.
    pub faults: u64,
    /// How many lines were cut off while they were written. They count for nothing else.
    pub torn: u64,
    /// Violation: answered, but never run.
    pub lost: Found,
    /// Violation: run more than once.
    pub doubled: Found,
    /// Violation: said not to have run, but run.
    pub denied: Found,
    /// Violation: said to have run, but not run.
    pub claimed: Found,
    /// Violation: begun, and never ended. A client that was itself killed leaves such calls behind, and they are its own.
    pub endless: Found,
    /// Violation: begun twice, ended twice, or ended or run without having begun. A journal is missing, or two clients have one number.
    pub misplaced: Found,
}

/// The calls that do what no call should.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// How many there are.
    pub count: u64,
    /// The first of them by their numbers, at most five.
    pub first: Vec<CallId>,
}

/// How many calls are named of each violation.
const NAMED: usize = 5;

impl Verdict {
    /// Whether nothing was violated.
    pub fn is_clean(&self) -> bool {
        self.violations().iter().all(|(_, found)| found.count == 0)
    }

    /// Goes on if nothing was violated.
    ///
    /// # Panics
    ///
    /// With the table, if anything was.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "calls went wrong\n{self}");
    }

    pub(super) fn count_kind(&mut self, executed: Executed, kind: &str) {
        let executed = match executed {
            Executed::No => "no",
            Executed::Yes => "yes",
            Executed::Unknown => "unknown",
        };
        *self.kinds.entry(format!("{executed}, {kind}")).or_default() += 1;
    }

    fn violations(&self) -> [(&'static str, &Found); 6] {
        [
            ("answered, never run", &self.lost),
            ("run more than once", &self.doubled),
            ("executed: no, but run", &self.denied),
            ("executed: yes, but not run", &self.claimed),
            ("begun, never ended", &self.endless),
            ("out of place", &self.misplaced),
        ]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("calls", self.calls),
            ("ok", self.ok),
            ("failed, executed: no", self.failed_no),
            ("failed, executed: yes", self.failed_yes),
            ("failed, executed: unknown", self.failed_unknown),
            ("  of these, run", self.unknown_ran),
            ("faults", self.faults),
            ("lines cut off", self.torn),
        ];
        for (what, count) in counts {
            writeln!(f, "{what:<28}{count:>10}")?;
        }
        for (kind, count) in &self.kinds {
            writeln!(f, "failed: {kind:<20}{count:>10}")?;
        }
        for (what, found) in self.violations() {
            writeln!(f, "{what:<28}{found}")?;
        }
        Ok(())
    }
}

impl Found {
    /// Counts a call; they are to come in the order of their numbers.
    pub(super) fn add_if(&mut self, is_so: bool, id: CallId) {
        if is_so {
            self.count += 1;
            if self.first.len() < NAMED {
                self.first.push(id);
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10}", self.count)?;
        for (nth, id) in self.first.iter().enumerate() {
            let before = if nth == 0 { "   first: " } else { ", " };
            write!(f, "{before}client {} call {}", id.client, id.call)?;
        }
        Ok(())
    }
}
