//! How calls end before their time: deadlines, callers that give up, hosts that go.

use std::sync::Arc;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};

use crate::objects::*;
use crate::pair::{Pair, send, statements, until};

statements! { every channel:
    a_call_has_thirty_seconds_unless_it_says_otherwise,
    a_deadline_shrinks_through_nested_calls,
    a_deadline_ends_the_handler_at_the_server,
    a_deadline_of_zero_sends_nothing,
    a_dropped_call_ends_a_shared_method,
    a_dropped_call_tells_an_exclusive_method_which_runs_to_its_end,
    a_dropped_call_leaves_a_detached_method_alone,
    a_dropped_call_ends_a_cancel_safe_method_without_poison,
}

statements! { channels in order:
    a_call_that_waits_for_a_lock_ends_at_its_deadline_without_having_run,
    a_call_that_was_given_up_in_the_queue_for_a_lock_never_runs,
}

statements! { channels with references:
    a_client_that_goes_away_ends_its_shared_methods_and_its_objects,
    a_call_that_finds_no_place_waits_for_one_until_its_deadline,
}

fn room(pair: &Pair) -> (Arc<Hall>, RoomProxy) {
    let hall = Hall::new();
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    (hall, pair.get("room"))
}

/// Tells how much time its calls have.
#[remote]
pub trait Clock {
    /// Milliseconds left.
    async fn left(&self) -> remoting::Result<u64>;
    /// Milliseconds left here, and at the next clock, which is asked to take a minute.
    async fn left_here_and_next(&self) -> remoting::Result<(u64, u64)>;
}

struct Watch(Option<ClockProxy>);

fn left() -> u64 {
    let left = CallContext::current().unwrap().remaining();
    u64::try_from(left.as_millis()).unwrap()
}

impl Clock for Watch {
    async fn left(&self) -> remoting::Result<u64> {
        Ok(left())
    }

    async fn left_here_and_next(&self) -> remoting::Result<(u64, u64)> {
        let here = left();
        let next = self.0.as_ref().unwrap();
        Ok((here, next.left().deadline(Duration::from_secs(60)).await?))
    }
}

async fn a_call_has_thirty_seconds_unless_it_says_otherwise(pair: &Pair) {
    pair.server
        .marshal("clock", ClockDispatcher::new(Watch(None)))
        .unwrap();
    for clock in [pair.get("clock"), ClockProxy::local(Watch(None))] {
        let left = clock.left().await.unwrap();
        assert!((20_000..=30_000).contains(&left), "{left} ms");
        let left = clock
            .left()
            .deadline(Duration::from_secs(100))
            .await
            .unwrap();
        assert!((90_000..=100_000).contains(&left), "{left} ms");
    }
    let left = pair
        .get::<ClockProxy>("clock")
        .left()
        .deadline(Duration::from_secs(900));
    let left = left.await.unwrap();
    assert!(
        (290_000..=300_000).contains(&left),
        "no longer than the server's cap: {left} ms"
    );
}

async fn a_deadline_shrinks_through_nested_calls(pair: &Pair) {
    pair.server
        .marshal("last", ClockDispatcher::new(Watch(None)))
        .unwrap();
    let local = ClockProxy::local(Watch(None));
    for (name, next) in [("far", pair.get("last")), ("near", local)] {
        pair.server
            .marshal(name, ClockDispatcher::new(Watch(Some(next))))
            .unwrap();
        let clock: ClockProxy = pair.get(name);
        let call = clock.left_here_and_next().deadline(Duration::from_secs(10));
        let (here, next) = call.await.unwrap();
        assert!(here <= 10_000, "{here} ms");
        assert!(next <= here + 1, "{next} ms, below {here} ms");
    }
}

async fn a_deadline_ends_the_handler_at_the_server(pair: &Pair) {
    let (hall, room) = room(pair);
    overstay(&hall, &room).await;
    take(&hall.dropped, 1).await;
}

