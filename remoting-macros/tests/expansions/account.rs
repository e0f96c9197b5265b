/// An account at a bank.
#[remote]
pub trait Account {
    /// Opens an account with a first deposit.
    #[constructor]
    async fn open(owner: &str, balance: u64) -> Result<Self, AccountError>;
    #[idempotent]
    #[readonly]
    async fn balance(&self) -> Result<u64, AccountError>;
    /// Takes money out and tells what is left.
    async fn withdraw(&mut self, cents: u64) -> Result<u64, AccountError>;
    async fn greet(&self, name: &str) -> Result<String, AccountError>;
    #[oneway]
    async fn note(&self, text: &str) -> remoting::Result<()>;
}
