//! All unknown options are told at once.

use remoting::remote;

#[remote(nam = "calc", verson = 3, extends(Other))]
pub trait Calculator {
    async fn add(&self, left: u64, right: u64) -> remoting::Result<u64>;
}

#[remote(name = "calc", name = "calculator", crate = "remoting")]
pub trait Scientific {
    async fn sine(&self, of: f64) -> remoting::Result<f64>;
}

fn main() {}
