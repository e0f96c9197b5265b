//! Programs of others as judges. They have to be installed, so `cargo test` leaves these tests out;
//! `cargo test --test programs` runs them.

mod openapi;
