//! How many round trips a chain of calls takes, each on what the one before returns.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::folder::{FolderProxy, folder};
use crate::pair::{Pair, statements};

statements!(by run_in_virtual_time in cells: a_chain_of_ten_calls_takes_one_round_trip,
    tcp_message_pack Tcp MessagePack, tcp_json Tcp Json,
    web_socket_message_pack WebSocket MessagePack, web_socket_json WebSocket Json);

/// How long each answer is on its way.
const DELAY: Duration = Duration::from_millis(50);

async fn a_chain_of_ten_calls_takes_one_round_trip(pair: &Pair) {
    let (shelf, _) = folder(pair);
    let url = slowly(pair.url("folder")).await;
    let root: FolderProxy = pair.client.get(&url).unwrap();
    root.path().await.unwrap();

    let begun = Instant::now();
    let mut proxy = root.clone();
    for _ in 0..9 {
        proxy = proxy.open("x").await.unwrap();
    }
    assert_eq!(proxy.path().await.unwrap(), "/x".repeat(9));
    assert!(begun.elapsed() >= 10 * DELAY, "each of them is delayed");

    let begun = Instant::now();
    let mut proxy = root.clone();
    for _ in 0..9 {
        proxy = proxy.open("x").pipelined();
    }
    assert_eq!(proxy.path().await.unwrap(), "/x".repeat(9));
    let taken = begun.elapsed();
    assert!(taken <= DELAY.mul_f64(1.3), "it took {taken:?}");
    assert_eq!(shelf.opened(), 18);

    // Over a new connection the peer's greeting is waited for, and before that a WebSocket.
    let client = pair.another_client().await;
    let root: FolderProxy = client.get(&url).unwrap();
    let begun = Instant::now();
    let path = root
        .open("a")
        .pipelined()
        .open("b")
        .pipelined()
        .path()
        .await;
    assert_eq!(path.unwrap(), "/a/b");
    assert!(begun.elapsed() <= DELAY.mul_f64(3.3));
}

/// A way to the same place on which everything that comes back is delayed.
async fn slowly(url: String) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (server, path) = rest.split_once('/').unwrap();
    let server = server.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            // Answers may leave in several writes, and none of them waits for what the clock leaves behind.
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(relay(from_client, to_server, Duration::ZERO));
            tokio::spawn(relay(from_server, to_client, DELAY));
        }
    });
    format!("{scheme}://{near}/{path}")
}

/// Passes bytes on, each so long after it has come.
async fn relay(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin + Send + 'static,
    delay: Duration,
) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        let due = Instant::now() + delay;
        if count == 0 || sender.send((due, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}
