//! How objects come to be: statements 1 to 5 and 8 to 14.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use crate::objects::*;
use crate::pair::{Pair, statements, until};

statements! { every channel:
    s01_a_singleton_counts_on_for_all_clients,
    s02_a_singleton_is_made_by_the_first_call_and_not_before,
    s03_sixteen_first_calls_make_one_singleton,
    s04_calls_of_a_singleton_overlap,
    s05_a_single_call_object_is_new_for_each_call,
    s08_a_singleton_that_cannot_be_made_is_tried_again_by_each_call,
    s09_a_proxy_of_a_server_that_does_not_run_fails_at_its_first_call,
    a_factory_that_panics_fails_its_call_and_no_other,
}

statements! { channels with references:
    s10_a_constructor_runs_once_at_the_server_before_any_method,
    s11_activated_objects_are_independent_and_end_with_their_proxies,
    s12_what_is_not_registered_for_activation_cannot_be_activated,
    s13_a_constructor_that_fails_leaves_nothing_behind,
    s14_a_registered_interface_is_constructed_at_its_url,
}

async fn s01_a_singleton_counts_on_for_all_clients(pair: &Pair) {
    let census = Arc::<Census>::default();
    let publication = CounterDispatcher::singleton(move || census.tally(1));
    pair.server.publish("counter", publication).unwrap();
    let other = pair.another_client().await;
    let first: CounterProxy = pair.get("counter");
    let second: CounterProxy = other.get(&pair.url("counter")).unwrap();
    assert_eq!(first.next().await.unwrap(), 1);
    assert_eq!(second.next().await.unwrap(), 2);
}

async fn s02_a_singleton_is_made_by_the_first_call_and_not_before(pair: &Pair) {
    let census = Arc::<Census>::default();
    let own = Arc::clone(&census);
    let publication = CounterDispatcher::singleton(move || own.tally(1));
    pair.server.publish("counter", publication).unwrap();
    let counter: CounterProxy = pair.get("counter");
    let connected: CounterProxy = pair.client.connect(&pair.url("counter")).await.unwrap();
    assert_eq!(census.born(), 0, "a proxy makes no object");
    counter.next().await.unwrap();
    connected.next().await.unwrap();
    assert_eq!(census.born(), 1);
}

async fn s03_sixteen_first_calls_make_one_singleton(pair: &Pair) {
    let census = Arc::<Census>::default();
    let (begun, finish) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let own = (Arc::clone(&census), Arc::clone(&begun), Arc::clone(&finish));
    let publication = CounterDispatcher::try_singleton(move || {
        let (census, begun, finish) = own.clone();
        async move {
            let tally = census.tally(1);
            begun.add_permits(1);
            take(&finish, 1).await;
            Ok::<_, String>(tally)
        }
    });
    pair.server.publish("slow", publication).unwrap();
    let slow: CounterProxy = pair.get("slow");
    let mut calls = JoinSet::new();
    for _ in 0..16 {
        calls.spawn(slow.next());
    }
    take(&begun, 1).await;
    finish.add_permits(16);
    let mut counts: Vec<_> = calls
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=16).collect::<Vec<_>>());
    assert_eq!(census.born(), 1);
}

/// Lets nobody go before all are there.
#[remote]
pub trait Meeting {
    async fn meet(&self) -> remoting::Result<()>;
}

struct Table(Barrier);

impl Meeting for Table {
    async fn meet(&self) -> remoting::Result<()> {
        self.0.wait().await;
        Ok(())
    }
}

async fn s04_calls_of_a_singleton_overlap(pair: &Pair) {
    let publication = MeetingDispatcher::singleton(|| Table(Barrier::new(8)));
    pair.server.publish("table", publication).unwrap();
    let table: MeetingProxy = pair.get("table");
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        calls.spawn(table.meet());
    }
    assert!(calls.join_all().await.into_iter().all(|met| met.is_ok()));
}

async fn s05_a_single_call_object_is_new_for_each_call(pair: &Pair) {
    let census = Arc::<Census>::default();
    let own = Arc::clone(&census);
    let publication = CounterDispatcher::single_call(move || own.tally(1));
    pair.server.publish("single", publication).unwrap();
    let single: CounterProxy = pair.get("single");
    assert_eq!(single.next().await.unwrap(), 1);
    assert_eq!(single.next().await.unwrap(), 1);
    let (first, second) = (single.number().await, single.number().await);
    assert_ne!(first.unwrap(), second.unwrap());
    assert_eq!(census.born(), 4);
    until(|| census.died() == 4).await;
}

