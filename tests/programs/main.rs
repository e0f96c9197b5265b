//! The HTTP channel and programs that nobody here wrote. They have to be installed, so that plain `cargo test`
//! leaves these tests out: `cargo test --test programs` runs them.

mod chromium;
#[path = "../support/console.rs"]
mod console;
#[path = "../support/folder.rs"]
mod folder;
mod gateway;
mod haproxy;
mod load;
mod names;
mod nginx;
mod openapi;
mod openssl;
mod partitions;
mod process;
mod restarts;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/silence.rs"]
mod silence;
