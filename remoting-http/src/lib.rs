//! The place of the HTTP channel of `remoting`.
//!
//! The crate is empty: objects are served over TCP and inside a process today,
//! and HTTP is the next channel to come. It exists so that the feature `http` of
//! `remoting` and the name of this crate do not change when it does.
