//! Connections that cannot be made, are lost and come back: what calls do meanwhile, which address they go
//! to, and what can be seen of it.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod addresses;
mod connections;
#[cfg(unix)]
mod descriptors;
mod desk;
mod dials;
mod early;
mod policy;
mod relay;
mod storm;
#[path = "../support/until.rs"]
mod until;
mod waiting;
