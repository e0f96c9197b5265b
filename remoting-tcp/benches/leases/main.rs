//! What very many leased objects cost, and whether each of them goes in time and once.
//!
//! ```text
//! cargo bench -p remoting-tcp --bench leases              # 1,000,000 objects, some minutes
//! cargo bench -p remoting-tcp --bench leases -- --quick   # 100,000 objects, half a minute
//! cargo bench -p remoting-tcp --bench leases -- --help    # what is measured
//! ```
//!
//! First a control runs: a plain map and a heap of deadlines, for what any keeper of so many
//! entries costs. It and the first two parts have a server process of their own each, so that
//! what one leaves in memory is not counted for another.

mod activation;
mod clients;
mod death;
mod expiry;
mod ledger;
mod objects;
mod plain;
mod processes;
mod progress;
mod report;
mod server;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::processes::{HOLD, SERVE, Server};
use crate::progress::Progress;
use crate::report::{Report, grouped};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const HELP: &str = "\
cargo bench -p remoting-tcp --bench leases [-- --quick | --help]

Without a flag: 1,000,000 objects of 100 sessions expire, and 1,000 clients in 100 processes
are killed. --quick: a tenth of both.
Progress goes to the standard error, the table to the standard output. The exit code tells
whether each object went once and not too soon; a target that is missed is only told.";

fn main() -> Outcome<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if given(SERVE) {
        server::serve()?;
    } else if given(HOLD) {
        death::hold(&arguments)?;
    } else if given("--help") {
        println!("{HELP}");
    } else if given("--bench") || given("--quick") {
        let effort = if given("--quick") { QUICK } else { FULL };
        let report = runtime()?.block_on(measure(&effort, Progress::begin()))?;
        print!("{report}");
        return Ok(report.verdict());
    }
    // Without cargo's own flag this is a test run, or one that only lists tests: there are none.
    Ok(ExitCode::SUCCESS)
}

/// How much to measure.
#[derive(Debug, Clone, Copy)]
struct Effort {
    objects: usize,
    sessions: usize,
    /// How long each kind of renewal is counted.
    renewing: Duration,
    /// Within what time the leases of the mass expiry run out.
    window: Duration,
    /// How many processes are killed.
    holders: usize,
    /// How many clients there are in each of those, and how many objects each of them holds.
    clients: usize,
    held: usize,
}

const FULL: Effort = Effort {
    objects: 1_000_000,
    sessions: 100,
    renewing: Duration::from_secs(10),
    window: Duration::from_secs(5),
    holders: 100,
    clients: 10,
    held: 100,
};

const QUICK: Effort = Effort {
    objects: 100_000,
    renewing: Duration::from_secs(2),
    holders: 10,
    ..FULL
};

/// Measures everything, one after the other.
async fn measure(effort: &Effort, progress: Progress) -> Outcome<Report> {
    let objects = grouped(effort.objects);
    let title = format!("{objects} objects by {} sessions", effort.sessions);
    let mut report = Report::new(title, server::raised());
    progress.say("the control: a plain map and a heap of deadlines");
    let plain = {
        let server = Server::start().await?;
        server.control.plain(effort.objects, effort.window).await?
    };
    let rate = activation::measure(effort, &plain, progress, &mut report).await?;
    expiry::measure(effort, &plain, rate, progress, &mut report).await?;
    death::measure(effort, progress, &mut report).await?;
    progress.say("done");
    Ok(report)
}

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}
