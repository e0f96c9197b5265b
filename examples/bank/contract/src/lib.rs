//! What the bank and its customers agree on. Both sides depend on this crate, and on
//! nothing of each other's.

use remoting::prelude::*;
use serde::{Deserialize, Serialize};

/// Why an account did not do what it was asked.
#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum AccountError {
    /// The account does not hold that much.
    #[error("only {available} cents are left")]
    Insufficient { available: u64 },
    /// The account would hold more than it can count.
    #[error("the account cannot hold that much")]
    Full,
    /// The call itself failed.
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

/// An account, which belongs to the client that opened it.
///
/// The name in the attribute is what travels, so that the trait may be renamed.
#[remote(name = "bank.Account")]
pub trait Account {
    /// Opens an account that holds `cents`.
    #[constructor]
    async fn open(owner: &str, cents: u64) -> Result<Self, AccountError>;

    /// How many cents the account holds.
    #[idempotent]
    #[readonly]
    async fn balance(&self) -> Result<u64, AccountError>;

    /// Adds to the account, and gives its balance.
    async fn deposit(&mut self, cents: u64) -> Result<u64, AccountError>;

    /// Takes from the account, and gives its balance.
    async fn withdraw(&mut self, cents: u64) -> Result<u64, AccountError>;
}

/// The bank, one for everybody.
#[remote(name = "bank.Bank")]
pub trait Bank {
    /// The owners of the accounts that were ever opened, in that order.
    #[idempotent]
    #[readonly]
    async fn customers(&self) -> remoting::Result<Vec<String>>;
}
