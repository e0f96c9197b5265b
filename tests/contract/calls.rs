//! What a call promises while it runs: statements 34, 51, 55 and 61, and calls that are never made.

use std::sync::{Arc, Condvar, Mutex};

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::objects::*;
use crate::pair::{Pair, statements};

statements! { every channel:
    s34_a_call_that_takes_too_long_ends_in_time_and_the_next_one_works,
    s51_values_that_are_shared_arrive_as_copies,
    s51_values_that_nest_too_deep_are_refused_with_a_clear_error,
    s55_a_oneway_call_neither_waits_nor_holds_up_the_next_one,
    s61_a_call_is_answered_beside_64_that_sleep,
    s61_a_call_is_answered_beside_64_that_block,
    a_call_that_is_never_polled_sends_nothing,
}

/// Publishes a room and gives the client's proxy of it.
fn room(pair: &Pair) -> (Arc<Hall>, RoomProxy) {
    let hall = Hall::new();
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    (hall, pair.get("room"))
}

async fn s34_a_call_that_takes_too_long_ends_in_time_and_the_next_one_works(pair: &Pair) {
    let (hall, room) = room(pair);
    // The visitor was inside.
    overstay(&hall, &room).await;
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
}

/// A value that holds another one, however deep.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Nest(Vec<Nest>);

impl Nest {
    fn of_depth(depth: usize) -> Self {
        (1..depth).fold(Self::default(), |inner, _| Self(vec![inner]))
    }
}

/// A value that two owners share.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Shared(Arc<Mutex<String>>);

impl From<String> for Shared {
    fn from(text: String) -> Self {
        Self(Arc::new(Mutex::new(text)))
    }
}

impl From<Shared> for String {
    fn from(shared: Shared) -> Self {
        shared.text()
    }
}

impl Shared {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

#[remote]
pub trait Values {
    async fn nest(&self, nest: Nest) -> remoting::Result<()>;
    async fn nest_of(&self, depth: usize) -> remoting::Result<Nest>;
    /// Changes the first of the two.
    async fn change(&self, twins: (Shared, Shared)) -> remoting::Result<(Shared, Shared)>;
}

struct Echo;

impl Values for Echo {
    async fn nest(&self, _nest: Nest) -> remoting::Result<()> {
        Ok(())
    }

    async fn nest_of(&self, depth: usize) -> remoting::Result<Nest> {
        Ok(Nest::of_depth(depth))
    }

    async fn change(&self, twins: (Shared, Shared)) -> remoting::Result<(Shared, Shared)> {
        twins.0.0.lock().unwrap().push_str(", changed");
        Ok(twins)
    }
}

fn values(pair: &Pair) -> ValuesProxy {
    pair.server
        .marshal("values", ValuesDispatcher::new(Echo))
        .unwrap();
    pair.get("values")
}

async fn s51_values_that_are_shared_arrive_as_copies(pair: &Pair) {
    let shared = Shared::from("one".to_owned());
    let (first, second) = values(pair)
        .change((shared.clone(), shared.clone()))
        .await
        .unwrap();
    assert_eq!(first.text(), "one, changed");
    assert_eq!(second.text(), "one", "a copy of its own");
    assert_eq!(shared.text(), "one", "the caller's value stays as it was");
}

async fn s51_values_that_nest_too_deep_are_refused_with_a_clear_error(pair: &Pair) {
    let values = values(pair);
    values.nest(Nest::of_depth(50)).await.unwrap();
    let error = values.nest(Nest::of_depth(200)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadArguments);
    assert_eq!(error.executed(), Executed::No);
    assert!(
        error.message().contains("64"),
        "it names the limit: {error}"
    );
    let error = values.nest_of(200).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadResult);
    assert_eq!(error.executed(), Executed::Yes);
    assert!(
        error.message().contains("64"),
        "it names the limit: {error}"
    );
    assert_eq!(values.nest_of(50).await.unwrap(), Nest::of_depth(50));
}

async fn s55_a_oneway_call_neither_waits_nor_holds_up_the_next_one(pair: &Pair) {
    let (hall, room) = room(pair);
    room.drop_in().await.unwrap();
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
    take(&hall.entered, 1).await;
    assert_eq!(
        hall.left.available_permits(),
        0,
        "it is inside all the while"
    );
    hall.door.add_permits(1);
    take(&hall.left, 1).await;
    assert_eq!(room.add(3, 4).await.unwrap(), 7, "its error went nowhere");
}

async fn s61_a_call_is_answered_beside_64_that_sleep(pair: &Pair) {
    let (hall, room) = room(pair);
    let mut visits = JoinSet::new();
    for _ in 0..64 {
        visits.spawn(room.visit());
    }
    take(&hall.entered, 64).await;
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
    assert_eq!(hall.left.available_permits(), 0, "all 64 are inside");
    hall.door.add_permits(64);
    assert!(
        visits
            .join_all()
            .await
            .into_iter()
            .all(|visit| visit.is_ok())
    );
}

/// Keeps its callers' threads.
#[remote]
pub trait Cellar {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64>;
    #[blocking]
    async fn descend(&self) -> remoting::Result<()>;
}

#[derive(Clone)]
struct Steps {
    entered: Arc<Semaphore>,
    door: Arc<(Mutex<bool>, Condvar)>,
}

/// Opens the door when dropped, so that no test that fails leaves somebody behind it.
struct Opens<'s>(&'s Steps);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        *self.0.door.0.lock().unwrap() = true;
        self.0.door.1.notify_all();
    }
}

impl Cellar for Steps {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64> {
        Ok(a + b)
    }

    async fn descend(&self) -> remoting::Result<()> {
        self.entered.add_permits(1);
        let (open, opened) = &*self.door;
        drop(
            opened
                .wait_while(open.lock().unwrap(), |open| !*open)
                .unwrap(),
        );
        Ok(())
    }
}

async fn s61_a_call_is_answered_beside_64_that_block(pair: &Pair) {
    let steps = Steps {
        entered: Arc::new(Semaphore::new(0)),
        door: Arc::default(),
    };
    pair.server
        .marshal("cellar", CellarDispatcher::new(steps.clone()))
        .unwrap();
    let cellar: CellarProxy = pair.get("cellar");
    let door = Opens(&steps);
    let mut descents = JoinSet::new();
    for _ in 0..64 {
        descents.spawn(cellar.descend());
    }
    take(&steps.entered, 64).await;
    assert_eq!(cellar.add(1, 2).await.unwrap(), 3);
    assert_eq!(
        descents.try_join_next().map(|ended| ended.is_ok()),
        None,
        "all 64 are inside"
    );
    drop(door);
    assert!(
        descents
            .join_all()
            .await
            .into_iter()
            .all(|descent| descent.is_ok())
    );
}

async fn a_call_that_is_never_polled_sends_nothing(pair: &Pair) {
    let (hall, room) = room(pair);
    drop(room.visit());
    assert_eq!(pair.client.open_connections(), 0, "not even a connection");
    assert_eq!(room.add(1, 2).await.unwrap(), 3);
    assert_eq!(hall.entered.available_permits(), 0);
}
