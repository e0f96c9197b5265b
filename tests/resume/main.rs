//! Sessions over lines that fail: what was under way goes on, each call once and in order, and where that cannot be,
//! both sides say so.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

mod bytes;
mod comes_back;
mod ends;
mod goes_on;
mod ground;
#[path = "../support/until.rs"]
mod until;
