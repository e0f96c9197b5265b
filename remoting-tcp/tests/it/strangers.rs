//! Peers at the door of a host that do not speak its protocol.

use remoting_core::wire::PREFACE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{client, server};

/// Sends `bytes` to a new host, reads what it says until it closes, and calls it then.
async fn say(bytes: &[u8]) -> Vec<u8> {
    let (_server, authority) = server().await;
    let mut stream = TcpStream::connect(&authority).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is a way of closing, too.
    let _ = stream.read_to_end(&mut answer).await;
    let (_client, adder) = client(&authority).await;
    assert_eq!(adder.add(1, 2).await.unwrap(), 3, "the host goes on");
    answer
}

#[tokio::test]
async fn strangers_are_shown_out_and_the_host_goes_on() {
    for bytes in [
        &b"GET /adder HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b".NET\x01\x00\x00\x00\x00\x00",
        b"\0\0\0\0\0\0\0\0\0\0",
        &[0xff; 4096],
    ] {
        say(bytes).await;
    }
}

#[tokio::test]
async fn a_peer_of_another_major_version_learns_ours() {
    let answer = say(b"RMT1\x02\x00\x00\x00").await;
    assert!(answer.starts_with(&PREFACE), "{}", answer.escape_ascii());
}
