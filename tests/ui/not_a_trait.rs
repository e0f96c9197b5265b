//! The attribute belongs on a trait.

use remoting::remote;

#[remote]
pub struct Checking;

#[remote]
impl Checking {
    fn balance(&self) -> u64 {
        1
    }
}

fn main() {
    println!("{}", Checking.balance());
}
