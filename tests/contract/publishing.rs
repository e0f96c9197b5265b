//! What is offered under which name, and taken back: statements 16 to 20, 23, 26 and 27.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, GoneReason};

use crate::objects::*;
use crate::pair::{Pair, statements};

statements! { every channel:
    s16_a_marshalled_object_is_reached_through_every_channel,
    s17_a_name_that_is_taken_stays_with_its_object,
    s18_an_object_marshalled_again_keeps_its_name,
    s19_a_disconnected_object_is_gone_and_says_so,
    s20_an_object_marshalled_again_is_found_by_old_proxies_with_its_state,
    s23_a_client_cannot_disconnect_the_object_of_a_server,
    s26_a_proxy_of_another_interface_is_refused_with_both_names,
    s27_names_that_differ_in_case_are_different_names,
    a_publication_is_taken_back_while_its_calls_go_on,
}

fn tally(first: u64) -> CounterDispatcher<Tally> {
    CounterDispatcher::new(Arc::<Census>::default().tally(first))
}

async fn s16_a_marshalled_object_is_reached_through_every_channel(pair: &Pair) {
    let (tcp, in_process) = (pair.cell.tcp(), pair.cell.in_process());
    for result in [
        pair.server.register_channel(tcp.named("a tcp")).await,
        pair.server
            .register_channel(in_process.named("an inproc"))
            .await,
    ] {
        assert!(result.unwrap().is_listening());
    }
    let reference = pair.server.marshal("x", tally(1)).unwrap();
    assert_eq!((reference.name(), reference.interface()), ("x", "Counter"));
    let urls = reference.urls();
    assert_eq!(urls.len(), 3, "{urls:?}");
    assert_eq!(urls, pair.server.urls("x"));
    for (url, count) in urls.iter().zip(1..) {
        let counter: CounterProxy = pair.client.get(url).unwrap();
        assert_eq!(counter.next().await.unwrap(), count, "{url}");
        assert_eq!(counter.url().as_deref(), Some(&**url));
    }
}

async fn s17_a_name_that_is_taken_stays_with_its_object(pair: &Pair) {
    pair.server.marshal("object", tally(7)).unwrap();
    let publication = CounterDispatcher::singleton(|| Arc::<Census>::default().tally(70));
    pair.server.publish("well-known", publication).unwrap();
    for name in ["object", "well-known"] {
        let error = pair.server.marshal(name, tally(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken);
        assert!(error.message().contains(name), "{error}");
        let publication = CounterDispatcher::singleton(|| Arc::<Census>::default().tally(1));
        let error = pair.server.publish(name, publication).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken);
    }
    assert_eq!(pair.get::<CounterProxy>("object").next().await.unwrap(), 7);
    let well_known: CounterProxy = pair.get("well-known");
    assert_eq!(well_known.next().await.unwrap(), 70);
    assert_eq!(pair.server.published(), ["object", "well-known"]);
}

async fn s18_an_object_marshalled_again_keeps_its_name(pair: &Pair) {
    let object = tally(1);
    let first = pair.server.marshal("x", object.clone()).unwrap();
    let again = pair.server.marshal("x", object.clone()).unwrap();
    assert_eq!(first, again);
    let error = pair.server.marshal("y", object.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameTaken);
    assert!(error.message().contains("`x`"), "{error}");
    assert_eq!(pair.server.published(), ["x"]);
    assert!(pair.server.disconnect("x").unwrap());
    pair.server.marshal("y", object).unwrap();
    assert_eq!(pair.get::<CounterProxy>("y").next().await.unwrap(), 1);
}

