//! What a customer does. Whoever calls these functions decides where the bank is.

use bank_contract::{Account, AccountError, AccountProxy, BankProxy};
use remoting::Host;

/// What a visit came to.
#[derive(Debug, PartialEq)]
pub struct Visit {
    /// What the account holds at the end.
    pub balance: u64,
    /// What the bank said to the last wish.
    pub refusal: AccountError,
    /// Everybody who has opened an account.
    pub customers: Vec<String>,
}

/// Opens an account, uses it, and asks for more than it holds.
///
/// - `address`: the bank's, like `tcp://127.0.0.1:8080`.
///
/// # Errors
///
/// Those of the calls, of which only the last is expected to fail.
pub async fn visit(host: &Host, address: &str, owner: &str) -> anyhow::Result<Visit> {
    let bank: BankProxy = host.connect(&format!("{address}/bank")).await?;
    let activator = host.activate::<AccountProxy>(&format!("{address}/account"));
    let mut account = activator.open(owner, 10_000).await?;

    account.deposit(2_500).await?;
    let refusal = match shop(&mut account, &[4_000, 7_000, 9_000]).await {
        Err(refusal) => refusal,
        Ok(left) => anyhow::bail!("the bank paid everything, {left} cents are left"),
    };
    Ok(Visit {
        balance: account.balance().await?,
        refusal,
        customers: bank.customers().await?,
    })
}

/// Pays one price after the other, and gives what is left.
///
/// Takes the trait and not the proxy, so an account in this process does as well.
///
/// # Errors
///
/// That of the first price that could not be paid.
pub async fn shop(account: &mut impl Account, prices: &[u64]) -> Result<u64, AccountError> {
    for price in prices {
        account.withdraw(*price).await?;
    }
    account.balance().await
}
