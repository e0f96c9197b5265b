//! Objects by reference: in arguments, results and errors, both ways and onwards.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, GoneReason};

use crate::pair::{Pair, statements, until};
use crate::tower::*;

statements! { channels with references:
    s15_a_factory_makes_objects_that_are_independent,
    s21_an_object_outlives_the_publication_of_its_factory,
    s24_a_reference_that_comes_home_is_the_original_object,
    a_host_that_is_dropped_lets_go_what_it_keeps,
    what_comes_home_has_the_lease_that_it_has_abroad,
    many_who_ask_at_once_hold_one_object,
    s56_an_object_of_the_client_is_called_over_the_clients_own_connection,
    proxies_travel_in_collections_structs_and_errors,
    an_object_is_let_go_when_its_last_proxy_is_dropped,
    one_object_that_is_sent_many_times_is_one_object,
    a_reference_of_a_third_party_is_forwarded,
    a_proxy_by_url_travels_and_its_object_is_called,
    what_no_value_took_is_given_back,
    a_wrong_interface_is_refused_before_the_call,
    a_callback_may_call_back_until_it_is_too_deep,
    a_call_that_is_never_polled_exports_nothing,
    a_reference_into_a_server_that_was_started_anew_says_so,
    s58_a_reference_is_refused_unless_it_is_declared_and_is_never_an_address,
}

async fn s15_a_factory_makes_objects_that_are_independent(pair: &Pair) {
    let (_, tower) = tower(pair);
    let first = tower.cast().await.unwrap();
    let second = tower.cast().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(first.ring(1).await.unwrap(), 1);
    assert_eq!(first.ring(1).await.unwrap(), 2);
    assert_eq!(second.ring(1).await.unwrap(), 1);
    assert!(!first.is_local());
}

async fn s21_an_object_outlives_the_publication_of_its_factory(pair: &Pair) {
    let (_, tower) = tower(pair);
    let bell = tower.cast().await.unwrap();
    assert!(pair.server.disconnect("tower").unwrap());
    assert_eq!(bell.ring(2).await.unwrap(), 2);
    let error = tower.cast().await.unwrap_err();
    assert!(error.is_no_such_object(), "{error:?}");
}

async fn s24_a_reference_that_comes_home_is_the_original_object(pair: &Pair) {
    let (stone, tower) = tower(pair);
    let bell = tower.cast().await.unwrap();
    assert!(tower.keep(bell.clone()).await.unwrap(), "it is local there");
    assert_eq!(bell.ring(1).await.unwrap(), 1);
    assert_eq!(tower.ring(bell.clone(), 1).await.unwrap(), 2);
    assert_eq!(tower.hand_back(bell.clone()).await.unwrap(), bell);
    let own = BellProxy::local(Brass::default());
    let back = tower.hand_back(own.clone()).await.unwrap();
    assert!(back.is_local());
    assert_eq!(back, own);
    // What the server has at home it has for good: no client keeps it alive, and none ends it.
    let kept = tower.kept().await.unwrap().unwrap();
    drop((bell, kept));
    let kept = stone.kept.lock().unwrap().clone().unwrap();
    let rung = kept.ring(1).await;
    assert_eq!(rung.unwrap(), 3);
}

async fn what_comes_home_has_the_lease_that_it_has_abroad(pair: &Pair) {
    let (stone, tower) = tower(pair);
    let bell = tower.cast().await.unwrap();
    tower.keep(bell.clone()).await.unwrap();
    let home = stone.kept.lock().unwrap().clone().unwrap();
    assert!(home.is_local());
    let long = std::time::Duration::from_secs(2000);
    home.lease().renew(long).await.unwrap();
    let (home, abroad) = (home.lease().info().await, bell.lease().info().await);
    let (home, abroad) = (home.unwrap(), abroad.unwrap());
    assert_eq!(home.state, abroad.state);
    assert!(home.remaining.unwrap() > long / 2 && abroad.remaining.unwrap() > long / 2);
}

