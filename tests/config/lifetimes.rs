//! The tables `[lifetime]` and `[limits]`, as objects and hosts feel them.

use std::time::Duration;

use remoting::prelude::*;

use crate::support::*;

const ACCOUNTS: &str = r#"
    [channels.main]
    kind = "tcp"
    listen = "127.0.0.1:0"
    [publications.accounts]
    class = "demo.Account"
    activation = "activated"
"#;

/// The lease of an object that lives by a file's policy: initial, renew on call, sponsors.
async fn lease(text: &str) -> (Option<Duration>, Duration, Duration) {
    let host = parse(&format!("{text}{ACCOUNTS}")).unwrap();
    let host = host.start(classes()).await.unwrap();
    let url = host.url("accounts").unwrap();
    let activator = host.activate::<AccountProxy>(&url);
    let account = activator.open("Ann".to_owned()).await.unwrap();
    let lease = account.lease().info().await.unwrap();
    (
        lease.initial,
        lease.renew_on_call,
        lease.sponsorship_timeout,
    )
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn times_of_dot_net_mean_what_they_mean_there() {
    let text = r#"
        [lifetime]
        initial = "7M"
        sponsorship-timeout = "30S"
        renew-on-call = "90"
        poll-time = "500MS"
    "#;
    let times = (Some(seconds(420)), seconds(90), seconds(30));
    assert_eq!(lease(text).await, times);
}

#[tokio::test]
async fn times_may_be_written_as_people_write_them_or_not_at_all() {
    let text = "[lifetime]\ninitial = \"1h 30m\"\nrenew-on-call = 90\n";
    let times = (Some(seconds(5400)), seconds(90), seconds(120));
    assert_eq!(lease(text).await, times);
    let times = (Some(seconds(300)), seconds(120), seconds(120));
    assert_eq!(lease("").await, times);
    let text = "[lifetime]\ninitial = \"infinite\"\n";
    assert_eq!(lease(text).await.0, None);
    let text = "[lifetime]\ninitial = \"9m\"\nclassic = true\n";
    assert_eq!(lease(text).await.0, Some(seconds(540)));
}

#[tokio::test]
async fn a_publication_has_a_lease_of_its_own() {
    for (own, initial) in [("\"11m\"", Some(seconds(660))), ("\"infinite\"", None)] {
        let text = format!("[lifetime]\nrenew-on-call = \"3m\"\n{ACCOUNTS}    lease = {own}\n");
        let host = parse(&text).unwrap().start(classes()).await.unwrap();
        let url = host.url("accounts").unwrap();
        let activator = host.activate::<AccountProxy>(&url);
        let account = activator.open("Ann".to_owned()).await.unwrap();
        let lease = account.lease().info().await.unwrap();
        assert_eq!(
            (lease.initial, lease.renew_on_call),
            (initial, seconds(180))
        );
    }
}

#[test]
fn a_poll_time_has_no_effect_and_a_warning_says_so() {
    with_log(async |log| {
        let config = parse("\n[lifetime]\npoll-time = \"500MS\"\n").unwrap();
        assert!(!log.text().contains("poll-time"));
        config.start(classes()).await.unwrap();
        let text = log.text();
        let mut lines = text.lines().filter(|line| line.contains("WARN"));
        let line = lines.next().unwrap();
        let told = "remoting.toml:3:13: lifetime.poll-time: it has no effect";
        assert!(line.contains(told), "{line}");
        assert_eq!(lines.next(), None);
    });
}

#[tokio::test]
async fn limits_of_all_kinds_reach_the_host() {
    let text = r#"
        [limits]
        max-frame = "32 KiB"
        max-message = 131072
        connections = 7
        pings-per-second = 3
        idle-time = "3m"
    "#;
    let host = parse(text).unwrap().start(classes()).await.unwrap();
    let limits = host.limits();
    assert_eq!((limits.max_frame, limits.max_message), (32_768, 131_072));
    assert_eq!((limits.connections, limits.pings_per_second), (7, 3));
    assert_eq!(limits.idle_time, seconds(180));
    assert_eq!(limits.handshakes, 512);
}

#[tokio::test]
async fn limits_of_a_channel_reach_that_channel_alone() {
    let text = r#"
        [limits]
        max-frame = "32 KiB"
        connections = 7
        [channels.narrow]
        kind = "tcp"
        [channels.narrow.limits]
        max-frame = "16 KiB"
        connections = 3
        handshakes = 1000
        idle-time = "1h"
        [channels.wide]
        kind = "http"
    "#;
    let host = parse(text).unwrap().start(classes()).await.unwrap();
    let found = ["narrow", "wide"].map(|name| {
        let channel = host.channel(name).unwrap();
        let limits = channel.limits();
        let numbers = (limits.max_frame, limits.connections, limits.handshakes);
        (numbers, limits.idle_time)
    });
    let narrow = ((16_384, 3, 512), seconds(3600));
    assert_eq!(found, [narrow, ((32_768, 7, 512), seconds(120))]);
    assert_eq!(host.limits().max_frame, 32_768);
}

#[tokio::test]
async fn a_full_channel_of_a_file_turns_away_and_another_one_does_not() {
    let text = r#"
        [publications.tally]
        class = "demo.Tally"
        activation = "singleton"
        [channels.narrow]
        kind = "tcp"
        listen = "127.0.0.1:0"
        limits = { connections = 1 }
        [channels.wide]
        kind = "tcp"
        listen = "127.0.0.1:0"
    "#;
    let host = parse(text).unwrap().start(classes()).await.unwrap();
    let client = || Host::builder().channel(TcpChannel::client()).start_client();
    let (first, second) = (client().unwrap(), client().unwrap());
    let tally = |client: &Host, channel: &str| -> TallyProxy {
        let url = host.channel(channel).unwrap().url("tally").unwrap();
        client.get(&url).unwrap()
    };
    assert_eq!(tally(&first, "narrow").next().await.unwrap(), 1);
    let refused = tally(&second, "narrow").next().await.unwrap_err();
    assert_eq!(refused.kind(), remoting::ErrorKind::Overloaded, "{refused}");
    let whose = "this channel has as many connections as its own";
    assert!(refused.message().contains(whose), "{refused}");
    assert_eq!(tally(&second, "wide").next().await.unwrap(), 2);
}
