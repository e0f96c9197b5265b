//! The HTTP channel of [`remoting`](https://docs.rs/remoting): objects at
//! `http://host:port/name`.
//!
//! A call is one request and its reply, without a session: `POST /name/method` with the
//! arguments, in the format that its `Content-Type` names. So everything that speaks HTTP can call
//! what a host publishes, and proxies do it too. What needs a session, such as objects of
//! the caller's that are called back, goes over a WebSocket, which proxies open by themselves. The rules
//! are those of section 11 of PROTOCOL.md.
//!
//! ```console
//! $ curl -s localhost:8080/calc/add -d '[2,3]'
//! 5
//! ```
//!
//! Users get all this as `remoting::HttpChannel`.
//!
//! # Layout
//!
//! Pure, with tables for tests: `gate` (who is let in), `route` (what is wanted), `headers` (what
//! travels beside arguments), `login` (who sends it), `codes` and `answer` (how a reply looks), `query`, `describe`,
//! `openapi`, `address`, `stream::form`.
//! Thin: `serve` (from a request to its answer), `arguments`, `objects` (those without a session), `body` (reading within bounds), `room` (what bodies take of the memory), `stall` (writing within
//! bounds), `connection` (a socket and its requests), `mount` (requests of another server), `stream` (calls whose bodies are streams), `client` (the
//! other end), `connector` (how it dials), `websocket` (how a session begins, at both ends), `link` (a WebSocket as a link), `channel`
//! (settings, and the seam to the host).

mod address;
mod answer;
mod arguments;
mod body;
mod channel;
mod client;
mod codes;
mod connection;
mod connector;
mod describe;
mod door;
mod gate;
mod headers;
mod health;
mod link;
mod login;
mod mount;
mod objects;
mod once;
mod openapi;
#[cfg(test)]
mod planted;
mod query;
mod replay;
mod reply;
mod room;
mod route;
mod serve;
mod stall;
mod stream;
mod websocket;

pub use channel::HttpChannel;
pub use mount::HttpService;
#[cfg(feature = "_tls")]
pub use remoting_tcp::{ClientTls, Cryptography, Pem, ServerTls};
