//! What goes on over a line that was cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use remoting::prelude::*;
use remoting::testing::{Lane, Trouble};
use remoting::{ErrorKind, Executed, Limits};
use tokio::task::JoinSet;

use crate::ground::*;

/// Each test over TCP and over WebSocket.
macro_rules! over_both {
    ($($name:ident,)+) => {
        mod tcp {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::within(super::$name(super::Way::Tcp)).await;
            })+
        }

        mod web_socket {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::within(super::$name(super::Way::WebSocket)).await;
            })+
        }
    };
}

over_both! {
    no_increment_is_lost_or_doubled_however_often_the_line_is_cut,
    a_call_that_runs_is_answered_over_the_next_line,
    streams_both_ways_and_callbacks_go_on,
    long_messages_arrive_whole,
    what_was_activated_lives_on_and_is_released_at_once_when_it_is_dropped,
    a_call_that_was_dropped_while_the_line_was_cut_is_cancelled,
    a_line_that_is_silent_is_given_up_and_made_again,
    a_deadline_passes_also_without_a_line,
    the_next_line_may_bring_its_bytes_one_by_one,
    a_caller_that_runs_into_a_cut_with_much_to_say_does_not_end_the_session,
}

async fn within(test: impl Future<Output = ()>) {
    let patience = Duration::from_secs(120);
    tokio::time::timeout(patience, test)
        .await
        .expect("it takes too long");
}