async fn s08_a_singleton_that_cannot_be_made_is_tried_again_by_each_call(pair: &Pair) {
    let tries = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&tries);
    let publication = CounterDispatcher::<Tally>::try_singleton(move || {
        let try_number = own.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Err(format!("no such ledger, try {try_number}")) }
    });
    pair.server.publish("broken", publication).unwrap();
    let broken: CounterProxy = pair.get("broken");
    for try_number in 1..=2 {
        let error = broken.next().await.unwrap_err();
        let text = format!("no such ledger, try {try_number}");
        assert!(error.message().contains(&text), "{error}");
    }
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

async fn s09_a_proxy_of_a_server_that_does_not_run_fails_at_its_first_call(pair: &Pair) {
    let url = pair.cell.dead_url("counter");
    let counter: CounterProxy = pair.client.get(&url).unwrap();
    let error = counter.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error}");
    assert_eq!(error.executed(), Executed::No);
    let address = url.trim_end_matches("/counter");
    let address = address.trim_start_matches("tcp://");
    assert!(error.message().contains(address), "{error}");
}

async fn a_factory_that_panics_fails_its_call_and_no_other(pair: &Pair) {
    let works = Arc::<Census>::default();
    let singleton = CounterDispatcher::singleton(|| -> Tally { panic_quietly("no factory") });
    let single_call = CounterDispatcher::single_call(|| -> Tally { panic_quietly("no factory") });
    pair.server.publish("singleton", singleton).unwrap();
    pair.server.publish("single-call", single_call).unwrap();
    let publication = CounterDispatcher::singleton(move || works.tally(1));
    pair.server.publish("works", publication).unwrap();
    for name in ["singleton", "single-call", "singleton"] {
        let broken: CounterProxy = pair.get(name);
        let error = broken.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{name}: {error}");
        assert_eq!(error.executed(), Executed::Yes, "{name}: {error}");
    }
    let works: CounterProxy = pair.get("works");
    assert_eq!(works.next().await.unwrap(), 1);
}

/// Somebody with a name, or without.
#[remote]
pub trait Person {
    #[constructor]
    async fn named(name: &str, sex: &str, age: u32) -> remoting::Result<Self>;
    #[constructor]
    async fn nobody() -> remoting::Result<Self>;

    async fn name(&self) -> remoting::Result<String>;
}

struct Citizen(String);

impl Person for Citizen {
    async fn name(&self) -> remoting::Result<String> {
        Ok(self.0.clone())
    }
}

/// Writes down what it is asked for.
#[derive(Clone, Default)]
struct Registrar(Arc<std::sync::Mutex<Vec<String>>>);

impl Registrar {
    fn register(&self, entry: String) -> Citizen {
        self.0.lock().unwrap().push(entry.clone());
        Citizen(entry)
    }
}

impl PersonFactory for Registrar {
    type Object = Citizen;

    async fn named(&self, name: &str, sex: &str, age: u32) -> remoting::Result<Citizen> {
        Ok(self.register(format!("{name}/{sex}/{age}")))
    }

    async fn nobody(&self) -> remoting::Result<Citizen> {
        Ok(self.register("nobody".to_owned()))
    }
}

async fn s10_a_constructor_runs_once_at_the_server_before_any_method(pair: &Pair) {
    let registrar = Registrar::default();
    let publication = PersonDispatcher::activated_with(registrar.clone());
    pair.server.publish("people", publication).unwrap();
    let people = pair.client.activate::<PersonProxy>(&pair.url("people"));
    let wayfarer = people.named("Wayfarer", "male", 16).await.unwrap();
    assert_eq!(*registrar.0.lock().unwrap(), ["Wayfarer/male/16"]);
    assert_eq!(wayfarer.name().await.unwrap(), "Wayfarer/male/16");
    assert_eq!(registrar.0.lock().unwrap().len(), 1);
    let nobody = people.nobody().await.unwrap();
    assert_eq!(nobody.name().await.unwrap(), "nobody");
}

