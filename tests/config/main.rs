//! Hosts from a file: what each key does, what is said of mistakes, and what is left after them.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod dumps;
mod environment;
mod keys;
mod lifetimes;
mod mistakes;
mod remote;
mod secrets;
mod support;
