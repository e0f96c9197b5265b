//! The bank's process: `bank-server [ADDRESS:PORT]`, until Ctrl-C or SIGTERM.

use std::time::Duration;

use remoting::{Host, TcpChannel, shutdown_signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let host = Host::builder()
        .channel(TcpChannel::listen(address))
        .start()
        .await?;
    bank_server::publish(&host)?;
    for channel in host.channels() {
        println!(
            "the bank is open at {}",
            channel.address().unwrap_or_default()
        );
    }
    let stopped = host
        .run_until(shutdown_signal())
        .drain(Duration::from_secs(10))
        .await;
    println!(
        "the bank is closed; {} customers were still inside",
        stopped.cut
    );
    Ok(())
}
