//! Channels by name, and what listens where: statements 28 to 33.

use remoting::prelude::*;
use remoting::{Drained, ErrorKind, Executed};
use std::time::Duration;

use crate::objects::*;
use crate::pair::{MAIN, Pair, statements, until, within_patience};

statements! { every channel:
    s28_a_channel_name_that_is_taken_binds_nothing,
    s29_channels_are_listed_by_priority_and_found_by_name,
    s30_a_channel_that_stops_listening_stays_registered_and_starts_again,
    s31_stop_listening_lets_calls_under_way_end_and_then_closes,
    s31_unregister_lets_calls_under_way_end_and_then_closes,
    s32_a_channel_is_unregistered_once,
    s33_the_port_that_was_really_bound_is_in_the_urls,
    run_until_takes_no_new_calls_and_ends_when_the_old_ones_have,
}

async fn s28_a_channel_name_that_is_taken_binds_nothing(pair: &Pair) {
    // Whatever tried to bind this port would say so.
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap();
    let same_name = TcpChannel::listen(address).named(MAIN);
    let error = pair.server.register_channel(same_name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChannelTaken);
    assert!(error.message().contains("`main`"), "{error}");
    let same_port = TcpChannel::listen(address).named("other");
    let error = pair.server.register_channel(same_port).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChannelTaken);
    assert!(error.message().contains(&address.to_string()), "{error}");
    assert!(
        pair.server.channel("other").is_none(),
        "a failure registers nothing"
    );
    assert_eq!(pair.server.channels().len(), 1);
}

async fn s29_channels_are_listed_by_priority_and_found_by_name(pair: &Pair) {
    for (name, priority) in [("low", -5), ("high", 50), ("", 3), ("", 2)] {
        let channel = TcpChannel::client().named(name).priority(priority);
        pair.server.register_channel(channel).await.unwrap();
    }
    let channels = pair.server.channels();
    let listed: Vec<_> = channels
        .iter()
        .map(|channel| (channel.name(), channel.priority()))
        .collect();
    assert_eq!(
        listed,
        [("high", 50), ("", 3), ("", 2), (MAIN, 1), ("low", -5)]
    );
    assert_eq!(pair.server.channel("low").unwrap().scheme(), "tcp");
    assert!(pair.server.channel("unknown").is_none());
}

async fn s30_a_channel_that_stops_listening_stays_registered_and_starts_again(pair: &Pair) {
    pair.server
        .marshal("room", RoomDispatcher::new(Hall::new().room()))
        .unwrap();
    let (channel, url) = (pair.channel(), pair.url("room"));
    channel.stop_listening().await;
    assert!(!channel.is_listening() && channel.address().is_none());
    let room: RoomProxy = pair.another_client().await.get(&url).unwrap();
    let client = pair.another_client().await;
    let refused: RoomProxy = client.get(&url).unwrap();
    assert_eq!(
        refused.add(1, 2).await.unwrap_err().kind(),
        ErrorKind::ConnectFailed
    );
    let gone = room.add(1, 2).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Disconnected, "its host was dropped");

    assert!(pair.server.channel(MAIN).is_some(), "it stays registered");
    let again = pair.cell.tcp().named(MAIN);
    let error = pair.server.register_channel(again).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChannelTaken);
    channel.start_listening().await.unwrap();
    channel.start_listening().await.unwrap();
    let room: RoomProxy = client.get(&pair.url("room")).unwrap();
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
}

/// A call is inside while `close` runs: it ends well, no new one is taken, and nothing stays open.
async fn calls_end_before_the_channel_closes(
    pair: &Pair,
    close: impl Future<Output = ()> + Send + 'static,
) {
    let hall = Hall::new();
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    let room: RoomProxy = pair.get("room");
    let channel = pair.channel();
    let visit = tokio::spawn(room.visit());
    take(&hall.entered, 1).await;
    let close = tokio::spawn(close);
    until(|| !channel.is_listening()).await;
    let error = room.add(1, 2).await.unwrap_err();
    // Who knocked just before is let in, and told.
    let kinds = [ErrorKind::ConnectFailed, ErrorKind::Disconnected];
    assert!(kinds.contains(&error.kind()), "{error}");
    assert_eq!(error.executed(), Executed::No);
    hall.door.add_permits(1);
    visit.await.unwrap().unwrap();
    close.await.unwrap();
    assert_eq!(pair.server.open_connections(), 0);
    until(|| pair.client.open_connections() == 0).await;
}

async fn s31_stop_listening_lets_calls_under_way_end_and_then_closes(pair: &Pair) {
    let channel = pair.channel();
    calls_end_before_the_channel_closes(pair, async move { channel.stop_listening().await }).await;
    assert!(pair.server.channel(MAIN).is_some());
}

async fn s31_unregister_lets_calls_under_way_end_and_then_closes(pair: &Pair) {
    let server = pair.server.clone();
    let close = async move { server.unregister_channel(MAIN).await.unwrap() };
    calls_end_before_the_channel_closes(pair, close).await;
    assert!(pair.server.channel(MAIN).is_none());
}

async fn s32_a_channel_is_unregistered_once(pair: &Pair) {
    pair.server.unregister_channel(MAIN).await.unwrap();
    let error = pair.server.unregister_channel(MAIN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRegistered);
    assert!(error.message().contains("`main`"), "{error}");
    let channel = pair.cell.in_process().named(MAIN);
    assert!(
        pair.server
            .register_channel(channel)
            .await
            .unwrap()
            .is_listening()
    );
}

async fn s33_the_port_that_was_really_bound_is_in_the_urls(pair: &Pair) {
    pair.server
        .marshal("room", RoomDispatcher::new(Hall::new().room()))
        .unwrap();
    let channel = pair
        .server
        .register_channel(pair.cell.tcp().named("tcp"))
        .await
        .unwrap();
    let address = channel.address().unwrap();
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    assert_ne!(port, 0);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let url = format!("{}://127.0.0.1:{port}/room", channel.scheme());
    assert_eq!(channel.url("room").as_deref(), Some(&*url));
    assert!(pair.server.urls("room").contains(&url));
}

async fn run_until_takes_no_new_calls_and_ends_when_the_old_ones_have(pair: &Pair) {
    let hall = Hall::new();
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    let room: RoomProxy = pair.get("room");
    let visit = tokio::spawn(room.visit());
    take(&hall.entered, 1).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = pair
        .server
        .run_until(stopped)
        .drain(Duration::from_secs(20));
    let run = tokio::spawn(run.into_future());
    stop.send(()).unwrap();
    let channel = pair.channel();
    until(|| !channel.is_listening()).await;
    assert_eq!(room.add(1, 2).await.unwrap_err().executed(), Executed::No);
    hall.door.add_permits(1);
    visit.await.unwrap().unwrap();
    let Drained { cut, .. } = run.await.unwrap();
    assert_eq!(cut, 0);
}

#[test]
fn a_host_whose_channel_cannot_listen_does_not_start() {
    within_patience(async {
        let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let first = TcpChannel::listen("127.0.0.1:0").named("first");
        let second = TcpChannel::listen(busy.local_addr().unwrap()).named("second");
        let started = Host::builder().channel(first).channel(second).start().await;
        assert_eq!(started.unwrap_err().kind(), ErrorKind::ChannelTaken);
        let outside = TcpChannel::listen("0.0.0.0:0");
        let started = Host::builder().channel(outside).start().await;
        let error = started.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("allow_plaintext"), "{error}");
    });
}
