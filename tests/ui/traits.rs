//! Traits that cannot be interfaces.

use remoting::remote;

#[remote]
pub trait Account: std::fmt::Debug {
    type Currency;
    const LIMIT: u64;
    async fn balance(&self) -> remoting::Result<u64>;
}

#[remote]
pub trait Borrowing<'a> {
    async fn balance(&self) -> remoting::Result<u64>;
}

#[remote]
pub unsafe trait Unsafe {
    async fn balance(&self) -> remoting::Result<u64>;
}

fn main() {}
