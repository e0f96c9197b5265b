//! Arguments that cannot travel.

use remoting::remote;

#[remote]
pub trait Account {
    async fn transfer(&self, (from, to): (u64, u64)) -> remoting::Result<()>;
    async fn owners(&self, names: &[&str]) -> remoting::Result<()>;
    async fn fill(&self, out: &mut String) -> remoting::Result<()>;
    async fn each(&self, visit: impl Fn(u64)) -> remoting::Result<()>;
    async fn any(&self, thing: Box<dyn std::any::Any>) -> remoting::Result<()>;
    async fn merge(&self, other: Self) -> remoting::Result<()>;
    async fn label(&self, #[default] text: &str) -> remoting::Result<()>;
}

fn main() {}
