//! What is said over the lines. Each call has a number, which the server notes.

use std::error::Error as _;

use remoting::prelude::*;
use serde::{Deserialize, Serialize};

/// What the server declares to go wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Declined {
    #[error("call {0} is declined")]
    Number(u64),
    #[error("{0}")]
    #[serde(skip)]
    Remoting(Failure),
}

/// An error of the library, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    pub kind: remoting::ErrorKind,
    /// The kind of the error that was first.
    pub cause: remoting::ErrorKind,
    pub executed: remoting::Executed,
    pub text: String,
}

impl Failure {
    pub fn of(error: &remoting::Error) -> Self {
        let mut first = error;
        while let Some(source) = first.source().and_then(|source| source.downcast_ref()) {
            first = source;
        }
        Self {
            kind: error.kind(),
            cause: first.kind(),
            executed: error.executed(),
            text: error.to_string(),
        }
    }
}

impl From<remoting::Error> for Declined {
    fn from(error: remoting::Error) -> Self {
        Self::Remoting(Failure::of(&error))
    }
}

#[remote]
pub trait Ledger {
    #[constructor]
    async fn open(id: u64) -> remoting::Result<Self>;
    /// Takes so many milliseconds, and gives the number and the bytes back.
    async fn add(&self, id: u64, millis: u64, bytes: Vec<u8>) -> Result<(u64, Vec<u8>), Declined>;
    /// Takes so many milliseconds, alone. Gives how many calls were so before it.
    async fn put(&mut self, id: u64, millis: u64) -> remoting::Result<u64>;
    #[oneway]
    async fn note(&self, id: u64) -> remoting::Result<()>;
    /// Calls a listener with numbers of the server's own.
    async fn tell(&self, id: u64, listener: ListenerProxy, times: u64) -> remoting::Result<u64>;
    async fn count_to(&self, id: u64, most: u64) -> remoting::Result<Streaming<u64>>;
    /// Reads a stream that counts from 1. Gives how far it went.
    async fn read(&self, id: u64, numbers: Streaming<u64>) -> remoting::Result<u64>;
    async fn child(&self, id: u64) -> remoting::Result<LedgerProxy>;
}

#[remote]
pub trait Listener {
    async fn hear(&self, id: u64, number: u64) -> remoting::Result<()>;
}
