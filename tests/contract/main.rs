//! The contract: what users can rely on, stated once and held to on each channel with
//! each formatter.
//!
//! Statements carry the numbers of the acceptance list; tests without a number say
//! what else is promised.

mod activation;
mod calls;
#[expect(dead_code, reason = "tests about certificates need more of it")]
#[path = "../support/certificates.rs"]
mod certificates;
mod channels;
mod drain;
mod endings;
mod events;
mod failures;
mod folder;
mod handles;
mod interfaces;
mod large;
mod leases;
mod names;
mod objects;
mod ordering;
mod pair;
mod pipelining;
mod proxies;
mod publishing;
mod reentrancy;
mod references;
mod round_trips;
mod servers;
mod sponsors;
mod streams;
mod tape;
mod tower;
#[path = "../support/trust.rs"]
mod trust;
mod unreadable;
#[path = "../support/until.rs"]
mod until;
