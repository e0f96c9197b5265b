//! Calls over networks that treat the bytes badly, or lead nowhere.

use std::net::SocketAddr;

use remoting_core::{ErrorKind, Executed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{client, held_port, server};

#[tokio::test]
async fn calls_work_over_a_network_that_delivers_single_bytes() {
    let (_server, authority) = server().await;
    let network = single_bytes_to(authority.parse().unwrap()).await;
    let (_client, adder) = client(&network).await;
    assert_eq!(adder.add(1, 2).await.unwrap(), 3);
    let text = "ä".repeat(1000);
    assert_eq!(adder.echo(&text).await.unwrap(), text);
}

/// Forwards connections to `server` in pieces of one byte; gives where it listens.
async fn single_bytes_to(server: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(server).await.unwrap();
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            let (near, far) = (near.into_split(), far.into_split());
            tokio::spawn(forward(near.0, far.1));
            tokio::spawn(forward(far.0, near.1));
        }
    });
    address
}

async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    while let Ok(byte) = from.read_u8().await {
        if to.write_u8(byte).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn many_calls_share_one_connection() {
    let (_server, authority) = server().await;
    let (_client, adder) = client(&authority).await;
    let calls: Vec<_> = (0..200)
        .map(|number| {
            let adder = adder.clone();
            tokio::spawn(async move { adder.add(number, 1).await.unwrap() == number + 1 })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
}

#[tokio::test]
async fn a_call_to_a_port_where_nobody_listens_fails_with_advice() {
    let held = held_port();
    let authority = held.local_addr().unwrap().to_string();
    let (_client, adder) = client(&authority).await;
    let error = adder.add(1, 2).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::ConnectFailed, Executed::No)
    );
    assert!(error.message().contains(&authority), "{error}");
    assert!(error.message().contains("is the server running"), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_http_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_client, adder) = client(&listener.local_addr().unwrap().to_string()).await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        // To the end, so that the system does not reset what is still under way.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let error = adder.add(1, 2).await.unwrap_err();
    assert!(error.message().contains("speaks HTTP"), "{error}");
    server.await.unwrap();
}