async fn many_who_ask_at_once_hold_one_object(pair: &Pair) {
    let (stone, tower) = tower(pair);
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(pair.another_client().await);
    }
    let url = tower.url().unwrap();
    for _ in 0..50 {
        let released = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&released);
        let dispatcher = BellDispatcher::new(Brass::default()).on_released(move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        *stone.kept.lock().unwrap() = Some(dispatcher.proxy());
        let asked = clients.iter().map(|client| {
            let theirs: TowerProxy = client.get(&url).unwrap();
            tokio::spawn(async move { theirs.kept().await.unwrap().unwrap() })
        });
        let mut bells = Vec::new();
        for asked in asked.collect::<Vec<_>>() {
            bells.push(asked.await.unwrap());
        }
        assert_eq!(pair.server.kept_objects(), 2, "the tower and one bell");
        while let Some(bell) = bells.pop() {
            assert_eq!(released.load(Ordering::SeqCst), 0, "somebody holds it");
            bell.ring(1).await.unwrap();
        }
        until(|| released.load(Ordering::SeqCst) == 1).await;
    }
}

async fn a_host_that_is_dropped_lets_go_what_it_keeps(pair: &Pair) {
    let (told, mut reasons) = tokio::sync::mpsc::unbounded_channel();
    let client = pair.another_client().await;
    let lent = BellDispatcher::new(Brass::default());
    let lent = lent.on_released(move |_, reason| told.send(reason).unwrap());
    let (_, tower) = tower(pair);
    let theirs: TowerProxy = client.get(&tower.url().unwrap()).unwrap();
    theirs.keep(lent.proxy()).await.unwrap();
    assert_eq!(client.kept_objects(), 1);
    drop((theirs, client));
    assert_eq!(reasons.recv().await, Some(GoneReason::Drained));
}

async fn s56_an_object_of_the_client_is_called_over_the_clients_own_connection(pair: &Pair) {
    let (_, tower) = tower(pair);
    let rung = Arc::default();
    let bell = BellProxy::local(Brass::counted(&rung));
    assert_eq!(tower.ring(bell.clone(), 3).await.unwrap(), 3);
    assert!(!tower.keep(bell).await.unwrap(), "it is remote there");
    assert_eq!(rung.load(Ordering::SeqCst), 3);
    assert_eq!(pair.client.open_connections(), 1);
    assert_eq!(pair.server.open_connections(), 1);
}

async fn proxies_travel_in_collections_structs_and_errors(pair: &Pair) {
    let (stone, tower) = tower(pair);
    let shelf = tower.shelf(3).await.unwrap();
    assert_eq!(stone.bells(), 5);
    assert_eq!(shelf.rest[1].ring(7).await.unwrap(), 7);
    assert_eq!(shelf.named["great"].ring(2).await.unwrap(), 2);
    assert_eq!(tower.ring_all(shelf).await.unwrap(), 8 + 3 + 3);
    let Err(TowerError::Instead(bell)) = tower.refuse().await else {
        panic!("it did not refuse")
    };
    assert_eq!(bell.ring(1).await.unwrap(), 1);
    drop(bell);
    until(|| stone.bells() == 0).await;
}

async fn an_object_is_let_go_when_its_last_proxy_is_dropped(pair: &Pair) {
    let (stone, tower) = tower(pair);
    let bell = tower.cast().await.unwrap();
    let other = bell.clone();
    drop(bell);
    assert_eq!(other.ring(1).await.unwrap(), 1);
    assert_eq!(stone.bells(), 1);
    drop(other);
    until(|| stone.bells() == 0).await;

    let alive = Arc::new(());
    let own = BellProxy::local(Brass {
        _alive: Some(Arc::clone(&alive)),
        ..Brass::default()
    });
    tower.keep(own).await.unwrap();
    assert_eq!(Arc::strong_count(&alive), 2, "the server holds it");
    stone.kept.lock().unwrap().take();
    until(|| Arc::strong_count(&alive) == 1).await;
}

async fn one_object_that_is_sent_many_times_is_one_object(pair: &Pair) {
    let (stone, tower) = tower(pair);
    let bell = BellProxy::local(Brass::default());
    assert!(tower.is_same(bell.clone(), bell.clone()).await.unwrap());
    let other = BellProxy::local(Brass::default());
    assert!(!tower.is_same(bell.clone(), other.clone()).await.unwrap());
    tower.keep(bell.clone()).await.unwrap();
    let held = stone.kept.lock().unwrap().clone().unwrap();
    tower.keep(bell.clone()).await.unwrap();
    let again = stone.kept.lock().unwrap().clone().unwrap();
    assert_eq!(held, again);
    drop(held);
    assert_eq!(again.ring(1).await.unwrap(), 1);
}

