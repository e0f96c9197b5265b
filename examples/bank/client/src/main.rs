//! A customer's process: `bank-client [tcp://ADDRESS:PORT [NAME]]`.

use remoting::{Host, TcpChannel};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "tcp://127.0.0.1:8080".to_owned());
    let owner = arguments.next().unwrap_or_else(|| "Ann".to_owned());

    let host = Host::builder()
        .channel(TcpChannel::client())
        .start_client()?;
    let visit = bank_client::visit(&host, &address, &owner).await?;
    println!("the account holds {} cents", visit.balance);
    println!("the bank refused: {}", visit.refusal);
    println!("customers so far: {}", visit.customers.join(", "));
    Ok(())
}
