//! Who is let in by a channel, and who is sent away by it.

use remoting::{ChannelLimits, Limits};
use remoting_core::wire::Violation;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::*;

#[test]
fn a_full_channel_turns_the_next_one_away_and_another_channel_lets_it_in() {
    within_patience(async {
        let two = Two::with(|limits| limits.connections = Some(1)).await;
        let narrow = two.address("tcp", "narrow");
        let inside = knock(&narrow).await.ok().unwrap();
        let why = knock(&narrow).await.err().unwrap();
        assert!(
            why.contains("this channel has as many connections"),
            "{why}"
        );
        assert_eq!(two.count("connections"), 1);
        let wide = two.address("tcp", "wide");
        let _others = (
            knock(&wide).await.ok().unwrap(),
            knock(&wide).await.ok().unwrap(),
        );
        // Who goes makes room, a moment after its connection has ended.
        drop(inside);
        while knock(&narrow).await.is_err() {}
    });
}

#[test]
fn a_full_channel_of_http_turns_the_next_one_away_and_another_channel_lets_it_in() {
    within_patience(async {
        let two = Two::with(|limits| limits.connections = Some(1)).await;
        // The client keeps its connection.
        two.probe("http", "narrow").add(1, 2).await.unwrap();
        let mut late = TcpStream::connect(two.address("http", "narrow"))
            .await
            .unwrap();
        let mut answer = String::new();
        late.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(
            answer.contains("this channel has as many connections"),
            "{answer}"
        );
        assert_eq!(two.count("connections"), 1);
        two.probe("http", "wide").add(1, 2).await.unwrap();
        two.probe("ws", "wide").add(1, 2).await.unwrap();
    });
}

#[test]
fn each_address_has_as_many_connections_as_the_channel_lets_it_have() {
    within_patience(async {
        let two = Two::with(|limits| limits.connections_per_address = Some(1)).await;
        let narrow = two.address("tcp", "narrow");
        let _inside = knock(&narrow).await.ok().unwrap();
        let why = knock(&narrow).await.err().unwrap();
        assert!(
            why.contains("`connections_per_address` of this channel"),
            "{why}"
        );
        assert_eq!(two.count("connections_per_address"), 1);
        let _other = knock(&two.address("tcp", "wide")).await.ok().unwrap();
    });
}

#[test]
fn as_many_peers_may_be_silent_as_the_channel_lets_them() {
    within_patience(async {
        let two = Two::with(|limits| limits.handshakes = Some(1)).await;
        let narrow = two.address("tcp", "narrow");
        let mut silent = Raw::connect(&narrow).await;
        until(|| two.host.open_connections() == 1).await;
        let why = knock(&narrow).await.err().unwrap();
        assert!(why.contains("`handshakes` of this channel"), "{why}");
        assert_eq!(two.count("handshakes"), 1);
        let _other = knock(&two.address("tcp", "wide")).await.ok().unwrap();
        silent.send(&greeting()).await;
        assert!(matches!(silent.frame().await, Some(Seen::Hello(_))));
        let _next = knock(&narrow).await.ok().unwrap();
    });
}

#[test]
fn the_hosts_limit_holds_for_all_channels_together_whatever_a_channel_has_of_its_own() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.connections = 2;
        let narrow = own(|limits| {
            limits.connections = Some(100);
            limits.handshakes = Some(1);
        });
        let two = Two::on(limits, narrow, ChannelLimits::default()).await;
        let (narrow, wide) = (two.address("tcp", "narrow"), two.address("tcp", "wide"));
        let first = knock(&narrow).await.ok().unwrap();
        let _second = knock(&wide).await.ok().unwrap();
        // Whom the host turns away takes no place of the channel's, be it for a handshake alone.
        for (number, address) in [&narrow, &wide, &narrow].into_iter().enumerate() {
            let why = knock(address).await.err().unwrap();
            assert!(why.contains("it has as many connections as"), "{why}");
            assert_eq!(two.count("connections"), number as u64 + 1);
        }
        assert_eq!(two.count("handshakes"), 0);
        drop(first);
        while knock(&narrow).await.is_err() {}
        assert_eq!(two.count("handshakes"), 0);
    });
}

#[test]
fn who_says_nothing_is_given_up_when_the_channels_time_is_over() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.handshake_time = LONG;
        let narrow = own(|limits| limits.handshake_time = Some(SHORT));
        let two = Two::on(limits, narrow, ChannelLimits::default()).await;
        let mut patient = Raw::connect(&two.address("tcp", "wide")).await;
        let mut raw = Raw::connect(&two.address("tcp", "narrow")).await;
        let late = Violation::HelloTooLate.to_string();
        assert_eq!(raw.abort().await, Some((20, late)));
        let mut silent = TcpStream::connect(two.address("http", "narrow"))
            .await
            .unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(two.count("handshake_time"), 2);
        patient.send(&greeting()).await;
        assert!(matches!(patient.frame().await, Some(Seen::Hello(_))));
    });
}

#[test]
fn who_asks_for_nothing_is_sent_away_when_the_channels_time_is_over() {
    within_patience(async {
        let two = Two::with(|limits| limits.idle_time = Some(SHORT)).await;
        let mut patient = knock(&two.address("tcp", "wide")).await.ok().unwrap();
        let mut raw = knock(&two.address("tcp", "narrow")).await.ok().unwrap();
        let (code, text) = raw.abort().await.expect("an ABORT says why");
        assert_eq!((code, text.contains("idle")), (0, true), "{text}");
        assert_eq!(two.count("idle_time"), 1);
        patient.send(&resolve(0, "probe")).await;
        assert!(patient.answer().await.is_some());
    });
}
