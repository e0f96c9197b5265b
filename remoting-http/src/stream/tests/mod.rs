//! Streams of requests without a socket, where time stands still while anything happens.

mod feed;
mod incoming;
mod outgoing;
mod resuming;
mod statuses;
