//! How a host stops: what it waits for, what it cuts, and what callers learn of that.

use std::time::Duration;

use remoting::prelude::*;
use remoting::{ConnectionInfo, ConnectionState, ErrorKind, Executed, GoneReason};
use tokio::sync::{mpsc, oneshot};

use crate::folder::{FolderProxy, Shelf, folder};
use crate::objects::*;
use crate::pair::{Pair, send, statements, until};

/// Longer than any test may take.
const AN_HOUR: Duration = Duration::from_secs(3600);

statements! { every channel:
    what_outlasts_the_drain_is_cut_and_callers_learn_how_far_their_calls_had_come,
    calls_that_nobody_may_cut_are_told_and_left_alone,
    a_second_event_cuts_at_once,
    a_host_that_says_it_will_stop_still_serves,
}

statements! { channels with references:
    who_holds_an_object_of_a_host_that_stops_is_told_so,
    what_waits_for_a_call_that_is_cut_was_not_executed,
    a_client_that_stops_tells_its_server_how_far_its_calls_had_come,
}

/// Publishes two rooms.
fn rooms(pair: &Pair) -> (std::sync::Arc<Hall>, RoomProxy, RoomProxy) {
    let hall = Hall::new();
    for name in ["room", "other"] {
        let room = RoomDispatcher::new(hall.room());
        pair.server.marshal(name, room).unwrap();
    }
    (hall, pair.get("room"), pair.get("other"))
}

async fn what_outlasts_the_drain_is_cut_and_callers_learn_how_far_their_calls_had_come(
    pair: &Pair,
) {
    let (hall, ..) = rooms(pair);
    // The last answers have a quarter of a second. A busy machine may take longer, and then nobody learns anything.
    let mut are_told = false;
    for _ in 0..3 {
        are_told = are_told || callers_learn_how_far_their_calls_had_come(pair, &hall).await;
    }
    assert!(are_told);
}

async fn callers_learn_how_far_their_calls_had_come(pair: &Pair, hall: &Hall) -> bool {
    let [room, other] = ["room", "other"].map(|name| pair.get::<RoomProxy>(name));
    let inside = send(room.borrow()).await;
    take(&hall.entered, 1).await;
    let queued = send(room.borrow()).await;
    // What is sent later in the same session comes later.
    assert_eq!(other.add(1, 2).await.unwrap(), 3);
    assert!(!pair.server.is_draining());
    let stopped = pair.server.run_until(std::future::ready(())).await;
    let inside = inside.await.unwrap().unwrap_err();
    assert_eq!(inside.executed(), Executed::Unknown, "{inside}");
    let queued = queued.await.unwrap().unwrap_err();
    assert_ne!(queued.executed(), Executed::Yes, "{queued}");
    take(&hall.dropped, 1).await;
    assert!(stopped.cut >= 1, "{stopped:?}");
    assert!(pair.server.is_draining(), "nobody had better come");
    pair.channel().start_listening().await.unwrap();
    assert!(!pair.server.is_draining());
    inside.kind() == ErrorKind::Overloaded && queued.executed() == Executed::No
}

async fn calls_that_nobody_may_cut_are_told_and_left_alone(pair: &Pair) {
    let (hall, room, other) = rooms(pair);
    let (staying, occupying) = (send(other.stay()).await, send(room.occupy()).await);
    take(&hall.entered, 2).await;
    let stopped = pair.server.run_until(std::future::ready(())).await;
    assert!(stopped.cut >= 1, "{stopped:?}");
    for call in [staying, occupying] {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.executed(), Executed::Unknown, "{error}");
    }
    take(&hall.told, 1).await;
    hall.door.add_permits(2);
    take(&hall.left, 2).await;
}

async fn a_second_event_cuts_at_once(pair: &Pair) {
    let (hall, room, _) = rooms(pair);
    let (first, begin) = oneshot::channel::<()>();
    let (second, cut) = oneshot::channel::<()>();
    let run = pair.server.run_until(begin).drain(AN_HOUR).cut_on(cut);
    let run = tokio::spawn(run.into_future());
    let inside = send(room.visit()).await;
    take(&hall.entered, 1).await;
    first.send(()).unwrap();
    let channel = pair.channel();
    until(|| !channel.is_listening()).await;
    assert!(!run.is_finished());
    second.send(()).unwrap();
    assert!(run.await.unwrap().cut >= 1);
    let inside = inside.await.unwrap().unwrap_err();
    assert_eq!(inside.executed(), Executed::Unknown, "{inside}");
}