async fn s19_a_disconnected_object_is_gone_and_says_so(pair: &Pair) {
    let object = tally(1);
    let reference = pair.server.marshal("x", object.clone()).unwrap();
    let counter: CounterProxy = pair.get("x");
    assert_eq!(counter.next().await.unwrap(), 1);
    assert!(pair.server.disconnect(&reference).unwrap());
    let newcomer: CounterProxy = pair.get("x");
    for proxy in [&counter, &newcomer] {
        let error = proxy.next().await.unwrap_err();
        let gone = ErrorKind::ObjectGone(GoneReason::Disconnected);
        assert_eq!(error.kind(), gone, "{error}");
        assert_eq!(error.executed(), Executed::No);
        assert!(error.is_no_such_object() && error.is_remote());
        assert!(error.message().contains("`x`"), "{error}");
    }
    assert!(!pair.server.disconnect(&reference).unwrap());
    assert!(!pair.server.disconnect("x").unwrap());
    assert_eq!(object.proxy().next().await.unwrap(), 2, "it lives on here");

    let never: CounterProxy = pair.get("never");
    let error = never.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.is_no_such_object());
}

async fn s20_an_object_marshalled_again_is_found_by_old_proxies_with_its_state(pair: &Pair) {
    let object = tally(1);
    pair.server.marshal("x", object.clone()).unwrap();
    let counter: CounterProxy = pair.get("x");
    assert_eq!(counter.next().await.unwrap(), 1);
    assert!(pair.server.disconnect("x").unwrap());
    assert!(counter.next().await.is_err());
    pair.server.marshal("x", object).unwrap();
    assert_eq!(counter.next().await.unwrap(), 2);
}

async fn s23_a_client_cannot_disconnect_the_object_of_a_server(pair: &Pair) {
    let reference = pair.server.marshal("x", tally(1)).unwrap();
    let error = pair.client.disconnect(&reference).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRegistered);
    assert!(
        !pair.client.disconnect("x").unwrap(),
        "no name of the client's"
    );
    assert_eq!(pair.get::<CounterProxy>("x").next().await.unwrap(), 1);
    let publication = CounterDispatcher::singleton(|| Arc::<Census>::default().tally(1));
    pair.server.publish("published", publication).unwrap();
    let error = pair.server.disconnect("published").unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotRegistered,
        "it was not marshalled"
    );
}

async fn s26_a_proxy_of_another_interface_is_refused_with_both_names(pair: &Pair) {
    let made = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&made);
    let publication = CounterDispatcher::singleton(move || {
        own.fetch_add(1, Ordering::SeqCst);
        Arc::<Census>::default().tally(1)
    });
    pair.server.publish("counter", publication).unwrap();
    let room: RoomProxy = pair.get("counter");
    for _ in 0..2 {
        let error = room.add(1, 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongInterface, "{error}");
        assert_eq!(error.executed(), Executed::No);
        for name in ["`Room`", "`Counter`"] {
            assert!(error.message().contains(name), "{error}");
        }
    }
    assert_eq!(made.load(Ordering::SeqCst), 0);
    assert_eq!(pair.get::<CounterProxy>("counter").next().await.unwrap(), 1);
}

async fn s27_names_that_differ_in_case_are_different_names(pair: &Pair) {
    pair.server.marshal("bank", tally(1)).unwrap();
    let capital: CounterProxy = pair.get("Bank");
    let error = capital.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("case-sensitive"), "{error}");
    pair.server.marshal("Bank", tally(100)).unwrap();
    assert_eq!(capital.next().await.unwrap(), 100);
    assert_eq!(pair.get::<CounterProxy>("bank").next().await.unwrap(), 1);
}

async fn a_publication_is_taken_back_while_its_calls_go_on(pair: &Pair) {
    let hall = Hall::new();
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    let room: RoomProxy = pair.get("room");
    let visit = tokio::spawn(room.visit());
    take(&hall.entered, 1).await;
    assert!(pair.server.unpublish("room"));
    assert!(!pair.server.unpublish("room"));
    let error = room.add(1, 2).await.unwrap_err();
    assert!(error.is_no_such_object(), "{error}");
    hall.door.add_permits(1);
    visit.await.unwrap().unwrap();
}
