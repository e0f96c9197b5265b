//! Listeners: objects of clients that a server tells what happens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, Removed, Subscribers, WhenFull};
use tokio::sync::Semaphore;

use crate::objects::take;
use crate::pair::{Pair, statements, until};

statements! { channels with references:
    s57_a_dead_listener_is_removed_and_reported_and_all_others_are_told,
    a_listener_may_read_what_its_notifier_holds,
    a_listener_that_is_awaited_may_read_what_is_shared_and_is_told_of_what_is_not,
    a_slow_listener_misses_the_oldest_and_is_told_how_many,
    a_slow_listener_that_wants_the_latest_gets_it,
    a_slow_listener_may_be_disconnected,
    a_listener_that_panics_fails_nobody,
    an_event_that_panics_is_missed_by_one_listener_and_no_other_event_is,
}

#[remote]
pub trait Listener {
    async fn changed(&self, value: u64, missed: u64) -> remoting::Result<()>;
}

#[remote]
pub trait Gauge {
    async fn watch(&self, listener: ListenerProxy) -> remoting::Result<()>;
    async fn set(&mut self, value: u64) -> remoting::Result<usize>;
    async fn get(&self) -> remoting::Result<u64>;
    /// Tells a listener, and waits until it has heard it.
    async fn tell(&self, listener: ListenerProxy) -> remoting::Result<()>;
    /// The same, while nobody else may use the gauge.
    async fn set_and_tell(&mut self, value: u64, listener: ListenerProxy) -> remoting::Result<()>;
}

#[derive(Default)]
struct Dial {
    value: u64,
    listeners: Subscribers<ListenerProxy>,
}

impl Gauge for Dial {
    async fn watch(&self, listener: ListenerProxy) -> remoting::Result<()> {
        self.listeners.add(listener);
        Ok(())
    }

    async fn set(&mut self, value: u64) -> remoting::Result<usize> {
        self.value = value;
        self.listeners
            .publish(move |listener, missed| listener.changed(value, missed));
        Ok(self.listeners.len())
    }

    async fn get(&self) -> remoting::Result<u64> {
        Ok(self.value)
    }

    async fn tell(&self, listener: ListenerProxy) -> remoting::Result<()> {
        listener.changed(self.value, 0).await
    }

    async fn set_and_tell(&mut self, value: u64, listener: ListenerProxy) -> remoting::Result<()> {
        self.value = value;
        listener.changed(value, 0).await
    }
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Scribe {
    told: Arc<Mutex<VecDeque<(u64, u64)>>>,
    /// Waits for a permit before it takes in an event.
    door: Option<Arc<Semaphore>>,
    entered: Option<Arc<Semaphore>>,
    gauge: Option<GaugeProxy>,
    /// Why it could not read the gauge.
    refused: Arc<Mutex<Option<(ErrorKind, Executed)>>>,
    panics: bool,
}

impl Scribe {
    fn told(&self) -> Vec<(u64, u64)> {
        self.told.lock().unwrap().iter().copied().collect()
    }

    fn slow() -> Self {
        Self {
            door: Some(Arc::new(Semaphore::new(0))),
            entered: Some(Arc::new(Semaphore::new(0))),
            ..Self::default()
        }
    }
}

impl Listener for Scribe {
    async fn changed(&self, value: u64, missed: u64) -> remoting::Result<()> {
        if let (Some(door), Some(entered)) = (&self.door, &self.entered) {
            entered.add_permits(1);
            take(door, 1).await;
        }
        assert!(!self.panics, "as it was told to");
        let value = match &self.gauge {
            Some(gauge) => gauge.get().await.inspect_err(|error| {
                *self.refused.lock().unwrap() = Some((error.kind(), error.executed()));
            })?,
            None => value,
        };
        self.told.lock().unwrap().push_back((value, missed));
        Ok(())
    }
}

fn gauge(pair: &Pair, listeners: Subscribers<ListenerProxy>) -> GaugeProxy {
    let dial = Dial {
        listeners,
        ..Dial::default()
    };
    pair.server
        .marshal("gauge", GaugeDispatcher::new(dial))
        .unwrap();
    pair.get("gauge")
}

async fn s57_a_dead_listener_is_removed_and_reported_and_all_others_are_told(pair: &Pair) {
    let removed = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&removed);
    let listeners = Subscribers::new().on_removed(move |_, why| notes.lock().unwrap().push(why));
    let gauge = gauge(pair, listeners);
    let mortal = pair.mortal_client().await;
    let theirs: GaugeProxy = mortal.get(&pair.url("gauge")).unwrap();
    theirs
        .watch(ListenerProxy::local(Scribe::default()))
        .await
        .unwrap();
    let scribes = [Scribe::default(), Scribe::default()];
    for scribe in &scribes {
        gauge
            .watch(ListenerProxy::local(scribe.clone()))
            .await
            .unwrap();
    }
    assert_eq!(gauge.set(1).await.unwrap(), 3);
    until(|| scribes.iter().all(|scribe| scribe.told() == [(1, 0)])).await;
    remoting::testing::cut(&mortal);
    until(|| pair.server.open_connections() == 1).await;
    gauge.set(2).await.unwrap();
    until(|| !removed.lock().unwrap().is_empty()).await;
    until(|| {
        scribes
            .iter()
            .all(|scribe| scribe.told() == [(1, 0), (2, 0)])
    })
    .await;
    assert!(matches!(removed.lock().unwrap()[..], [Removed::Gone(_)]));
    assert_eq!(gauge.set(3).await.unwrap(), 2);
}