async fn a_host_that_says_it_will_stop_still_serves(pair: &Pair) {
    let (_, room, _) = rooms(pair);
    let (second, cut) = oneshot::channel::<()>();
    let run = pair.server.run_until(std::future::ready(()));
    let run = tokio::spawn(run.announce(AN_HOUR).cut_on(cut).into_future());
    until(|| pair.server.is_draining()).await;
    for client in [&pair.client, &pair.another_client().await] {
        let room: RoomProxy = client.get(&pair.url("room")).unwrap();
        for _ in 0..3 {
            assert_eq!(room.add(1, 2).await.unwrap(), 3);
        }
    }
    assert!(pair.channel().is_listening());
    drop(second);
    // On a busy machine connections that rest may take longer to close than they have then, and be cut.
    run.await.unwrap();
    assert_eq!(room.add(1, 2).await.unwrap_err().executed(), Executed::No);
}

async fn who_holds_an_object_of_a_host_that_stops_is_told_so(pair: &Pair) {
    let (hall, room, _) = rooms(pair);
    let publication = CounterDispatcher::<Tally>::activated();
    pair.server.publish("counters", publication).unwrap();
    let counters = pair.client.activate::<CounterProxy>(&pair.url("counters"));
    let counter = counters.starting_at(5).await.unwrap();
    let inside = send(room.visit()).await;
    take(&hall.entered, 1).await;
    let (second, cut) = oneshot::channel::<()>();
    let run = pair.server.run_until(std::future::ready(()));
    let run = tokio::spawn(run.drain(AN_HOUR).cut_on(cut).into_future());
    let is_draining = |connection: ConnectionInfo| connection.state == ConnectionState::Draining;
    until(|| pair.client.connections().into_iter().all(is_draining)).await;
    let told = (ErrorKind::ObjectGone(GoneReason::Drained), Executed::No);
    let error = counter.next().await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), told, "{error}");
    assert!(!inside.is_finished(), "what is under way goes on");
    drop(second);
    assert!(run.await.unwrap().cut >= 1);
    inside.await.unwrap().unwrap_err();
    let error = counter.next().await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), told, "{error}");
}

async fn what_waits_for_a_call_that_is_cut_was_not_executed(pair: &Pair) {
    let (shelf, _) = folder(pair);
    // The last answers have a quarter of a second.
    let mut are_told = false;
    for _ in 0..3 {
        are_told = are_told || who_waits_learns_that_nothing_was_executed(pair, &shelf).await;
    }
    assert!(are_told);
}

async fn who_waits_learns_that_nothing_was_executed(pair: &Pair, shelf: &Shelf) -> bool {
    let root = pair.get::<FolderProxy>("folder");
    let called = shelf.called();
    let late = root.open_later("a").pipelined();
    let waits = send(late.path()).await;
    until(|| shelf.waiting() == 1).await;
    assert_eq!(root.path().await.unwrap(), "");
    pair.server.run_until(std::future::ready(())).await;
    let error = waits.await.unwrap().unwrap_err();
    assert_eq!(shelf.called() - called, 1, "what did not wait");
    pair.channel().start_listening().await.unwrap();
    (error.kind(), error.executed()) == (ErrorKind::Overloaded, Executed::No)
}

#[remote(name = "drain.Landlord")]
trait Landlord {
    /// Visits the caller.
    async fn visit(&self, room: RoomProxy) -> remoting::Result<()>;
}

/// Tells what became of its visits.
struct Owner(mpsc::UnboundedSender<(ErrorKind, Executed)>);

impl Landlord for Owner {
    async fn visit(&self, room: RoomProxy) -> remoting::Result<()> {
        let visited = room.borrow().await;
        if let Err(error) = &visited {
            let _unheard = self.0.send((error.kind(), error.executed()));
        }
        visited
    }
}

async fn a_client_that_stops_tells_its_server_how_far_its_calls_had_come(pair: &Pair) {
    let (told, mut seen) = mpsc::unbounded_channel();
    let owner = LandlordDispatcher::new(Owner(told));
    pair.server.marshal("owner", owner).unwrap();
    // The last answers have a quarter of a second.
    let mut are_told = false;
    for _ in 0..3 {
        are_told = are_told || the_server_learns_it(pair, &mut seen).await;
    }
    assert!(are_told);
}

async fn the_server_learns_it(
    pair: &Pair,
    seen: &mut mpsc::UnboundedReceiver<(ErrorKind, Executed)>,
) -> bool {
    let client = pair.another_client().await;
    let landlord: LandlordProxy = client.get(&pair.url("owner")).unwrap();
    let hall = Hall::new();
    let room = RoomProxy::local(hall.room());
    let inside = send(landlord.visit(room.clone())).await;
    take(&hall.entered, 1).await;
    let queued = send(landlord.visit(room.clone())).await;
    until(|| {
        client
            .connections()
            .iter()
            .any(|session| session.calls_in == 2)
    })
    .await;
    client.run_until(std::future::ready(())).await;
    drop((inside.await, queued.await));
    let both = [seen.recv().await, seen.recv().await];
    both.iter()
        .flatten()
        .all(|(kind, _)| *kind == ErrorKind::Overloaded)
        && both
            .iter()
            .flatten()
            .any(|(_, executed)| *executed == Executed::No)
}