async fn a_reference_of_a_third_party_is_forwarded(pair: &Pair) {
    let (stone, tower) = tower(pair);
    let rung = Arc::default();
    tower
        .keep(BellProxy::local(Brass::counted(&rung)))
        .await
        .unwrap();
    let stranger = pair.another_client().await;
    let other: TowerProxy = stranger.get(&pair.url("tower")).unwrap();
    let bell = other.kept().await.unwrap().unwrap();
    assert_eq!(bell.ring(4).await.unwrap(), 4, "through the server");
    assert_eq!(rung.load(Ordering::SeqCst), 4);

    // References in a forwarded call go along, and an answer's come back.
    let own = BellProxy::local(Brass::default());
    let met = bell.echo(own.clone(), bell.clone(), 3).await.unwrap();
    assert_eq!(met, 3);
    // Sent home, the forwarder is undone.
    other.keep(bell).await.unwrap();
    let kept = stone.kept.lock().unwrap().clone().unwrap();
    assert!(!kept.is_local());
    assert_eq!(kept.ring(1).await.unwrap(), 4 + 2 + 1);
}

async fn a_proxy_by_url_travels_and_its_object_is_called(pair: &Pair) {
    let (stone, tower) = tower(pair);
    let rung = Arc::default();
    pair.server
        .marshal("bell", BellDispatcher::new(Brass::counted(&rung)))
        .unwrap();
    let bell: BellProxy = pair.get("bell");
    assert_eq!(tower.ring(bell.clone(), 1).await.unwrap(), 1);
    assert_eq!(bell.ring(1).await.unwrap(), 2);
    assert!(tower.keep(bell).await.unwrap(), "found, it goes home");
    let kept = stone.kept.lock().unwrap().clone().unwrap();
    assert_eq!(kept.ring(1).await.unwrap(), 3);
}

/// What `Tower` has become elsewhere: its methods know less.
mod older {
    use remoting::prelude::*;

    #[remote(name = "Tower")]
    pub trait Older {
        async fn note(&self, name: &str) -> remoting::Result<()>;
        async fn keep(&self, bell: u64) -> remoting::Result<bool>;
        async fn cast(&self) -> remoting::Result<u64>;
    }
}

async fn what_no_value_took_is_given_back(pair: &Pair) {
    struct Deaf;
    impl older::Older for Deaf {
        async fn note(&self, _name: &str) -> remoting::Result<()> {
            Ok(())
        }
        async fn keep(&self, _bell: u64) -> remoting::Result<bool> {
            Ok(true)
        }
        async fn cast(&self) -> remoting::Result<u64> {
            Ok(7)
        }
    }
    pair.server
        .marshal("tower", older::OlderDispatcher::new(Deaf))
        .unwrap();
    let tower: TowerProxy = pair.get("tower");
    let alive = Arc::new(());
    let bell = || {
        BellProxy::local(Brass {
            _alive: Some(Arc::clone(&alive)),
            ..Brass::default()
        })
    };
    // An argument too many, one that is read as something else, and an unknown method.
    let error = tower.note("x", bell()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadArguments);
    assert!(tower.keep(bell()).await.unwrap());
    let error = tower.hand_back(bell()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchMethod);
    until(|| Arc::strong_count(&alive) == 1).await;
    // A number that names nothing that came along.
    let error = tower.cast().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadResult);
}

async fn a_wrong_interface_is_refused_before_the_call(pair: &Pair) {
    #[remote(name = "Tower")]
    trait Confused {
        async fn keep(&self, tower: TowerProxy) -> remoting::Result<bool>;
    }
    let (stone, tower) = tower(pair);
    let confused: ConfusedProxy = pair.get("tower");
    let error = confused.keep(tower).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadArguments);
    assert_eq!(error.executed(), Executed::No);
    assert!(stone.kept.lock().unwrap().is_none());
}

