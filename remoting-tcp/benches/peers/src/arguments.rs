//! What the command line says.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::peers::{self, Suite};
use crate::workloads::{INSTRUCTIONS, Row, rows};

/// Makes the program a server; behind it comes the peer's name.
pub(crate) const SERVE: &str = "--serve";
/// Makes it a client; behind it come the peer's name, the server's address and process.
pub(crate) const DRIVE: &str = "--drive";

/// What this process is.
pub(crate) enum Role {
    Help(String),
    Server {
        peer: String,
    },
    Client {
        peer: String,
        address: String,
        server: u32,
    },
    Judge(Arguments),
}

/// What the judge was asked for.
pub(crate) struct Arguments {
    pub(crate) suite: Suite,
    pub(crate) peers: Vec<&'static str>,
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) parts: Parts,
    pub(crate) effort: Effort,
    /// The folder for the report.
    pub(crate) out: PathBuf,
}

/// What is measured beside the rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parts {
    pub(crate) growth: bool,
    pub(crate) fairness: bool,
    /// Memory, fairness and sinks, beside the rows of streams.
    pub(crate) streams: bool,
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// How often the memory of idle connections is measured: it hardly varies.
    pub(crate) memory_rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// Connections that are made one after the other.
    pub(crate) connects: usize,
    /// Connections that are kept idle.
    pub(crate) idle: usize,
    pub(crate) growth_rounds: usize,
    pub(crate) fairness_rounds: usize,
    /// How long the neighbour calls beside each company.
    pub(crate) fairness_measured: Duration,
}

const FULL: Effort = Effort {
    quick: false,
    rounds: 10,
    memory_rounds: 3,
    warm_up: Duration::from_millis(200),
    measured: Duration::from_millis(800),
    connects: 1000,
    idle: 500,
    growth_rounds: 5,
    fairness_rounds: 5,
    fairness_measured: Duration::from_secs(2),
};

const QUICK: Effort = Effort {
    quick: true,
    rounds: 5,
    memory_rounds: 1,
    warm_up: Duration::from_millis(40),
    measured: Duration::from_millis(160),
    connects: 200,
    idle: 200,
    growth_rounds: 2,
    fairness_rounds: 2,
    fairness_measured: Duration::from_secs(1),
};

impl Arguments {
    /// Reads the command line of this process.
    pub(crate) fn read() -> Result<Role> {
        let given: Vec<String> = env::args().skip(1).collect();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        match given.as_slice() {
            [SERVE, peer] => Ok(Role::Server {
                peer: (*peer).to_owned(),
            }),
            [DRIVE, peer, address, server] => Ok(Role::Client {
                peer: (*peer).to_owned(),
                address: (*address).to_owned(),
                server: server
                    .parse()
                    .context("the number of the server's process")?,
            }),
            others => Self::of_judge(others),
        }
    }

