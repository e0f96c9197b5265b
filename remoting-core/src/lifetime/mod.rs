//! How long objects live: policies, leases, and who keeps one alive.
//!
//! Pure values and decisions, like the session: the time is an argument, nothing here
//! waits, and no code of the user's runs.
//!
//! ```text
//! Active --lease over, nobody holds it--> Renewing (sponsors are asked) --none says yes--> Gone
//!   |                                         |--one says yes--> Active
//!   |--lease over, no sponsor--> Gone
//!   '--released by its last holder--> Gone
//! ```
//!
//! A running call keeps an object whatever else is over.

mod lease;
mod policy;
mod schedule;
mod stay;

pub(crate) use lease::{Lease, Moment};
pub use policy::{LeaseInfo, LeasePolicy, LeaseState};
pub(crate) use schedule::Schedule;
pub(crate) use stay::{Left, Stay, Verdict};
