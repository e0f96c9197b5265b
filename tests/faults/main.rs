//! What becomes of calls and streams when the network does harm and their session ends with it; and whether the proxy
//! that does harm does what it says.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod bytes;
mod calls;
#[expect(dead_code, reason = "tests about certificates need more of it")]
#[path = "../support/certificates.rs"]
mod certificates;
mod ground;
mod streams;
mod support;
#[path = "../support/trust.rs"]
mod trust;
#[path = "../support/until.rs"]
mod until;
mod unwritten;
