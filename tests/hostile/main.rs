//! Peers that break the rules, break off, or say nothing: what they may not achieve.
//!
//! Each attack goes over a real socket, by hand-made bytes. It ends the attacker's own
//! connection or call, with the rule that was broken by name; another client's objects
//! are not touched, and nothing panics.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod away;
mod behind;
mod calls;
#[path = "../support/chance.rs"]
mod chance;
mod cuts;
mod forged;
mod goodbye;
mod limits;
mod liveness;
mod logs;
mod mirror;
mod objects;
mod panics;
mod pipelining;
mod raw;
mod resume;
mod rules;
mod sizes;
mod strangers;
mod streams;
mod support;
mod trap;
#[path = "../support/until.rs"]
mod until;
