//! What a method cannot be, all in one build.

use remoting::remote;
use std::sync::Arc;

#[remote]
pub trait Account {
    fn balance(&self) -> remoting::Result<u64>;
    async fn close(self) -> remoting::Result<()>;
    async fn share(self: Arc<Self>) -> remoting::Result<()>;
    async fn stranger(amount: u64) -> remoting::Result<u64>;
    async fn generic<T>(&self, value: T) -> remoting::Result<()>;
    async fn borrowed<'a>(&self, name: &'a str) -> remoting::Result<()>;
    async unsafe fn dangerous(&self) -> remoting::Result<()>;
    async fn with_body(&self) -> remoting::Result<u64> {
        Ok(1)
    }
}

fn main() {}
