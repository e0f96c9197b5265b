//! Attributes that do not fit their method.

use remoting::remote;

#[remote]
pub trait Account {
    #[constructor]
    async fn open(&self) -> remoting::Result<Self>;
    #[constructor]
    async fn number() -> remoting::Result<u64>;
    #[idempotant]
    async fn balance(&self) -> remoting::Result<u64>;
    #[readonly]
    async fn withdraw(&mut self, cents: u64) -> remoting::Result<u64>;
    #[oneway]
    async fn note(&self, text: &str) -> remoting::Result<u64>;
    #[cancel_safe]
    async fn watch(&self) -> remoting::Result<()>;
    #[detached(always)]
    async fn audit(&self) -> remoting::Result<()>;
    #[rename = "balance"]
    async fn total(&self) -> remoting::Result<u64>;
    #[rename = "$lease.renew"]
    async fn renew(&self) -> remoting::Result<()>;
    #[cfg(unix)]
    async fn fork(&self) -> remoting::Result<()>;
}

fn main() {}
