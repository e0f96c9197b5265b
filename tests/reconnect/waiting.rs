//! Many who wait for one server.

use std::sync::atomic::Ordering;
use std::time::Duration;

use remoting::ConnectPolicy::{FailFast, Wait};
use remoting::{ErrorKind, Executed};
use tokio::task::JoinSet;

use crate::desk::*;
use crate::dials::Counting;

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_that_wait_dial_no_more_often_than_one() {
    let mut dialled = Vec::new();
    for callers in [1, 10_000] {
        let (counting, dials) = Counting::new(Some(ErrorKind::ConnectFailed));
        let client = counting.policy(Wait).client();
        let desk: DeskProxy = client.get("tcp://127.0.0.1:1/desk").unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..callers {
            let call = desk.name().deadline(Duration::from_secs(20));
            calls.spawn(call);
        }
        while let Some(ended) = calls.join_next().await {
            let error = ended.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
            assert_eq!(error.executed(), Executed::No);
            assert!(error.to_string().contains("as the test wants it"));
        }
        assert_eq!(dials.most_at_once.load(Ordering::SeqCst), 1);
        dialled.push(dials.count());
    }
    // 20 s of pauses that grow to 5 s, half of it on average.
    for count in &dialled {
        assert!((6..60).contains(count), "{dialled:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_without_a_session_share_one_look_at_whether_their_server_is_there() {
    let (counting, dials) = Counting::new(None);
    let client = counting.without_sessions().policy(Wait).client();
    let desk: DeskProxy = client.get("tcp://127.0.0.1:1/desk").unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        let call = desk.name().deadline(Duration::from_secs(20));
        calls.spawn(call);
    }
    while let Some(ended) = calls.join_next().await {
        let error = ended.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(error.executed(), Executed::No);
    }
    assert_eq!(dials.exchanges.load(Ordering::SeqCst), 1000, "one each");
    assert_eq!(dials.most_at_once.load(Ordering::SeqCst), 1);
    assert!((6..60).contains(&dials.count()), "{}", dials.count());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_ends_with_its_host() {
    for _ in 0..10 {
        let (counting, dials) = Counting::new(Some(ErrorKind::ConnectFailed));
        let client = counting.policy(Wait).client();
        let desk: DeskProxy = client.get("tcp://127.0.0.1:1/desk").unwrap();
        let waiting = tokio::spawn(desk.name().deadline(Duration::from_secs(600)));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(dials.count() > 10);
        let dropped = tokio::time::Instant::now();
        drop(client);
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected);
        assert_eq!(error.executed(), Executed::No);
        assert_eq!(dropped.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_do_not_wait_leave_the_pauses_of_the_others_as_they_are() {
    let (counting, dials) = Counting::new(Some(ErrorKind::ConnectFailed));
    let client = counting.policy(Wait).client();
    let desk: DeskProxy = client.get("tcp://127.0.0.1:1/desk").unwrap();
    let waiting = tokio::spawn(desk.name().deadline(Duration::from_secs(60)));
    let mut hasty = 0;
    while !waiting.is_finished() {
        let error = desk.name().connect_policy(FailFast).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectFailed);
        hasty += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        waiting.await.unwrap().unwrap_err().kind(),
        ErrorKind::DeadlineExceeded
    );
    let patient = dials.count().saturating_sub(hasty);
    assert!(patient < 150, "{patient} besides {hasty}");
    assert!(hasty > 1000, "{hasty}");
}
