//! The channel with real hosts and real sockets, on ports that the system chooses.

mod listening;
mod network;
mod strangers;
mod support;
