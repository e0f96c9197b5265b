//! Pages to read, each about one thing that reaches through the whole library.
//!
//! What single items do is said at the items. The programs that go with the pages are in the
//! repository's `examples`.

#[doc = include_str!("guide/lifetime.md")]
pub mod lifetime {}

#[cfg(all(feature = "tcp", feature = "http"))]
#[doc = include_str!("guide/drain.md")]
pub mod drain {}

#[cfg(all(feature = "tcp", feature = "http"))]
#[doc = include_str!("guide/http.md")]
pub mod http {}

#[cfg(all(feature = "tcp", feature = "macros"))]
#[doc = include_str!("guide/reconnect.md")]
pub mod reconnect {}

#[cfg(all(feature = "tcp", feature = "macros"))]
#[doc = include_str!("guide/streams.md")]
pub mod streams {}

#[cfg(all(feature = "tcp", feature = "macros"))]
#[doc = include_str!("guide/pipelining.md")]
pub mod pipelining {}

#[cfg(all(feature = "tcp", feature = "macros"))]
#[doc = include_str!("guide/sinks.md")]
pub mod sinks {}

#[cfg(all(feature = "tcp", feature = "http", feature = "tls"))]
#[doc = include_str!("guide/security.md")]
pub mod security {}

#[cfg(all(feature = "tcp", feature = "tls", feature = "config"))]
#[doc = include_str!("guide/config.md")]
pub mod config {}

#[cfg(all(feature = "tcp", feature = "macros", feature = "testing"))]
#[doc = include_str!("guide/testing.md")]
pub mod testing {}
