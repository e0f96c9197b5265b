//! What sinks see of calls, and what they can do about them, over real sockets.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod answers;
mod faults;
mod flow;
mod ground;
mod inside;
mod limit;
mod locks;
#[expect(dead_code, reason = "these tests have runtimes of their own")]
#[path = "../support/log.rs"]
mod log;
mod logging;
mod metrics;
mod order;
mod replies;
mod retry;
mod traces;
mod trouble;