async fn a_callback_may_call_back_until_it_is_too_deep(pair: &Pair) {
    pair.server
        .marshal("bell", BellDispatcher::new(Brass::default()))
        .unwrap();
    let far: BellProxy = pair.get("bell");
    let near = BellProxy::local(Brass::default());
    // The first call stands below none, the last one below sixteen.
    let met = far.echo(near.clone(), far.clone(), 16).await.unwrap();
    assert_eq!(met, 16);
    let error = far.echo(near.clone(), far.clone(), 17).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamFailed, "{error:?}");
    assert_eq!(far.ring(0).await.unwrap(), 18, "nine times, and nine again");
}

async fn a_call_that_is_never_polled_exports_nothing(pair: &Pair) {
    let (_, tower) = tower(pair);
    let alive = Arc::new(());
    let bell = BellProxy::local(Brass {
        _alive: Some(Arc::clone(&alive)),
        ..Brass::default()
    });
    drop(tower.keep(bell));
    assert_eq!(Arc::strong_count(&alive), 1);
}

async fn a_reference_into_a_server_that_was_started_anew_says_so(pair: &Pair) {
    let server = pair.cell.listen_on(Host::builder(), "main");
    let server = server.start().await.unwrap();
    let stone = Stone::default();
    server
        .marshal("tower", TowerDispatcher::new(stone.clone()))
        .unwrap();
    let channel = server.channel("main").unwrap();
    let address = channel.address().unwrap();
    let url = pair.cell.way(channel.url("tower").unwrap());
    let tower: TowerProxy = pair.client.get(&url).unwrap();
    let bell = tower.cast().await.unwrap();
    // The same server, after an outage: the object is kept, and the hold on it is not.
    remoting::testing::cut(&pair.client);
    let error = bell.ring(1).await.unwrap_err();
    let kind = ErrorKind::ObjectGone(GoneReason::SessionExpired);
    assert_eq!((error.kind(), error.executed()), (kind, Executed::No));

    let bell = tower.cast().await.unwrap();
    server.shutdown();
    drop(server);
    // While the one that said goodbye is still connected, its word counts: it would be `Drained`.
    until(|| pair.client.open_connections() == 0).await;
    let server = pair.cell.server_at(&address).await;
    server
        .marshal("tower", TowerDispatcher::new(stone))
        .unwrap();
    let error = bell.ring(1).await.unwrap_err();
    let kind = ErrorKind::ObjectGone(GoneReason::ServerRestarted);
    assert_eq!((error.kind(), error.executed()), (kind, Executed::No));
    let again = tower.cast().await.unwrap();
    assert_eq!(again.ring(1).await.unwrap(), 1, "names are found anew");
    assert_ne!(again, bell);
}

async fn s58_a_reference_is_refused_unless_it_is_declared_and_is_never_an_address(pair: &Pair) {
    #[remote(name = "Tower")]
    trait Stern {
        async fn keep(&self, bell: String) -> remoting::Result<bool>;
    }
    struct Never;
    impl Stern for Never {
        async fn keep(&self, _: String) -> remoting::Result<bool> {
            panic!("nothing is constructed")
        }
    }
    pair.server
        .marshal("tower", SternDispatcher::new(Never))
        .unwrap();
    let tower: TowerProxy = pair.get("tower");
    let alive = Arc::new(());
    let bell = BellProxy::local(Brass {
        _alive: Some(Arc::clone(&alive)),
        ..Brass::default()
    });
    let error = tower.keep(bell).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadArguments);
    assert_eq!(error.executed(), Executed::No);
    until(|| Arc::strong_count(&alive) == 1).await;
}

#[tokio::test]
async fn a_proxy_outside_of_a_call_says_that_it_cannot_be_written() {
    static BELL: OnceLock<BellProxy> = OnceLock::new();
    let bell = BELL.get_or_init(|| BellProxy::local(Brass::default()));
    let error = serde_json::to_string(bell).unwrap_err();
    assert!(error.to_string().contains("OutsideCall"), "{error}");
    let error = serde_json::from_str::<BellProxy>("0").unwrap_err();
    assert!(error.to_string().contains("OutsideCall"), "{error}");
}
