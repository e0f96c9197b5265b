//! Tools for the tests of users.
//!
//! | what | for |
//! |---|---|
//! | [`pair`] | two hosts that reach each other in one process |
//! | [`cut`] | a host that loses all its connections at once |
//! | `FaultProxy` (feature `testing`) | connections over sockets that are slow, stall, break, or change a byte |
//! | `Journal` and `check` (feature `testing`) | whether each call ran as often as its caller was told, also when processes are killed |
//!
//! The sink [`Faults`](crate::sink::Faults) makes single calls fail. The page `testing` of the guide shows how they go together.
//!
//! What needs the feature is here and not in `remoting-core`: it needs sockets, timers and files of its own, and core has no
//! transport. Nothing in the library needs it.

#[cfg(feature = "testing")]
mod check;
#[cfg(feature = "testing")]
mod door;
#[cfg(feature = "testing")]
mod fault_proxy;
#[cfg(feature = "testing")]
mod journal;
#[cfg(feature = "testing")]
mod pump;
#[cfg(feature = "testing")]
mod trouble;
#[cfg(feature = "testing")]
mod verdict;

pub use remoting_core::testing::{cut, pair, seed};

#[cfg(feature = "testing")]
pub use check::check;
#[cfg(feature = "testing")]
pub use fault_proxy::{FaultProxy, FaultProxyBuilder, Recorded};
#[cfg(feature = "testing")]
pub use journal::{CallId, Journal};
#[cfg(feature = "testing")]
pub use trouble::{Cut, Lane, Trouble};
#[cfg(feature = "testing")]
pub use verdict::{Found, Verdict};
