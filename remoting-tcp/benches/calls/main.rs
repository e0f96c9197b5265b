//! What a call costs, against the least that a call over TCP can cost.
//!
//! ```text
//! cargo bench -p remoting-tcp --bench calls                # ten rounds
//! cargo bench -p remoting-tcp --bench calls -- --quick     # three short ones
//! cargo bench -p remoting-tcp --bench calls -- --one-cpu   # both processes on one processor
//! cargo bench -p remoting-tcp --bench calls -- --floor     # the floor against itself alone
//! ```
//!
//! Client and server are two processes with two workers each. In every round all
//! contestants run one after the other, and each figure is a ratio to the floor of
//! its own round; printed is the median of the rounds. The floor runs twice: what
//! it differs from itself is noise, and so is as much of any other difference.
//! `--one-cpu` is the steadiest; it needs `taskset`.

mod measure;
mod report;
mod servers;
#[path = "../subjects/mod.rs"]
mod subjects;

use std::env;
use std::process::Command;

use tokio::runtime::{Builder, Runtime};

use crate::measure::{Figures, run};
use crate::report::Report;
use crate::servers::{SERVE, Server, serve};
use crate::subjects::{Workload, floor, objects};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if given("--list") {
        // There are no tests among it.
        return Ok(());
    }
    if given(SERVE) {
        return serve(arguments.last().map_or("", String::as_str));
    }
    if given("--one-cpu") {
        return again_on_one_cpu(&arguments);
    }
    let effort = match (given("--bench"), given("--quick")) {
        // Without cargo's own flag this is a test: all has to run, nothing is measured.
        (false, false) => Effort {
            rounds: 1,
            calls: 640,
        },
        (_, true) => Effort {
            rounds: 3,
            calls: 20_000,
        },
        (true, false) => Effort {
            rounds: 10,
            calls: 100_000,
        },
    };
    runtime()?.block_on(compete(effort, !given("--floor")))
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    /// The calls of one run with many callers; a lone caller makes a fifth of them.
    calls: usize,
}

/// Runs all contestants round by round, and prints what came of it.
async fn compete(effort: Effort, with_objects: bool) -> Outcome<()> {
    let floor_server = Server::start("floor")?;
    let floor = floor::Client::connect(floor_server.address.parse()?).await?;
    let objects = if with_objects {
        Some(Objects::start().await?)
    } else {
        None
    };
    let mut report = Report::new(if with_objects {
        &["floor again", "remoting"]
    } else {
        &["floor again"]
    });
    for round in 0..effort.rounds {
        for workload in Workload::ALL {
            let calls = if workload.callers() == 1 {
                effort.calls / 5
            } else {
                effort.calls
            };
            let base = run(workload, &floor, calls, floor_server.id()).await;
            // Every other round the other way about, so that no place is the better one.
            let mut others = [None, None];
            for place in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                others[place] = match (place, &objects) {
                    (0, _) => Some(run(workload, &floor, calls, floor_server.id()).await),
                    (_, Some(objects)) => Some(objects.run(workload, calls).await),
                    (_, None) => None,
                };
            }
            report.add(workload, base, others.into_iter().flatten());
        }
    }
    print!("{report}");
    Ok(())
}

/// The library: a server and a client that is connected to it.
struct Objects {
    server: Server,
    client: objects::Client,
}

impl Objects {
    async fn start() -> Outcome<Self> {
        let server = Server::start("objects")?;
        let client = objects::Client::connect(&server.address).await?;
        Ok(Self { server, client })
    }

    async fn run(&self, workload: Workload, calls: usize) -> Figures {
        run(workload, &self.client, calls, self.server.id()).await
    }
}

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

/// Starts this program again with one processor for it and its servers.
fn again_on_one_cpu(arguments: &[String]) -> Outcome<()> {
    let kept = arguments.iter().filter(|argument| *argument != "--one-cpu");
    let status = Command::new("taskset")
        .args(["-c", "0"])
        .arg(env::current_exe()?)
        .args(kept)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the run on one processor failed".into())
    }
}
