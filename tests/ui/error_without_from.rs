//! The error of a method must be able to say that the network failed.

use remoting::remote;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub enum AccountError {
    Insufficient { available: u64 },
}

#[remote]
pub trait Account {
    async fn balance(&self) -> Result<u64, AccountError>;
}

fn main() {}
