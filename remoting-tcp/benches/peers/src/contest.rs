//! The contest: all contestants, row by row and round by round.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::arguments::{Arguments, Effort};
use crate::drive::Order;
use crate::measure::Figures;
use crate::peers::{self, Suite};
use crate::processes::{Pair, Place, can_count, can_pin};
use crate::progress::Progress;
use crate::report::Report;
use crate::runs::Runs;
use crate::workloads::{Operation, Row};
use crate::{fairness, growth, streams};

/// How long a server has, once connections rest, to give back what it does not need.
const SETTLING: Duration = Duration::from_millis(500);

/// How many calls each caller makes while instructions are counted.
const FEW: i32 = 10;
const MANY: i32 = 60;
/// How long that may take.
const COUNTING: Duration = Duration::from_secs(120);

/// Runs the contest, prints the table, and writes the report.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("the folder {}", arguments.out.display()))?;
    let rows = possible_rows(&arguments.rows);
    let parts = arguments.parts;
    ensure!(
        !rows.is_empty() || parts.growth || parts.fairness || parts.streams,
        "nothing is left to measure"
    );
    let progress = Progress::begin();
    let mut report = Report::new(arguments, &rows);
    compare(arguments, &rows, progress, &mut report);
    if parts.growth {
        growth::run(&arguments.effort, progress, &mut report.runs);
    }
    if parts.fairness {
        let neighbourhoods = fairness::neighbourhoods();
        fairness::run(
            neighbourhoods,
            &arguments.effort,
            progress,
            &mut report.runs,
        );
    }
    if parts.streams {
        streams::run(arguments.effort, progress, &mut report.runs);
    }
    println!("{}", report.short());
    let written = report.write(&arguments.out)?;
    println!(
        "written to {}: {}",
        arguments.out.display(),
        written.join(", ")
    );
    report.hold()
}

/// All rows for all contestants.
fn compare(arguments: &Arguments, rows: &[&Row], progress: Progress, report: &mut Report) {
    if rows.is_empty() {
        return;
    }
    let effort = arguments.effort;
    progress.say(&format!(
        "{} contestants, {} rows, {} rounds; beside the floor's times stand ratios to them",
        arguments.peers.len(),
        rows.len(),
        effort.rounds,
    ));
    let mut contest = Contest::new(arguments.suite, effort, progress);
    for round in 0..effort.rounds {
        for row in rows {
            contest.round(round, row, &arguments.peers, &mut report.runs);
        }
    }
}

/// Leaves out what this machine cannot do, and says so.
pub(crate) fn possible_rows(rows: &[&'static Row]) -> Vec<&'static Row> {
    let pinning = can_pin();
    if !pinning {
        eprintln!("without the command `taskset` the rows on one CPU are left out");
    }
    let counting = can_count();
    if !counting {
        eprintln!("without the command `valgrind` the row of instructions is left out");
    }
    let possible = rows.iter().filter(|row| {
        (pinning || !row.one_cpu) && (counting || row.operation != Operation::Counted)
    });
    possible.copied().collect()
}

/// The processes of the contestants, which stay for all rounds.
pub(crate) struct Contest {
    suite: Suite,
    pairs: BTreeMap<(&'static str, Place), Pair>,
    effort: Effort,
    progress: Progress,
}

impl Contest {
    pub(crate) fn new(suite: Suite, effort: Effort, progress: Progress) -> Self {
        Self {
            suite,
            pairs: BTreeMap::new(),
            effort,
            progress,
        }
    }

    /// One row for all contestants, each time beginning with another one.
    pub(crate) fn round(
        &mut self,
        round: usize,
        row: &Row,
        peers: &[&'static str],
        runs: &mut Runs,
    ) {
        let most = match row.operation {
            Operation::Rest => self.effort.memory_rounds,
            Operation::Counted => 1,
            _ => self.effort.rounds,
        };
        if round >= most {
            return;
        }
        let rounds = self.effort.rounds;
        self.progress
            .open(&format!("round {} of {rounds}: {}:", round + 1, row.title));
        for turn in 0..peers.len() {
            let peer = peers[(turn + round) % peers.len()];
            self.progress.word(peer);
            let outcome = match row.operation {
                Operation::Rest => self.memory(peer, row),
                Operation::Counted => self.count(peer, row),
                _ => self.load(peer, row),
            };
            if outcome.is_err() {
                // What is left of it may be in any state.
                self.pairs.remove(&(peer, place(row)));
                self.progress.word("failed,");
            }
            runs.add(round, row.key, peer, outcome);
        }
        self.progress.done();
    }

    fn load(&mut self, peer: &'static str, row: &Row) -> Result<Figures> {
        let connections = match row.operation {
            Operation::Connect => self.effort.connects,
            _ => row.connections,
        };
        let order = self.order(row, connections);
        let key = (peer, place(row));
        match self.pairs.entry(key) {
            Entry::Occupied(mut pair) => pair.get_mut().run(&order),
            Entry::Vacant(place) => place.insert(start(self.suite, peer, key.1)?).run(&order),
        }
    }

    /// Measures in new processes, where no memory is free already.
    fn memory(&self, peer: &'static str, row: &Row) -> Result<Figures> {
        let mut pair = start(self.suite, peer, Place::AllCpus)?;
        pair.run(&self.order(row, 1))?;
        thread::sleep(SETTLING);
        let before = pair.memory();
        ensure!(
            before.server > 0,
            "the system does not tell a process's memory"
        );
        pair.run(&self.order(row, self.effort.idle))?;
        thread::sleep(SETTLING);
        let taken = pair.memory().since(before).server;
        Ok(Figures {
            memory: taken as f64 / self.effort.idle as f64,
            ..Figures::default()
        })
    }

    /// Counts the instructions of a few calls and of many: the difference is the calls'.
    fn count(&self, peer: &'static str, row: &Row) -> Result<Figures> {
        let run = |calls: i32| {
            let mut pair = start(self.suite, peer, Place::Counted)?;
            pair.run(&Order {
                calls,
                measured: COUNTING,
                ..self.order(row, 1)
            })?;
            pair.instructions()
        };
        let (few, many) = (run(FEW)?, run(MANY)?);
        let calls = f64::from(MANY - FEW) * row.callers as f64;
        let each = |few: u64, many: u64| many.saturating_sub(few) as f64 / calls;
        Ok(Figures {
            client_instructions: each(few.0, many.0),
            server_instructions: each(few.1, many.1),
            ..Figures::default()
        })
    }

    fn order(&self, row: &Row, connections: usize) -> Order {
        Order {
            connections,
            ..Order::new(row, &self.effort)
        }
    }
}

fn start(suite: Suite, peer: &str, place: Place) -> Result<Pair> {
    Pair::start(&suite.whole_name(peer), place)
}

fn place(row: &Row) -> Place {
    if row.one_cpu {
        Place::OneCpu
    } else {
        Place::AllCpus
    }
}

/// What each contestant has set otherwise than its library does by itself.
pub(crate) fn settings(suite: Suite, names: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    let each = names.iter().filter_map(|name| {
        let about = peers::about(&suite.whole_name(name)).ok()?;
        Some((*name, about))
    });
    each.collect()
}
