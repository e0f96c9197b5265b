//! A server that is killed again and again, and a line that is cut again and again: no call runs twice, none that was answered is
//! lost, and what callers are told of those that failed is true.
//!
//! Both tests are short. Variables of the environment make them long: CONTRIBUTING.md tells which.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod busy;
#[path = "../support/chance.rs"]
mod chance;
mod cuts;
#[path = "../support/folder.rs"]
mod folder;
mod kills;
mod load;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/silence.rs"]
mod silence;
mod silences;

use std::str::FromStr;

/// A number of the environment, or another one.
fn number<T: FromStr>(variable: &str, otherwise: T) -> T {
    match std::env::var(variable) {
        Ok(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => panic!("`{variable}` is to be a number"),
        },
        Err(_) => otherwise,
    }
}
