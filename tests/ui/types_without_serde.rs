//! What travels needs serde's derives.

use remoting::remote;

pub struct Person {
    pub name: String,
}

#[remote]
pub trait Register {
    async fn enter(&self, number: u64, person: Person) -> remoting::Result<()>;
    async fn find(&self, number: u64) -> remoting::Result<Person>;
}

fn main() {}
