//! What sinks see of calls, and what they can do about them, over real sockets.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod answers;
mod ground;
mod inside;
mod locks;
mod order;
mod retry;
mod trouble;
