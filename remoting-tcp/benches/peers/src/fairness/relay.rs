//! A wire between a client and its server that carries answers slowly, or not at all.

use std::io;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Reading;

/// What is read at a time.
const PIECE: usize = 64 * 1024;
/// How long it takes until the next piece is read.
const REST: Duration = Duration::from_millis(10);

/// Carries one connection until it is dropped.
pub(super) struct Relay {
    /// Where the server is.
    server: String,
    /// Where the client has to connect to.
    address: String,
    task: JoinHandle<io::Result<()>>,
}

impl Relay {
    pub(super) async fn start(server: &str, reading: Reading) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self {
            server: server.to_owned(),
            address: listener.local_addr()?.to_string(),
            task: tokio::spawn(carry(listener, server.to_owned(), reading)),
        })
    }

    /// An address of the server that goes through this.
    pub(super) fn instead_in(&self, address: &str) -> String {
        address.replace(&self.server, &self.address)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, server: String, reading: Reading) -> io::Result<()> {
    let (client, _) = listener.accept().await?;
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut calls, answers_out) = client.into_split();
    let (answers, mut calls_out) = server.into_split();
    tokio::try_join!(
        copy(&mut calls, &mut calls_out),
        carry_answers(answers, answers_out, reading),
    )?;
    Ok(())
}

async fn carry_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    reading: Reading,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut carried = 0;
    loop {
        if reading == Reading::Never && carried >= PIECE {
            return std::future::pending().await;
        }
        let count = from.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&piece[..count]).await?;
        carried += count;
        sleep(REST).await;
    }
}

/// The part of an address that says where the server is.
pub(super) fn server_of(address: &str) -> &str {
    let behind = address.split_once("://").map_or(address, |parts| parts.1);
    behind.split('/').next().unwrap_or(behind)
}