async fn a_listener_may_read_what_its_notifier_holds(pair: &Pair) {
    let gauge = gauge(pair, Subscribers::new());
    let scribe = Scribe {
        gauge: Some(gauge.clone()),
        ..Scribe::default()
    };
    gauge
        .watch(ListenerProxy::local(scribe.clone()))
        .await
        .unwrap();
    gauge.set(7).await.unwrap();
    until(|| scribe.told() == [(7, 0)]).await;
}

async fn a_listener_that_is_awaited_may_read_what_is_shared_and_is_told_of_what_is_not(
    pair: &Pair,
) {
    let gauge = gauge(pair, Subscribers::new());
    let scribe = Scribe {
        gauge: Some(gauge.clone()),
        ..Scribe::default()
    };
    let listener = ListenerProxy::local(scribe.clone());
    gauge.tell(listener.clone()).await.unwrap();
    assert_eq!(scribe.told(), [(0, 0)]);
    let error = gauge.set_and_tell(7, listener).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamFailed, "{error:?}");
    let refused = scribe.refused.lock().unwrap().take();
    assert_eq!(refused, Some((ErrorKind::Reentrant, Executed::No)));
    assert_eq!(scribe.told().len(), 1);
    assert_eq!(gauge.get().await.unwrap(), 7);
}

/// Publishes 1 to 5 to a listener that takes in the first event only after that.
async fn told_when_slow(pair: &Pair, listeners: Subscribers<ListenerProxy>) -> (Scribe, usize) {
    let gauge = gauge(pair, listeners.clone());
    let scribe = Scribe::slow();
    gauge
        .watch(ListenerProxy::local(scribe.clone()))
        .await
        .unwrap();
    gauge.set(1).await.unwrap();
    take(scribe.entered.as_ref().unwrap(), 1).await;
    for value in 2..=5 {
        gauge.set(value).await.unwrap();
    }
    let left = listeners.len();
    scribe.door.as_ref().unwrap().add_permits(5);
    (scribe, left)
}

async fn a_slow_listener_misses_the_oldest_and_is_told_how_many(pair: &Pair) {
    let listeners = Subscribers::new().queue(2, WhenFull::DropOldest);
    let (scribe, left) = told_when_slow(pair, listeners).await;
    assert_eq!(left, 1);
    until(|| scribe.told().len() == 3).await;
    assert_eq!(scribe.told(), [(1, 0), (4, 2), (5, 0)]);
}

async fn a_slow_listener_that_wants_the_latest_gets_it(pair: &Pair) {
    let listeners = Subscribers::new().queue(1, WhenFull::Latest);
    let (scribe, left) = told_when_slow(pair, listeners).await;
    assert_eq!(left, 1);
    until(|| scribe.told().len() == 2).await;
    assert_eq!(scribe.told(), [(1, 0), (5, 3)]);
}

async fn a_slow_listener_may_be_disconnected(pair: &Pair) {
    let removed = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&removed);
    let listeners = Subscribers::new()
        .queue(2, WhenFull::Disconnect)
        .on_removed(move |_, why| notes.lock().unwrap().push(why));
    let (scribe, left) = told_when_slow(pair, listeners).await;
    assert_eq!(left, 0);
    assert_eq!(*removed.lock().unwrap(), [Removed::TooSlow]);
    until(|| scribe.told() == [(1, 0)]).await;
}

async fn a_listener_that_panics_fails_nobody(pair: &Pair) {
    let gauge = gauge(pair, Subscribers::new().patience(Duration::from_secs(60)));
    let (bad, good) = (
        Scribe {
            panics: true,
            ..Scribe::default()
        },
        Scribe::default(),
    );
    for scribe in [&bad, &good] {
        gauge
            .watch(ListenerProxy::local(scribe.clone()))
            .await
            .unwrap();
    }
    for value in 1..=3 {
        assert_eq!(gauge.set(value).await.unwrap(), 2);
    }
    until(|| good.told() == [(1, 0), (2, 0), (3, 0)]).await;
    assert!(bad.told().is_empty());
}

async fn an_event_that_panics_is_missed_by_one_listener_and_no_other_event_is(pair: &Pair) {
    let listeners = Subscribers::new();
    let gauge = gauge(pair, listeners.clone());
    let scribe = Scribe::default();
    let listener = ListenerProxy::local(scribe.clone());
    gauge.watch(listener).await.unwrap();
    listeners.publish(|listener: &ListenerProxy, _missed| {
        if !listener.is_local() {
            std::panic::resume_unwind(Box::new("as it was told to"));
        }
        listener.changed(1, 0)
    });
    // What is set later holds for those who listen already.
    let listeners = listeners.queue(8, WhenFull::DropOldest);
    assert_eq!(listeners.len(), 1);
    gauge.set(2).await.unwrap();
    until(|| scribe.told() == [(2, 1)]).await;
}