async fn a_deadline_of_zero_sends_nothing(pair: &Pair) {
    let (hall, room) = room(pair);
    let error = room.visit().deadline(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(error.executed(), Executed::No);
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
    assert_eq!(hall.entered.available_permits(), 0);
}

async fn a_call_that_waits_for_a_lock_ends_at_its_deadline_without_having_run(pair: &Pair) {
    let (hall, room) = room(pair);
    let borrow = tokio::spawn(room.borrow());
    take(&hall.entered, 1).await;
    let error = room
        .borrow()
        .deadline(Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    all_has_arrived(pair).await;
    hall.door.add_permits(1);
    borrow.await.unwrap().unwrap();
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
    assert_eq!(hall.entered.available_permits(), 0);
}

/// Waits until what the client has sent is known to the server, which reads in order.
async fn all_has_arrived(pair: &Pair) {
    let fence = RoomDispatcher::new(Hall::new().room());
    let name = format!("fence-{}", pair.server.published().len());
    pair.server.marshal(&name, fence).unwrap();
    let fence: RoomProxy = pair.get(&name);
    assert_eq!(fence.add(1, 2).await.unwrap(), 3);
}

/// Starts a call, and gives it up once it is inside.
async fn start_and_drop(call: remoting::Call<(), remoting::Error>, hall: &Hall) {
    let call = tokio::spawn(call);
    take(&hall.entered, 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
}

async fn a_dropped_call_ends_a_shared_method(pair: &Pair) {
    let (hall, room) = room(pair);
    start_and_drop(room.visit(), &hall).await;
    take(&hall.dropped, 1).await;
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
}

async fn a_dropped_call_tells_an_exclusive_method_which_runs_to_its_end(pair: &Pair) {
    let (hall, room) = room(pair);
    start_and_drop(room.occupy(), &hall).await;
    take(&hall.told, 1).await;
    let next = tokio::spawn(room.add(1, 2));
    hall.door.add_permits(1);
    take(&hall.left, 1).await;
    assert_eq!(next.await.unwrap().unwrap(), 3);
    assert_eq!(hall.dropped.available_permits(), 0);
}

async fn a_dropped_call_leaves_a_detached_method_alone(pair: &Pair) {
    let (hall, room) = room(pair);
    start_and_drop(room.stay(), &hall).await;
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
    hall.door.add_permits(1);
    take(&hall.left, 1).await;
    assert_eq!(hall.dropped.available_permits(), 0);
}

async fn a_dropped_call_ends_a_cancel_safe_method_without_poison(pair: &Pair) {
    let (hall, room) = room(pair);
    start_and_drop(room.borrow(), &hall).await;
    take(&hall.dropped, 1).await;
    hall.door.add_permits(1);
    room.borrow().await.unwrap();
}

async fn a_call_that_was_given_up_in_the_queue_for_a_lock_never_runs(pair: &Pair) {
    let (hall, room) = room(pair);
    let first = tokio::spawn(room.borrow());
    take(&hall.entered, 1).await;
    let second = send(room.borrow()).await;
    all_has_arrived(pair).await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    all_has_arrived(pair).await;
    hall.door.add_permits(2);
    first.await.unwrap().unwrap();
    room.borrow().await.unwrap();
    take(&hall.left, 2).await;
    assert_eq!(hall.left.available_permits(), 0);
}

async fn a_client_that_goes_away_ends_its_shared_methods_and_its_objects(pair: &Pair) {
    let (hall, _) = room(pair);
    let census = Arc::<Census>::default();
    let publication = CounterDispatcher::activated_with(TallyFactory(Arc::clone(&census)));
    pair.server.publish("counters", publication).unwrap();
    let client = pair.another_client().await;
    let room: RoomProxy = client.get(&pair.url("room")).unwrap();
    let counters = client.activate::<CounterProxy>(&pair.url("counters"));
    let counter = counters.starting_at(1).await.unwrap();
    let visit = tokio::spawn(room.visit());
    take(&hall.entered, 1).await;
    drop(client);
    let error = visit.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
    take(&hall.dropped, 1).await;
    census.death.notified().await;
    until(|| pair.server.kept_objects() == 1).await;
    let error = counter.next().await.unwrap_err();
    assert!(error.is_no_such_object(), "{error}");
    assert_eq!(error.executed(), Executed::No);
}

async fn a_call_that_finds_no_place_waits_for_one_until_its_deadline(pair: &Pair) {
    let mut limits = remoting::Limits::default();
    limits.calls_per_session = 2;
    let builder = pair.cell.listen_on(Host::builder(), "small").limits(limits);
    let server = builder.start().await.unwrap();
    let hall = Hall::new();
    let dispatcher = RoomDispatcher::new(hall.room());
    let marshalled = server.marshal("room", dispatcher).unwrap();
    let url = pair.cell.way(marshalled.urls().remove(0));
    let room: RoomProxy = pair.client.connect(&url).await.unwrap();
    let visits = [tokio::spawn(room.visit()), tokio::spawn(room.visit())];
    take(&hall.entered, 2).await;
    let soon = Duration::from_millis(50);
    let same: RoomProxy = pair.client.get(&url).unwrap();
    for room in [&room, &same] {
        let error = room.add(1, 2).deadline(soon).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
        assert_eq!(error.executed(), Executed::No, "{error}");
    }
    let waiting = [tokio::spawn(room.add(1, 2)), tokio::spawn(same.add(1, 2))];
    hall.door.add_permits(2);
    for visit in visits {
        visit.await.unwrap().unwrap();
    }
    for sum in waiting {
        assert_eq!(sum.await.unwrap().unwrap(), 3);
    }
}
