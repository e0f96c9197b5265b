#[remote]
pub trait Broken {
    async fn sound(&self, amount: u64) -> Result<u64, BrokenError>;
    fn waits_for_nothing(&self) -> u64;
    async fn generic<T>(&self, value: T) -> Result<T, BrokenError>;
}
