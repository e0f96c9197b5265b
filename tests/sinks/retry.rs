//! Calls that are made again, and those that are not. The clock moves by itself where nothing else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use remoting::prelude::*;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next, Retry};
use remoting::{Error, ErrorKind, Executed, HostBuilder};
use tokio::time::Instant;

use crate::ground::near;

#[remote(name = "sinks.Till")]
trait Till {
    async fn add(&self) -> remoting::Result<u64>;
    #[idempotent]
    async fn sum(&self) -> remoting::Result<u64>;
    async fn total(&self, coins: Streaming<u64>) -> remoting::Result<u64>;
}

struct Coins;

impl Till for Coins {
    async fn add(&self) -> remoting::Result<u64> {
        Ok(1)
    }
    async fn sum(&self) -> remoting::Result<u64> {
        Ok(2)
    }
    async fn total(&self, coins: Streaming<u64>) -> remoting::Result<u64> {
        let coins: Vec<u64> = coins.collect().await?;
        Ok(coins.iter().sum())
    }
}

/// Fails the first calls that come to it, in some way, and counts all.
#[derive(Clone)]
struct Failing {
    first: usize,
    how: fn() -> Error,
    after_the_call: bool,
    count: Arc<AtomicUsize>,
}

impl Failing {
    fn first(first: usize, how: fn() -> Error) -> Self {
        let (after_the_call, count) = (false, Arc::default());
        Self {
            first,
            how,
            after_the_call,
            count,
        }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl MessageSink for Failing {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        if self.count.fetch_add(1, Ordering::SeqCst) >= self.first {
            return next.run(call).await;
        }
        if self.after_the_call {
            drop(next.run(call).await);
        }
        (self.how)().into()
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::Overloaded, "busy")
}

/// A client that tries again, in front of a sink that fails.
async fn pair(retry: Retry, failing: &Failing) -> (Host, Host, TillProxy) {
    let name = format!("till-{}", Arc::as_ptr(&failing.count) as usize);
    let client = Host::builder().client_sink(retry);
    pair_of(&name, Host::builder(), client.client_sink(failing.clone())).await
}

/// A till, and a client of it.
async fn pair_of(name: &str, server: HostBuilder, client: HostBuilder) -> (Host, Host, TillProxy) {
    let (server, client) = near(name, server, client).await;
    let till = TillDispatcher::singleton(|| Coins);
    server.publish("till", till).unwrap();
    let till = client.get(&server.url("till").unwrap()).unwrap();
    (server, client, till)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_did_not_run_is_made_again_after_a_while() {
    let failing = Failing::first(2, busy);
    let (_server, _client, till) = pair(Retry::new(), &failing).await;
    let begun = Instant::now();
    assert_eq!(till.add().await.unwrap(), 1);
    assert_eq!(failing.count(), 3);
    let took = begun.elapsed();
    let (least, most) = (Duration::from_millis(75), Duration::from_millis(160));
    assert!(took >= least && took <= most, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_made_as_often_as_was_said_and_then_its_error_is_told() {
    let failing = Failing::first(usize::MAX, busy);
    let (_server, _client, till) = pair(Retry::new().tries(5), &failing).await;
    let error = till.add().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.executed(), Executed::No);
    assert_eq!(failing.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_run_is_made_again_only_if_it_is_idempotent() {
    let lost = || Error::new(ErrorKind::SessionLost, "lost").with_executed(Executed::Unknown);
    let failing = Failing::first(1, lost);
    let (_server, _client, till) = pair(Retry::new(), &failing).await;
    let error = till.add().await.unwrap_err();
    assert_eq!(error.executed(), Executed::Unknown);
    assert_eq!(failing.count(), 1);
    let failing = Failing::first(1, lost);
    let (_server, _client, till) = pair(Retry::new(), &failing).await;
    assert_eq!(till.sum().await.unwrap(), 2);
    assert_eq!(failing.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_run_or_would_fail_again_is_not_made_again() {
    let mut ran = Failing::first(1, busy);
    ran.after_the_call = true;
    let (_server, _client, till) = pair(Retry::new(), &ran).await;
    let error = till.sum().await.unwrap_err();
    assert_eq!(error.executed(), Executed::Yes);
    assert_eq!(ran.count(), 1);
    let denied = Failing::first(1, || Error::new(ErrorKind::PermissionDenied, "no"));
    let (_server, _client, till) = pair(Retry::new(), &denied).await;
    till.sum().await.unwrap_err();
    assert_eq!(denied.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_call_in_ten_is_made_again_and_ten_more() {
    let failing = Failing::first(usize::MAX, busy);
    let (_server, _client, till) = pair(Retry::new().tries(100), &failing).await;
    for _ in 0..1000 {
        till.add().await.unwrap_err();
    }
    // The reserve was full, so that the first calls could put in nothing.
    let again = failing.count() - 1000;
    assert!((100..=110).contains(&again), "{again}");
}

#[tokio::test(start_paused = true)]
async fn a_try_that_would_begin_after_the_deadline_is_not_made() {
    let failing = Failing::first(usize::MAX, busy);
    let hour = Duration::from_secs(3600);
    let (_server, _client, till) = pair(Retry::new().waits(hour, hour), &failing).await;
    let begun = Instant::now();
    let error = till.add().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(failing.count(), 1);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_stream_is_made_again_until_the_stream_was_sent() {
    let here = Failing::first(1, busy);
    let (_server, _client, till) = pair(Retry::new(), &here).await;
    assert_eq!(till.total(Streaming::of([1, 2])).await.unwrap(), 3);
    assert_eq!(here.count(), 2);

    // The refusal of the server comes when the stream is on its way.
    let there = Failing::first(1, busy);
    let server = Host::builder().server_sink(there.clone());
    let client = Host::builder().client_sink(Retry::new());
    let (_server, _client, till) = pair_of("till-there", server, client).await;
    let error = till.total(Streaming::of([1, 2])).await.unwrap_err();
    let told = (error.kind(), error.executed());
    assert_eq!(told, (ErrorKind::Overloaded, Executed::No), "{error}");
    assert_eq!(there.count(), 1);
}
