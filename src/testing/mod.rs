//! Tools for the tests of users: two hosts in one process; by the feature `testing` a proxy that harms
//! connections.
//!
//! The latter is here and not in `remoting-core`: it needs sockets and timers of its own, and core has no
//! transport. Nothing in the library needs it.

#[cfg(feature = "testing")]
mod fault_proxy;
#[cfg(feature = "testing")]
mod pump;
#[cfg(feature = "testing")]
mod trouble;

pub use remoting_core::testing::{cut, pair};

#[cfg(feature = "testing")]
pub use fault_proxy::{FaultProxy, FaultProxyBuilder, Recorded};
#[cfg(feature = "testing")]
pub use trouble::{Cut, Direction, Trouble};
