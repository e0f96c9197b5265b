//! A method may wait on another thread than it started on.

use remoting::remote;
use std::rc::Rc;

#[remote]
pub trait Account {
    async fn balance(&self) -> remoting::Result<u64>;
}

struct Checking;

impl Account for Checking {
    async fn balance(&self) -> remoting::Result<u64> {
        let shared = Rc::new(1);
        std::future::ready(()).await;
        Ok(*shared)
    }
}

fn main() {}
