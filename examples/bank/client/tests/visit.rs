//! The client against the real server's objects, over a socket and in memory, and
//! against an account that is no bank's at all.

use bank_client::{Visit, shop, visit};
use bank_contract::{Account, AccountError};
use remoting::{Host, TcpChannel};

/// What the first customer of a bank is to see.
fn first_visit() -> Visit {
    Visit {
        balance: 1_500,
        refusal: AccountError::Insufficient { available: 1_500 },
        customers: vec!["Ann".to_owned()],
    }
}

#[tokio::test]
async fn a_visit_over_tcp_leaves_what_was_not_spent() -> anyhow::Result<()> {
    let server = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    bank_server::publish(&server)?;
    let address = server
        .channel("tcp")
        .and_then(|channel| channel.address())
        .expect("it listens");
    let client = Host::builder()
        .channel(TcpChannel::client())
        .start_client()?;

    assert_eq!(visit(&client, &address, "Ann").await?, first_visit());
    let second = visit(&client, &address, "Bob").await?;
    assert_eq!(
        second.balance, 1_500,
        "each customer has an account of their own"
    );
    assert_eq!(second.customers, ["Ann", "Bob"], "and all have one bank");
    Ok(())
}

#[tokio::test]
async fn a_visit_needs_no_socket() -> anyhow::Result<()> {
    let (server, client) = remoting::testing::pair().await?;
    bank_server::publish(&server)?;
    let address = server.channels()[0].address().expect("it listens");
    assert_eq!(visit(&client, &address, "Ann").await?, first_visit());
    Ok(())
}

/// An account that pays whatever is asked; it need not know how to be opened.
struct Bottomless;

impl Account for Bottomless {
    async fn balance(&self) -> Result<u64, AccountError> {
        Ok(u64::MAX)
    }

    async fn deposit(&mut self, _cents: u64) -> Result<u64, AccountError> {
        Ok(u64::MAX)
    }

    async fn withdraw(&mut self, _cents: u64) -> Result<u64, AccountError> {
        Ok(u64::MAX)
    }
}

#[tokio::test]
async fn a_customer_with_another_account_needs_no_bank() {
    assert_eq!(shop(&mut Bottomless, &[1, u64::MAX]).await, Ok(u64::MAX));
}
