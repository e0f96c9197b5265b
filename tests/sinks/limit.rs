//! Not too many calls at once. The clock moves by itself where nothing else does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use remoting::prelude::*;
use remoting::sink::ConcurrencyLimit;
use remoting::{ErrorKind, Executed};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ground::{WAYS, client, listening, near, settle};

#[remote(name = "sinks.Hall")]
trait Hall {
    async fn stay(&self, name: String) -> remoting::Result<()>;
}

/// Whoever comes in stays until it is let out.
#[derive(Clone)]
struct Exit {
    out: Arc<Semaphore>,
    came: Arc<Mutex<Vec<String>>>,
}

impl Exit {
    fn new() -> Self {
        Self {
            out: Arc::new(Semaphore::new(0)),
            came: Arc::default(),
        }
    }

    fn came(&self) -> Vec<String> {
        self.came.lock().unwrap().clone()
    }

    /// Waits until so many have come in.
    async fn until(&self, came: usize) {
        while self.came().len() < came {
            tokio::task::yield_now().await;
        }
    }
}

impl Hall for Exit {
    async fn stay(&self, name: String) -> remoting::Result<()> {
        self.came.lock().unwrap().push(name);
        self.out.acquire().await.unwrap().forget();
        Ok(())
    }
}

/// A hall behind a limit, at the server.
async fn hall(name: &str, limit: ConcurrencyLimit) -> ((Host, Host), Exit, HallProxy) {
    let exit = Exit::new();
    let (server, client) = near(name, Host::builder(), Host::builder()).await;
    let own = exit.clone();
    let hall = HallDispatcher::singleton(move || own.clone());
    server.publish("hall", hall.sink(limit)).unwrap();
    let hall = client.get(&server.url("hall").unwrap()).unwrap();
    ((server, client), exit, hall)
}

fn spawn(hall: &HallProxy, name: &str) -> JoinHandle<remoting::Result<()>> {
    tokio::spawn(hall.stay(name.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn so_many_are_let_in_at_once_and_the_others_in_their_order() {
    let (_hosts, exit, hall) = hall("limit-order", ConcurrencyLimit::new(2)).await;
    let names = ["a", "b", "c", "d", "e"];
    let mut calls = Vec::new();
    for name in names {
        calls.push(spawn(&hall, name));
        settle().await;
    }
    assert_eq!(exit.came(), ["a", "b"]);
    for inside in 3..=5 {
        exit.out.add_permits(1);
        exit.until(inside).await;
        settle().await;
        assert_eq!(exit.came(), names[..inside]);
    }
    exit.out.add_permits(2);
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_the_queue_full_is_refused_at_once() {
    let wait = Duration::from_millis(700);
    let limit = ConcurrencyLimit::new(1).queue(1).wait(wait);
    let (_hosts, exit, hall) = hall("limit-full", limit).await;
    let inside = spawn(&hall, "inside");
    exit.until(1).await;
    let waiting = spawn(&hall, "waiting");
    settle().await;
    let begun = Instant::now();
    let error = hall.stay("late".to_owned()).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.executed(), Executed::No);
    assert_eq!(error.retry_after(), Some(wait));
    exit.out.add_permits(2);
    inside.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(exit.came(), ["inside", "waiting"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_waited_too_long_is_refused() {
    let wait = Duration::from_millis(700);
    let limit = ConcurrencyLimit::new(1).wait(wait);
    let (_hosts, exit, hall) = hall("limit-wait", limit).await;
    let _inside = spawn(&hall, "inside");
    exit.until(1).await;
    let begun = Instant::now();
    let error = hall.stay("late".to_owned()).await.unwrap_err();
    let took = begun.elapsed();
    assert!(took >= wait && took < 2 * wait, "{took:?}");
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.executed(), Executed::No);
    assert_eq!(exit.came(), ["inside"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_frees_its_place_and_its_turn() {
    let limit = ConcurrencyLimit::new(1).queue(1);
    let (_hosts, exit, hall) = hall("limit-drop", limit).await;
    let inside = spawn(&hall, "inside");
    exit.until(1).await;
    let waiting = spawn(&hall, "waiting");
    settle().await;
    waiting.abort();
    settle().await;
    let next = spawn(&hall, "next");
    settle().await;
    inside.abort();
    exit.until(2).await;
    assert_eq!(exit.came(), ["inside", "next"]);
    exit.out.add_permits(1);
    next.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_places() {
    let limit = ConcurrencyLimit::new(1).queue(0);
    let (_one_hosts, one_exit, one) = hall("limit-one", limit.clone()).await;
    let (_other_hosts, other_exit, other) = hall("limit-other", limit).await;
    let inside = spawn(&one, "inside");
    one_exit.until(1).await;
    let error = other.stay("other".to_owned()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    one_exit.out.add_permits(1);
    inside.await.unwrap().unwrap();
    other_exit.out.add_permits(1);
    other.stay("other".to_owned()).await.unwrap();
}

#[tokio::test]
async fn a_refusal_says_over_each_way_when_to_come_back() {
    for way in WAYS {
        for at_server in [false, true] {
            let limit = ConcurrencyLimit::new(1)
                .queue(0)
                .wait(Duration::from_secs(2));
            let (mut inner, mut outer) = (Host::builder(), Host::builder());
            match at_server {
                true => inner = inner.server_sink(limit),
                false => outer = outer.client_sink(limit),
            }
            let (server, client) = (listening(inner).await, client(outer));
            let exit = Exit::new();
            let own = exit.clone();
            let hall = HallDispatcher::singleton(move || own.clone());
            server.publish("hall", hall).unwrap();
            let hall: HallProxy = client.get(&way.url(&server, "hall")).unwrap();
            let inside = spawn(&hall, "inside");
            exit.until(1).await;
            let error = hall.stay("late".to_owned()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Overloaded, "{way:?} {at_server}");
            assert_eq!(error.executed(), Executed::No, "{way:?} {at_server}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(2)), "{way:?}");
            exit.out.add_permits(1);
            inside.await.unwrap().unwrap();
        }
    }
}