async fn s11_activated_objects_are_independent_and_end_with_their_proxies(pair: &Pair) {
    let census = Arc::<Census>::default();
    let publication = CounterDispatcher::activated_with(TallyFactory(Arc::clone(&census)));
    pair.server.publish("counters", publication).unwrap();
    let counters = pair.client.activate::<CounterProxy>(&pair.url("counters"));
    let ten = counters.starting_at(10).await.unwrap();
    let fifty = counters.starting_at(50).await.unwrap();
    assert_ne!(ten, fifty);
    assert_eq!(ten.next().await.unwrap(), 10);
    assert_eq!(fifty.next().await.unwrap(), 50);
    assert_eq!(ten.next().await.unwrap(), 11);
    assert_eq!(pair.server.kept_objects(), 2);
    let clone = ten.clone();
    drop(ten);
    assert_eq!(
        clone.next().await.unwrap(),
        12,
        "a clone holds the object too"
    );
    drop(clone);
    census.death.notified().await;
    assert_eq!(fifty.next().await.unwrap(), 51);
    drop(fifty);
    census.death.notified().await;
    until(|| pair.server.kept_objects() == 0).await;
}

async fn s12_what_is_not_registered_for_activation_cannot_be_activated(pair: &Pair) {
    let census = Arc::<Census>::default();
    let own = Arc::clone(&census);
    let publication = CounterDispatcher::singleton(move || own.tally(1));
    pair.server.publish("well-known", publication).unwrap();
    for (name, kind) in [
        ("well-known", ErrorKind::NotActivatable),
        ("nothing", ErrorKind::NotFound),
    ] {
        let activator = pair.client.activate::<CounterProxy>(&pair.url(name));
        let error = activator.starting_at(1).await.unwrap_err();
        assert_eq!(error.remoting().kind(), kind, "{error}");
        assert_eq!(error.remoting().executed(), Executed::No);
    }
    assert_eq!(census.born(), 0);
    let publication = CounterDispatcher::<Tally>::activated();
    pair.server.publish("activated", publication).unwrap();
    let by_name: CounterProxy = pair.get("activated");
    let error = by_name.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotActivatable, "{error}");
    assert_eq!(error.executed(), Executed::No, "{error}");
    assert!(error.message().contains("activate"), "{error}");
}

async fn s13_a_constructor_that_fails_leaves_nothing_behind(pair: &Pair) {
    let census = Arc::<Census>::default();
    let publication = CounterDispatcher::activated_with(TallyFactory(Arc::clone(&census)));
    pair.server.publish("counters", publication).unwrap();
    let counters = pair.client.activate::<CounterProxy>(&pair.url("counters"));
    let error = counters.starting_at(0).await.unwrap_err();
    assert_eq!(error, AppError::Insufficient { available: 1 });
    assert_eq!(error.to_string(), "only 1 left");
    assert_eq!((census.born(), census.died()), (1, 1));
    assert_eq!(pair.server.kept_objects(), 0);
    assert_eq!(
        counters.starting_at(7).await.unwrap().next().await.unwrap(),
        7
    );
}

/// An interface of this statement alone: registrations are for the whole process.
#[remote]
pub trait Visitor {
    #[constructor]
    async fn arrive(name: &str) -> remoting::Result<Self>;
    async fn name(&self) -> remoting::Result<String>;
}

struct Guest(String);

impl Visitor for Guest {
    async fn arrive(name: &str) -> remoting::Result<Self> {
        Ok(Self(name.to_owned()))
    }
    async fn name(&self) -> remoting::Result<String> {
        Ok(self.0.clone())
    }
}

async fn s14_a_registered_interface_is_constructed_at_its_url(pair: &Pair) {
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let error = VisitorProxy::arrive("Ann").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRegistered);
    assert!(error.message().contains("register_activated"), "{error}");
    let local = VisitorProxy::local(Guest::arrive("Bob").await.unwrap());
    assert!(local.is_local());

    let publication = VisitorDispatcher::<Guest>::activated();
    pair.server.publish("visitors", publication).unwrap();
    let client = pair.another_client().await;
    let url = pair.url("visitors");
    client.register_activated::<VisitorProxy>(&url).unwrap();
    let remote = VisitorProxy::arrive("Ann").await.unwrap();
    assert!(!remote.is_local());
    assert_eq!(remote.name().await.unwrap(), "Ann");
    let again = client.register_activated::<VisitorProxy>(&url).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NameTaken);

    drop((remote, client));
    let error = VisitorProxy::arrive("Ann").await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotRegistered,
        "ended with its host"
    );
}
