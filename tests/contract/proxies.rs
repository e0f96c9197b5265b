//! The client's side: proxies, their options, what a call takes along, and how to wait for it.

use std::sync::Arc;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};

use crate::objects::*;
use crate::pair::{Pair, statements, until};

statements! { every channel:
    a_call_sees_its_context,
    one_method_is_called_in_three_ways_with_options,
    options_of_a_proxy_hold_for_each_of_its_calls,
    a_thread_that_may_block_waits_for_calls,
    a_local_proxy_is_called_like_a_remote_one,
    a_call_that_has_ended_is_not_made_again,
    s25_proxies_of_one_url_are_the_same,
    proxies_of_one_object_are_the_same,
}

/// Publishes a room and gives the client's proxy of it.
fn room(pair: &Pair) -> (Arc<Hall>, RoomProxy) {
    let hall = Hall::new();
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    (hall, pair.get("room"))
}

/// Tells what it knows of its caller.
#[remote]
pub trait Witness {
    /// The method, the peer, the headers, and the milliseconds left.
    async fn testify(&self) -> remoting::Result<(String, String, Vec<(String, String)>, u64)>;
}

struct Bystander;

impl Witness for Bystander {
    async fn testify(&self) -> remoting::Result<(String, String, Vec<(String, String)>, u64)> {
        tokio::task::yield_now().await;
        let context = CallContext::current().unwrap();
        assert_eq!(context.header("none"), None);
        assert!(!context.is_cancelled());
        let headers = context
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let left = u64::try_from(context.remaining().as_millis()).unwrap();
        Ok((
            context.method().to_owned(),
            context.peer().to_string(),
            headers.collect(),
            left,
        ))
    }
}

async fn a_call_sees_its_context(pair: &Pair) {
    pair.server
        .marshal("witness", WitnessDispatcher::new(Bystander))
        .unwrap();
    let witness: WitnessProxy = pair.get("witness");
    let call = witness.testify().header("user", "Ann").header("trace", "1");
    let (method, peer, headers, left) = call.deadline(Duration::from_secs(9)).await.unwrap();
    assert_eq!(method, "testify");
    assert!(peer.starts_with("127.0.0.1:") || peer == "inproc", "{peer}");
    let sent = [("user", "Ann"), ("trace", "1")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(headers, sent);
    assert!((1..=9_000).contains(&left), "{left} ms");
    assert!(CallContext::current().is_none(), "no call runs here");

    let (_, peer, headers, _) = WitnessProxy::local(Bystander).testify().await.unwrap();
    assert_eq!((&*peer, headers.len()), ("local", 0));
    let too_much = witness
        .testify()
        .header("big", "x".repeat(9_000))
        .await
        .unwrap_err();
    assert_eq!(too_much.kind(), ErrorKind::TooLarge);
    assert_eq!(too_much.executed(), Executed::No);
}

async fn one_method_is_called_in_three_ways_with_options(pair: &Pair) {
    let publication = RoomDispatcher::new(Hall::new().room());
    pair.server.marshal("room", publication).unwrap();
    let soon = Duration::from_millis(1);
    let mut by_value: RoomProxy = pair.get("room");
    for room in [by_value.clone(), by_value.clone()] {
        assert_eq!(
            room.add(1, 2)
                .deadline(Duration::from_secs(5))
                .await
                .unwrap(),
            3
        );
    }
    assert!(by_value.borrow().deadline(soon).await.is_err());
    let by_reference = &by_value;
    assert!(by_reference.borrow().deadline(soon).await.is_err());
    let by_mutable = &mut by_value;
    assert!(by_mutable.borrow().deadline(soon).await.is_err());
    assert!(Room::borrow(by_mutable).deadline(soon).await.is_err());
    assert_eq!(sum(by_mutable).await, 7);
    assert_eq!(sum(&Hall::new().room()).await, 7, "and the object itself");
}

/// Does not know whether its room is far or near.
async fn sum(room: &impl Room) -> i64 {
    room.add(3, 4).await.unwrap()
}

async fn options_of_a_proxy_hold_for_each_of_its_calls(pair: &Pair) {
    let (hall, room) = room(pair);
    let hasty = room.with(CallOptions::new().deadline(Duration::from_millis(50)));
    assert_eq!(hasty, room, "the same object");
    for _ in 0..2 {
        let error = hasty.visit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    }
    until(|| hall.dropped.available_permits() == hall.entered.available_permits()).await;
    pair.server
        .marshal("witness", WitnessDispatcher::new(Bystander))
        .unwrap();
    let witness: WitnessProxy = pair.get("witness");
    let witness = witness.with(CallOptions::new().header("a", "1"));
    let (_, _, headers, _) = witness.testify().header("b", "2").await.unwrap();
    assert_eq!(headers.len(), 2, "a call adds to its proxy's: {headers:?}");
}

async fn a_thread_that_may_block_waits_for_calls(pair: &Pair) {
    let (_hall, room) = room(pair);
    let local = RoomProxy::local(Hall::new().room());
    let wait = move || (room.add(1, 2).wait(), local.add(3, 4).wait());
    let again = wait.clone();
    let both = tokio::task::spawn_blocking(move || {
        let thread = std::thread::spawn(wait);
        // This thread knows a runtime, and may block.
        [again(), thread.join().unwrap()]
    });
    for (remote, local) in both.await.unwrap() {
        assert_eq!((remote.unwrap(), local.unwrap()), (3, 7));
    }
}

async fn a_local_proxy_is_called_like_a_remote_one(pair: &Pair) {
    let hall = Hall::new();
    let dispatcher = RoomDispatcher::new(hall.room());
    pair.server.marshal("room", dispatcher.clone()).unwrap();
    let (near, far) = (dispatcher.proxy(), pair.get::<RoomProxy>("room"));
    assert!(near.is_local() && !far.is_local());
    assert_eq!((near.url(), far.url()), (None, Some(pair.url("room"))));
    for room in [near, far] {
        assert_eq!(room.add(1, 2).await.unwrap(), 3);
        let visit = tokio::spawn(room.visit());
        take(&hall.entered, 1).await;
        hall.door.add_permits(1);
        visit.await.unwrap().unwrap();
        overstay(&hall, &room).await;
        take(&hall.dropped, 1).await;
    }
}

async fn a_call_that_has_ended_is_not_made_again(pair: &Pair) {
    let (_hall, room) = room(pair);
    let mut call = room.add(1, 2);
    assert_eq!((&mut call).await.unwrap(), 3);
    let error = (&mut call).await.unwrap_err();
    let seen = (error.kind(), error.executed());
    assert_eq!(seen, (ErrorKind::Cancelled, Executed::No), "{error}");
}

async fn s25_proxies_of_one_url_are_the_same(pair: &Pair) {
    let (one, same): (RoomProxy, RoomProxy) = (pair.get("room"), pair.get("room"));
    assert_eq!(one, same);
    assert_eq!(one, one.clone());
    assert_ne!(one, pair.get::<RoomProxy>("other"));
    let set = std::collections::HashSet::from([one, same]);
    assert_eq!(set.len(), 1);
}

async fn proxies_of_one_object_are_the_same(_: &Pair) {
    let dispatcher = RoomDispatcher::new(Hall::new().room());
    assert_eq!(dispatcher.proxy(), dispatcher.clone().proxy());
    assert_ne!(
        dispatcher.proxy(),
        RoomDispatcher::new(Hall::new().room()).proxy()
    );
}
