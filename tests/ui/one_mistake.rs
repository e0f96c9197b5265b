//! One mistake shows as one error, whatever uses the interface.

use remoting::remote;

#[remote]
pub trait Account {
    #[constructor]
    async fn open(owner: &str) -> remoting::Result<Self>;
    async fn balance(&self) -> remoting::Result<u64>;
    async fn withdraw(&mut self, cents: u64) -> u64;
}

struct Checking;

impl Account for Checking {
    async fn open(_owner: &str) -> remoting::Result<Self> {
        Ok(Checking)
    }
    async fn balance(&self) -> remoting::Result<u64> {
        Ok(1)
    }
    async fn withdraw(&mut self, cents: u64) -> u64 {
        cents
    }
}

struct Branch;

impl AccountFactory for Branch {
    type Object = Checking;
    async fn open(&self, _owner: &str) -> remoting::Result<Checking> {
        Ok(Checking)
    }
}

async fn audit(account: &mut impl Account) -> u64 {
    account.balance().await.unwrap_or_default() + account.withdraw(1).await
}

async fn all(mut proxy: AccountProxy) -> remoting::Result<u64> {
    let _ = AccountProxy::open("Ann").await?;
    Ok(proxy.balance().await? + audit(&mut proxy).await)
}

fn main() {
    let _ = AccountDispatcher::new(Checking);
    let _ = all;
    let _ = Branch;
}
