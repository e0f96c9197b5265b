//! The HTTP channel as those see it who speak HTTP and nothing else: `curl`, with the
//! commands of the guide, and requests that no library would send.

mod calc;
#[path = "../support/console.rs"]
mod console;
mod curl;
mod drain;
mod feed;
mod headers;
mod mounted;
mod objects;
mod raw;
mod replay;
mod requests;
mod sessions;
mod streams;
mod typed;
#[path = "../support/until.rs"]
mod until;
mod xml;
