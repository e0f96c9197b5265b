//! Hosts from a file: what each key does, what is said of mistakes, and what is left after them.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

#[expect(dead_code, reason = "tests about certificates need more of it")]
#[path = "../support/certificates.rs"]
mod certificates;
mod dumps;
mod environment;
mod guide;
mod keys;
mod lifetimes;
#[path = "../support/log.rs"]
mod log;
mod mistakes;
mod remote;
mod secrets;
mod secured;
mod sinks;
mod support;
