//! Where a host may listen, and what becomes of the port.

use remoting_core::{ErrorKind, Host};
use remoting_tcp::TcpChannel;

use crate::support::{authority, client, held_port, server, server_at};

#[tokio::test]
async fn a_host_does_not_listen_beyond_this_machine_unless_it_was_told_to() {
    let error = Host::builder()
        .channel(TcpChannel::listen("0.0.0.0:0"))
        .start()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("allow_plaintext()"), "{error}");
    let allowed = TcpChannel::listen("0.0.0.0:0").allow_plaintext();
    assert!(Host::builder().channel(allowed).start().await.is_ok());
}

#[tokio::test]
async fn a_port_that_another_host_has_is_taken() {
    let (_host, authority) = server().await;
    let second = Host::builder()
        .channel(TcpChannel::listen(&authority))
        .start()
        .await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::ChannelTaken);
}

#[tokio::test]
async fn a_channel_that_stops_leaves_its_port_to_others() {
    let (host, authority) = server().await;
    host.channel("tcp").unwrap().stop_listening().await;
    let other = Host::builder()
        .channel(TcpChannel::listen(&authority))
        .start()
        .await
        .unwrap();
    assert_eq!(self::authority(&other), authority);
}

#[tokio::test]
async fn a_channel_that_starts_again_takes_calls_again() {
    let held = held_port();
    let authority = held.local_addr().unwrap().to_string();
    let host = server_at(&authority).await;
    let (_client, adder) = client(&authority).await;
    let channel = host.channel("tcp").unwrap();
    for number in 0..10 {
        assert_eq!(adder.add(number, 1).await.unwrap(), number + 1);
        channel.stop_listening().await;
        assert!(!channel.is_listening());
        channel.start_listening().await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_host_leaves_its_port_at_once() {
    let (host, authority) = server().await;
    drop(host);
    server_at(&authority).await;
}
