//! An alias that is no `Result` is found by its type.

use remoting::remote;

pub type Answer = Option<u64>;

#[remote]
pub trait Account {
    async fn balance(&self) -> Answer;
}

fn main() {}