    fn of_judge(given: &[&str]) -> Result<Role> {
        let suite = match ["--http", "--streams"].map(|name| given.contains(&name)) {
            [false, false] => Suite::Tcp,
            [true, false] => Suite::Http,
            [false, true] => Suite::Streams,
            [true, true] => bail!("--http and --streams are two contests"),
        };
        let mut arguments = Self {
            suite,
            peers: suite.names(),
            rows: Vec::new(),
            parts: Parts::default(),
            effort: FULL,
            out: PathBuf::from("report"),
        };
        let (mut rounds, mut all) = (None, false);
        let mut given = given.iter();
        while let Some(argument) = given.next() {
            let mut value = || given.next().with_context(|| format!("{argument} of what?"));
            match *argument {
                "--help" | "-h" => return Ok(Role::Help(help())),
                "--http" | "--streams" => {}
                "--quick" => arguments.effort = QUICK,
                "--growth" => arguments.parts.growth = true,
                "--fairness" => arguments.parts.fairness = true,
                "--all" => all = true,
                "--rounds" => rounds = Some(value()?.parse().context("--rounds takes a number")?),
                "--peers" => arguments.peers = chosen_peers(suite, value()?)?,
                "--rows" => arguments.rows = chosen_rows(suite, value()?)?,
                "--out" => arguments.out = PathBuf::from(value()?),
                other => bail!("there is no argument `{other}`; --help names all"),
            }
        }
        if all {
            (arguments.parts.growth, arguments.parts.fairness) = (true, true);
        }
        let Parts {
            growth, fairness, ..
        } = arguments.parts;
        ensure!(
            suite == Suite::Tcp || !growth && !fairness,
            "growth and fairness are measured of calls over TCP alone"
        );
        if arguments.rows.is_empty() && (all || !growth && !fairness) {
            arguments.rows = rows_of(suite, arguments.effort);
            arguments.parts.streams = suite == Suite::Streams;
        }
        if let Some(rounds) = rounds {
            ensure!(rounds > 0, "at least one round is needed");
            arguments.effort = arguments.effort.with_rounds(rounds);
        }
        Ok(Role::Judge(arguments))
    }
}

impl Effort {
    fn with_rounds(self, rounds: usize) -> Self {
        Self {
            rounds,
            growth_rounds: rounds,
            fairness_rounds: rounds,
            ..self
        }
    }
}

/// The rows that are measured if nobody says which.
fn rows_of(suite: Suite, effort: Effort) -> Vec<&'static Row> {
    let wanted = |row: &&Row| !effort.quick || row.key != INSTRUCTIONS;
    rows(suite).iter().filter(wanted).collect()
}

/// The peers of a list with commas. The floor is always among them, and first: all
/// ratios are to it.
fn chosen_peers(suite: Suite, list: &str) -> Result<Vec<&'static str>> {
    let known = suite.names();
    let mut chosen = vec![peers::FLOOR];
    for wanted in list.split(',') {
        let Some(name) = known.iter().find(|name| **name == wanted) else {
            bail!(
                "there is no peer `{wanted}`; there are {}",
                known.join(", ")
            );
        };
        if !chosen.contains(name) {
            chosen.push(name);
        }
    }
    Ok(chosen)
}

fn chosen_rows(suite: Suite, list: &str) -> Result<Vec<&'static Row>> {
    let find = |wanted: &str| {
        let row = rows(suite).iter().find(|row| row.key == wanted);
        row.with_context(|| format!("there is no row `{wanted}`; there are {}", keys(suite)))
    };
    list.split(',').map(find).collect()
}

fn keys(suite: Suite) -> String {
    let keys: Vec<_> = rows(suite).iter().map(|row| row.key).collect();
    keys.join(", ")
}

fn help() -> String {
    format!(
        "What a call costs, against the floor and against other libraries.\n\n\
         --quick        {} short rounds, less than two minutes\n\
         --rounds N     as many rounds; {} unless said otherwise\n\
         --growth       more and more callers, connections, objects, bytes; no rows, unless named\n\
         --fairness     one caller beside others; no rows, unless named\n\
         --all          the rows, growth and fairness\n\
         --http         requests of HTTP, against bare hyper, in the place of calls over TCP\n\
         --streams      streams, in the place of calls; and memory, calls beside streams, sinks,\n\
         \x20              unless rows are named\n\
         --peers A,B    only these, and the floor: {}\n\
         \x20              with --http: {}\n\
         \x20              with --streams: {}\n\
         --rows X,Y     only these: {}\n\
         \x20              (`{INSTRUCTIONS}` takes minutes, so quick runs leave it out unless it is named)\n\
         --out DIR      where report.json, report.md and the plots go: `report` here\n",
        QUICK.rounds,
        FULL.rounds,
        Suite::Tcp.names().join(", "),
        Suite::Http.names().join(", "),
        Suite::Streams.names().join(", "),
        keys(Suite::Tcp),
    )
}