async fn no_increment_is_lost_or_doubled_however_often_the_line_is_cut(way: Way) {
    const CALLERS: u64 = 16;
    const CALLS: usize = 200;
    const CUTS: u64 = 10;
    let ground = Ground::new(way).await;
    let ledger = ground.ledger().await;
    let cuts = Arc::<AtomicU64>::default();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (ledger, cuts) = (ledger.clone(), Arc::clone(&cuts));
        callers.spawn(async move {
            let mut seen = Vec::new();
            // A busy machine may be slow to cut.
            while seen.len() < CALLS || cuts.load(Ordering::SeqCst) <= CUTS {
                seen.push(ledger.next().await.unwrap());
            }
            assert!(seen.is_sorted(), "in order");
            seen
        });
    }
    let mut all = Vec::new();
    while !callers.is_empty() {
        let came = ground.book.count.load(Ordering::SeqCst);
        tokio::select! {
            seen = callers.join_next() => all.extend(seen.unwrap().unwrap()),
            () = until(|| ground.book.count.load(Ordering::SeqCst) > came + 40) => {
                ground.line.cut_all();
                cuts.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    all.sort_unstable();
    let count = all.len() as u64;
    assert!(all.into_iter().eq(1..=count), "each once");
    assert_eq!(ground.book.count.load(Ordering::SeqCst), count);
    assert!(ground.line.connections() > CUTS);
}

async fn a_call_that_runs_is_answered_over_the_next_line(way: Way) {
    let ground = Ground::new(way).await;
    let ledger = ground.ledger().await;
    let waiting = tokio::spawn(ledger.wait());
    ground.book.doors.entered.acquire().await.unwrap().forget();
    ground.line.cut_all();
    ground.book.doors.out.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
    assert_eq!(ground.line.connections(), 2);
}

async fn streams_both_ways_and_callbacks_go_on(way: Way) {
    let ground = Ground::new(way).await;
    let ledger = ground.ledger().await;
    let ear = Ear::default();
    let (told, sum) = (
        tokio::spawn(ledger.tell(ListenerProxy::local(ear.clone()), 2000)),
        tokio::spawn(ledger.sum(Streaming::of(1..=20_000))),
    );
    let mut numbers = ledger.count_to(20_000).await.unwrap();
    for expected in 1..=20_000 {
        assert_eq!(numbers.next().await.unwrap().unwrap(), expected);
        if expected % 2000 == 0 {
            let connections = ground.line.connections();
            ground.line.cut_all();
            until(|| ground.line.connections() > connections).await;
        }
    }
    assert!(numbers.next().await.is_none());
    assert_eq!(sum.await.unwrap().unwrap(), 200_010_000);
    assert_eq!(told.await.unwrap().unwrap(), 2000);
    assert_eq!(ear.0.load(Ordering::SeqCst), 2000);
    assert_eq!(ground.line.connections(), 11);
}

async fn long_messages_arrive_whole(way: Way) {
    let ground = Ground::new(way).await;
    let ledger = ground.ledger().await;
    let mut callers = JoinSet::new();
    for number in 0..6_u8 {
        let ledger = ledger.clone();
        callers.spawn(async move {
            for length in [1 << 10, 20_000, 70_000, 1 << 20, 3 << 20] {
                let bytes = vec![number; length];
                assert!(ledger.echo(bytes.clone()).await.unwrap() == bytes);
            }
        });
    }
    loop {
        let (came, went) = (Lane::ToServer, Lane::ToClient);
        let moved = || ground.line.bytes(came) + ground.line.bytes(went);
        let before = moved();
        tokio::select! {
            done = callers.join_next() => match done {
                Some(done) => done.unwrap(),
                None => break,
            },
            () = until(|| moved() > before + 3_000_000) => ground.line.cut_all(),
        }
    }
    assert_eq!(ground.book.count.load(Ordering::SeqCst), 30);
    assert!(
        ground.line.connections() > 4,
        "{}",
        ground.line.connections()
    );
}

async fn what_was_activated_lives_on_and_is_released_at_once_when_it_is_dropped(way: Way) {
    let ground = Ground::new(way).await;
    let own = ground.own_ledger(41).await;
    for expected in 42..50 {
        ground.line.cut_all();
        assert_eq!(own.next().await.unwrap(), expected);
    }
    assert_eq!(ground.server.kept_objects(), 2);
    ground.line.cut_all();
    drop(own);
    until(|| ground.server.kept_objects() == 1).await;
}

async fn a_call_that_was_dropped_while_the_line_was_cut_is_cancelled(way: Way) {
    let ground = Ground::new(way).await;
    let ledger = ground.ledger().await;
    let waiting = tokio::spawn(ledger.wait());
    ground.book.doors.entered.acquire().await.unwrap().forget();
    ground.line.cut_all();
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(ledger.next().await.unwrap(), 1);
    // Whoever waited has gone: nobody takes what is let out now.
    ground.book.doors.out.add_permits(1);
    assert_eq!(ledger.wait().await.unwrap(), 2);
    assert_eq!(ground.book.doors.out.available_permits(), 0);
}

async fn a_line_that_is_silent_is_given_up_and_made_again(way: Way) {
    let mut limits = Limits::default();
    limits.ping_after = Duration::from_millis(100);
    limits.pong_within = Duration::from_millis(100);
    let ground = Ground::with(way, limits).await;
    let ledger = ground.ledger().await;
    assert_eq!(ledger.next().await.unwrap(), 1);
    for lane in [Lane::ToServer, Lane::ToClient] {
        ground.line.set_open(lane, Trouble::none().stall_after(0));
    }
    assert_eq!(ledger.next().await.unwrap(), 2);
    assert!(ground.line.connections() > 1);
}

async fn a_deadline_passes_also_without_a_line(way: Way) {
    let ground = Ground::new(way).await;
    let ledger = ground.ledger().await;
    ground.go_silent().await;
    let late = ledger.next().deadline(Duration::from_millis(500)).await;
    let error = late.unwrap_err();
    // It waits to be written, and nothing takes it back; what follows it tells that nobody waits for it.
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::DeadlineExceeded, Executed::Unknown),
        "{error}"
    );
}

async fn a_caller_that_runs_into_a_cut_with_much_to_say_does_not_end_the_session(way: Way) {
    let mut limits = Limits::default();
    // Any call is more than may wait to be written.
    limits.unsent = 500;
    let ground = Ground::between(way, Limits::default(), limits).await;
    let ledger = ground.ledger().await;
    let bytes = vec![7; 1000];
    for _ in 0..50 {
        ground.line.cut_all();
        // A while, for the cut to be there before the driver knows of it.
        tokio::task::yield_now().await;
        assert!(ledger.echo(bytes.clone()).await.unwrap() == bytes);
    }
    assert_eq!(ground.book.count.load(Ordering::SeqCst), 50);
}

async fn the_next_line_may_bring_its_bytes_one_by_one(way: Way) {
    let ground = Ground::new(way).await;
    let own = ground.own_ledger(7).await;
    for lane in [Lane::ToServer, Lane::ToClient] {
        ground.line.set_new(lane, Trouble::none().byte_by_byte());
    }
    ground.line.cut_all();
    assert_eq!(own.next().await.unwrap(), 8);
}
