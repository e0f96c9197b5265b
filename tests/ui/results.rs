//! Results that do not tell that a call can fail, or that cannot travel.

use remoting::remote;

#[remote]
pub trait Account {
    async fn nothing(&self);
    async fn balance(&self) -> u64;
    async fn name(&self) -> remoting::Result<&str>;
    async fn each(&self) -> remoting::Result<impl Iterator<Item = u64>>;
    async fn copy(&self) -> remoting::Result<Self>;
}

fn main() {}
