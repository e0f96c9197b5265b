//! How many instructions a call takes, or an item of a stream, client and server together, beside the floor's.
//!
//! ```text
//! cargo bench -p remoting-tcp --bench instructions              # the table
//! cargo bench -p remoting-tcp --bench instructions -- --check   # and whether it keeps the bounds
//! ```
//!
//! Needs valgrind. Client and server run on one thread of one process, so that nothing depends
//! on who is faster. What a call takes is the difference of a run with many calls and one with
//! few, divided by the difference in calls: starting and connecting fall out. The kernel's
//! instructions are not seen. Runs of one program agree within one in a hundred.

mod count;
mod floor_rmp;
mod run;
mod streams;
#[path = "../subjects/mod.rs"]
mod subjects;

use std::env;

use crate::run::{Contestant, MAKE, Work};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How many times the instructions of the floor with `rmp-serde` a call of the library may
/// take: the figure when the bound was set, and 1.25 times that, rounded down.
///
/// When the library has become cheaper, lower both numbers by hand, in the same commit.
static BOUNDS: [Bound; 5] = [
    bound(Work::ALL[0], 3.15, 3.9),
    bound(Work::ALL[1], 6.97, 8.7),
    bound(Work::ALL[2], 3.47, 4.3),
    // Set anew, and closer, when sessions came to outlive connections: a name and a secret in HELLO, a place in the
    // host's table, and what is kept of frames are paid by each connection.
    bound(Work::ALL[3], 5.9, 6.3),
    bound(Work::ALL[4], 4.04, 5.0),
];

/// What to do when a row is above its bound.
const ADVICE: &str = "\
Something made a call dearer. Look first at what the change adds to every call: an allocation,
a boxed future, a task, a timer, a lock, a copy, a second write. To see where the instructions
go, run a part of this benchmark by itself, with names in the program:

    CARGO_PROFILE_BENCH_DEBUG=1 cargo bench -p remoting-tcp --bench instructions --no-run
    valgrind --tool=callgrind <the program it names> --make remoting 'add, 64 callers' 100
    callgrind_annotate callgrind.out.<number>

If the floor became cheaper (a new compiler, a new tokio) and the library did not become dearer,
or if what was added is worth its price, set the bound anew in `benches/instructions/main.rs`
and say why in the commit.";

/// A line of [`BOUNDS`].
struct Bound {
    work: Work,
    /// The ratio when the bound was set.
    was: f64,
    most: f64,
}

const fn bound(work: Work, was: f64, most: f64) -> Bound {
    Bound { work, was, most }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if given("--list") {
        // There are no tests among it.
        return Ok(());
    }
    if let Some(at) = arguments.iter().position(|argument| argument == MAKE) {
        return run::make(&arguments[at + 1..]);
    }
    if !given("--bench") {
        // Without cargo's own flag this is a test: all has to run, nothing is counted.
        return run::make_all();
    }
    if !count::possible() {
        let missing = "instructions are counted by valgrind, which is not installed \
            (Debian: apt install valgrind)";
        if given("--check") {
            return Err(missing.into());
        }
        println!("{missing}");
        return Ok(());
    }
    let rows = table()?;
    if given("--check") {
        check(&rows)?;
    }
    Ok(())
}

/// What was counted for one workload, for each call.
struct Row {
    bound: &'static Bound,
    floor: f64,
    floor_rmp: f64,
    remoting: f64,
}

impl Row {
    fn count(bound: &'static Bound) -> Outcome<Self> {
        let each = |contestant| count::of_a_call(contestant, bound.work);
        Ok(Self {
            bound,
            floor: each(Contestant::Floor)?,
            floor_rmp: each(Contestant::FloorRmp)?,
            remoting: each(Contestant::Remoting)?,
        })
    }

    fn ratio(&self) -> f64 {
        self.remoting / self.floor_rmp
    }
}

/// Counts everything, and prints a row as soon as it is there.
fn table() -> Outcome<Vec<Row>> {
    println!("instructions of a call or an item, client and server together");
    println!(
        "{:<24}{:>8}{:>11}{:>10}{:>10}{:>14}{:>7}{:>7}",
        "workload", "floor", "floor-rmp", "remoting", "of floor", "of floor-rmp", "was", "bound"
    );
    let mut rows = Vec::new();
    for bound in &BOUNDS {
        let row = Row::count(bound)?;
        println!(
            "{:<24}{:>8.0}{:>11.0}{:>10.0}{:>10.2}{:>14.2}{:>7.2}{:>7.2}",
            bound.work.name(),
            row.floor,
            row.floor_rmp,
            row.remoting,
            row.remoting / row.floor,
            row.ratio(),
            bound.was,
            bound.most,
        );
        rows.push(row);
    }
    Ok(rows)
}

/// Fails when a row is above its bound.
fn check(rows: &[Row]) -> Outcome<()> {
    let mut above = 0;
    for row in rows.iter().filter(|row| row.ratio() > row.bound.most) {
        above += 1;
        println!(
            "ABOVE THE BOUND: {}: {:.2} times the instructions of floor-rmp; the bound is {:.2}, \
             the figure was {:.2} when it was set",
            row.bound.work.name(),
            row.ratio(),
            row.bound.most,
            row.bound.was,
        );
    }
    if above == 0 {
        println!(
            "all rows are within their bounds, which are lowered by hand when calls get cheaper"
        );
        return Ok(());
    }
    println!("{ADVICE}");
    Err(format!("{above} of {} rows are above their bounds", rows.len()).into())
}
