//! What a call costs: the library, the least that it could cost, and other libraries.
//!
//! This program is three: the judge, which runs the contest and writes the report,
//! and, started by it with other arguments, the servers and the clients. A client
//! and its server are two processes, so that each side's processor time and memory
//! can be told from the other's.

mod arguments;
mod contest;
mod counters;
mod drive;
mod fairness;
mod growth;
mod measure;
mod peers;
mod processes;
mod progress;
mod report;
mod runs;
mod streams;
mod workloads;

use anyhow::Result;

use crate::arguments::{Arguments, Role};

fn main() -> Result<()> {
    match Arguments::read()? {
        Role::Help(text) => {
            println!("{text}");
            Ok(())
        }
        Role::Server { peer } => peers::serve(&peer),
        Role::Client {
            peer,
            address,
            server,
        } => peers::drive(&peer, &address, server),
        Role::Judge(arguments) => contest::run(&arguments),
    }
}
