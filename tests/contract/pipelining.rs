//! Calls on what other calls return, before they have returned it.

use std::error::Error as _;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{Error, ErrorKind, Executed};
use tokio::time::Instant;

use crate::folder::*;
use crate::pair::{Pair, send, statements, until};

statements! { every channel:
    a_chain_of_calls_ends_with_what_its_last_call_returns,
    a_failure_ends_the_calls_that_depend_on_it_without_running_them,
    a_peer_that_cannot_be_reached_is_told_as_it_is,
}

statements! { channels with references:
    nothing_is_sent_before_it_is_needed,
    a_pipelined_proxy_stands_in_arguments,
    an_argument_for_another_connection_is_waited_for,
    a_failure_ends_the_calls_that_it_is_an_argument_of,
    calls_of_one_proxy_arrive_in_order_while_its_object_comes,
    calls_on_the_callers_own_object_come_back_to_it_in_order,
    calls_on_a_third_partys_object_go_on_to_it,
    clones_share_one_call,
    an_object_is_released_with_its_last_proxy,
    a_call_that_nobody_needs_any_more_is_cancelled,
    an_object_is_called_while_its_constructor_runs,
    options_are_for_the_call_that_they_were_set_on,
    a_handler_pipelines_too,
}

statements! { in virtual time:
    each_call_of_a_chain_has_its_own_deadline,
}

/// The kind of an error, what was executed, and the kind of what it comes from.
fn kinds(error: &Error) -> (ErrorKind, Executed, Option<ErrorKind>) {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<Error>());
    (error.kind(), error.executed(), cause.map(Error::kind))
}

async fn a_chain_of_calls_ends_with_what_its_last_call_returns(pair: &Pair) {
    let (shelf, root) = folder(pair);
    let b = root.open("a").pipelined().open("b").pipelined();
    assert_eq!(b.path().await.unwrap(), "/a/b");
    assert_eq!(b.open("c").pipelined().path().await.unwrap(), "/a/b/c");
    let settled = b.settled().await.unwrap();
    assert_eq!(settled.path().await.unwrap(), "/a/b");
    assert_eq!(b.path().await.unwrap(), "/a/b");
    assert_eq!((shelf.opened(), shelf.called()), (3, 4));
    let here = FolderProxy::local(Shelf::default().folder("here"));
    let below = here.open("a").pipelined().open("b").pipelined();
    assert_eq!(below.path().await.unwrap(), "here/a/b");
}

async fn a_failure_ends_the_calls_that_depend_on_it_without_running_them(pair: &Pair) {
    let (shelf, root) = folder(pair);
    for round in 1..=2 {
        let typed = root.missing("a").pipelined();
        let next = typed.open("b").pipelined();
        let upstream = (ErrorKind::UpstreamFailed, Executed::No, None);
        let (direct, later) = tokio::join!(typed.path(), next.path());
        assert_eq!(kinds(&direct.unwrap_err()), upstream);
        assert_eq!(kinds(&later.unwrap_err()), upstream);
        // When the failure is known, it is told without asking.
        assert_eq!(kinds(&next.path().await.unwrap_err()), upstream);
        let settled = typed.settled().await.unwrap_err();
        assert_eq!(settled.kind(), ErrorKind::UpstreamFailed);
        assert_eq!(settled.executed(), Executed::Yes);
        assert_eq!((shelf.opened(), shelf.called()), (2 * round - 1, 0));

        let broken = root.broken().pipelined();
        let cause = Some(ErrorKind::Internal);
        let upstream = (ErrorKind::UpstreamFailed, Executed::No, cause);
        let error = broken.open("b").pipelined().path().await.unwrap_err();
        assert_eq!(kinds(&error), upstream);
        assert_eq!(
            broken.settled().await.unwrap_err().kind(),
            ErrorKind::Internal
        );
        assert_eq!((shelf.opened(), shelf.called()), (2 * round, 0));
    }
}

async fn a_peer_that_cannot_be_reached_is_told_as_it_is(pair: &Pair) {
    let nowhere: FolderProxy = pair.client.get(&pair.cell.dead_url("folder")).unwrap();
    let error = nowhere.open("a").pipelined().path().await.unwrap_err();
    assert_eq!(
        kinds(&error),
        (ErrorKind::ConnectFailed, Executed::No, None)
    );
    let nobody: FolderProxy = pair.get("nobody");
    let error = nobody.open("a").pipelined().path().await.unwrap_err();
    let expected = (
        ErrorKind::UpstreamFailed,
        Executed::No,
        Some(ErrorKind::NotFound),
    );
    assert_eq!(kinds(&error), expected);
}

async fn nothing_is_sent_before_it_is_needed(pair: &Pair) {
    let (shelf, root) = folder(pair);
    drop(root.open("a").pipelined());
    let unused = root.open("b").pipelined();
    drop(unused.path());
    drop(unused);
    let used = root.open("c").pipelined();
    assert_eq!(root.path().await.unwrap(), "");
    assert_eq!(shelf.opened(), 0);
    assert_eq!(used.settled().await.unwrap().path().await.unwrap(), "/c");
    assert_eq!(shelf.opened(), 1);
}

async fn a_pipelined_proxy_stands_in_arguments(pair: &Pair) {
    let (shelf, root) = folder(pair);
    root.path().await.unwrap();
    let late = root.open_later("a").pipelined();
    let asked = send(root.path_of(late.clone())).await;
    let other = send(root.path_of(root.open("b").pipelined())).await;
    // One that waits for its argument holds up nobody.
    assert_eq!(other.await.unwrap().unwrap(), "/b");
    let chain = late.open("c").pipelined();
    let both = send(late.path_of(chain)).await;
    shelf.gate.add_permits(1);
    assert_eq!(asked.await.unwrap().unwrap(), "/a");
    assert_eq!(both.await.unwrap().unwrap(), "/a/c");
    // The object itself goes along when it is known.
    late.settled().await.unwrap();
    assert_eq!(root.path_of(late).await.unwrap(), "/a");
}

async fn an_argument_for_another_connection_is_waited_for(pair: &Pair) {
    let (_, root) = folder(pair);
    let other = pair.another_client().await;
    let theirs: FolderProxy = other.get(&pair.url("folder")).unwrap();
    let path = theirs.path_of(root.open("a").pipelined()).await;
    assert_eq!(path.unwrap(), "/a");
    // An object in this process takes what has come, too.
    let shelf = Shelf::default();
    let local = FolderProxy::local(shelf.folder("local"));
    let path = local.path_of(root.open("b").pipelined()).await;
    assert_eq!(path.unwrap(), "/b");
    let error = local.path_of(root.broken().pipelined()).await.unwrap_err();
    let cause = Some(ErrorKind::Internal);
    assert_eq!(
        kinds(&error),
        (ErrorKind::UpstreamFailed, Executed::No, cause)
    );
    assert_eq!(shelf.called(), 1);
}

async fn a_failure_ends_the_calls_that_it_is_an_argument_of(pair: &Pair) {
    let (shelf, root) = folder(pair);
    root.settled().await.unwrap().path().await.unwrap();
    let error = root.path_of(root.broken().pipelined()).await.unwrap_err();
    let cause = Some(ErrorKind::Internal);
    assert_eq!(
        kinds(&error),
        (ErrorKind::UpstreamFailed, Executed::No, cause)
    );
    let missing = root.missing("a").pipelined();
    let error = root
        .path_of(missing.open("b").pipelined())
        .await
        .unwrap_err();
    assert_eq!(
        kinds(&error),
        (ErrorKind::UpstreamFailed, Executed::No, None)
    );
    assert_eq!(shelf.called(), 1);
}

async fn calls_of_one_proxy_arrive_in_order_while_its_object_comes(pair: &Pair) {
    let (shelf, root) = folder(pair);
    root.path().await.unwrap();
    for round in 0..5 {
        let late = root.open_later("a").pipelined();
        let mut sent = Vec::new();
        for number in 0..100 {
            // In the middle of it the object comes, and its calls go another way.
            if number == 20 {
                shelf.gate.add_permits(1);
            }
            if number % 10 == 9 {
                late.scribble(number).await.unwrap();
            } else {
                sent.push(send(late.note(number)).await);
            }
            if number == 60 {
                for note in sent.drain(..) {
                    note.await.unwrap().unwrap();
                }
            }
        }
        for note in sent {
            note.await.unwrap().unwrap();
        }
        until(|| shelf.notes().len() == 100).await;
        let notes = std::mem::take(&mut *shelf.notes.lock().unwrap());
        assert_eq!(notes, (0..100).collect::<Vec<_>>(), "round {round}");
    }
}

async fn calls_on_the_callers_own_object_come_back_to_it_in_order(pair: &Pair) {
    let (_, root) = folder(pair);
    let shelf = Shelf::default();
    let own = FolderProxy::local(shelf.folder("own"));
    let back = root.hand_back(own.clone()).pipelined();
    assert_eq!(back.path().await.unwrap(), "own");
    let mut sent = Vec::new();
    let again = root.hand_back(own.clone()).pipelined();
    for number in 0..50 {
        sent.push(send(again.note(number)).await);
    }
    for note in sent {
        note.await.unwrap().unwrap();
    }
    assert_eq!(shelf.notes(), (0..50).collect::<Vec<_>>());
    let settled = again.settled().await.unwrap();
    assert!(settled.is_local() && again.is_local());
    assert_eq!(settled, own);
    assert_eq!(again.path().await.unwrap(), "own");
}

async fn calls_on_a_third_partys_object_go_on_to_it(pair: &Pair) {
    let (shelf, root) = folder(pair);
    let third = pair.another_client().await;
    let theirs: FolderProxy = third.get(&pair.url("folder")).unwrap();
    let far = Shelf::default();
    let lent = FolderProxy::local(far.folder("far"));
    // The server has it of somebody else, and lends it on.
    let kept = theirs.hand_back(lent.clone()).await.unwrap();
    assert_eq!(kept, lent);
    let keeper = KeeperDispatcher::new(Drawer(shelf.clone()));
    pair.server.marshal("keeper", keeper).unwrap();
    let keeper: KeeperProxy = third.get(&pair.url("keeper")).unwrap();
    keeper.keep(lent).await.unwrap();
    let linked = root.linked().pipelined();
    let (path, opened) = tokio::join!(linked.path(), linked.open("a").pipelined().path());
    assert_eq!(path.unwrap(), "far");
    assert_eq!(opened.unwrap(), "far/a");
    assert_eq!(far.opened(), 1);
    assert_eq!(shelf.called(), 0);
}

async fn clones_share_one_call(pair: &Pair) {
    let (shelf, root) = folder(pair);
    let late = root.open_later("a").pipelined();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let late = late.clone();
            tokio::spawn(async move { late.path().await })
        })
        .collect();
    drop(late);
    until(|| shelf.opened() == 1).await;
    shelf.gate.add_permits(1);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "/a");
    }
    assert_eq!((shelf.opened(), shelf.called()), (1, 8));
}

async fn an_object_is_released_with_its_last_proxy(pair: &Pair) {
    let (shelf, root) = folder(pair);
    assert_eq!(shelf.folders(), 1);
    for _ in 0..20 {
        let a = root.open("a").pipelined();
        let b = a.open("b").pipelined();
        assert_eq!(b.path().await.unwrap(), "/a/b");
        let clone = b.clone();
        drop((a, b));
        assert_eq!(clone.path().await.unwrap(), "/a/b");
        drop(clone);
        // Without any call on the first, and with its answer never asked for.
        drop(send(root.open("c").pipelined().path()).await.await);
    }
    until(|| shelf.folders() == 1).await;
    assert_eq!(pair.server.kept_objects(), 1);
}

async fn a_call_that_nobody_needs_any_more_is_cancelled(pair: &Pair) {
    let (shelf, root) = folder(pair);
    let late = root.open_later("a").pipelined();
    let asked = send(late.path()).await;
    until(|| shelf.waiting() == 1).await;
    // The call through the proxy still needs it.
    drop(late);
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    until(|| shelf.waiting() == 0).await;
    assert_eq!(root.path().await.unwrap(), "");
    assert_eq!((shelf.opened(), shelf.called(), shelf.folders()), (1, 1, 1));
}

async fn an_object_is_called_while_its_constructor_runs(pair: &Pair) {
    let shelf = Shelf::default();
    let activated = FolderDispatcher::<Paper>::activated_with(Stationer(shelf.clone()));
    pair.server.publish("folders", activated).unwrap();
    let made = pair
        .client
        .activate::<FolderProxy>(&pair.url("folders"))
        .create("made")
        .pipelined();
    assert_eq!(made.open("a").pipelined().path().await.unwrap(), "made/a");
    assert_eq!(made.path().await.unwrap(), "made");
    drop(made);
    until(|| shelf.folders() == 1).await;
    let none = pair
        .client
        .activate::<FolderProxy>(&pair.url("folders"))
        .create("none")
        .pipelined();
    let error = none.path().await.unwrap_err();
    assert_eq!(
        kinds(&error),
        (ErrorKind::UpstreamFailed, Executed::No, None)
    );
    assert_eq!(shelf.opened(), 3);
    let absent = pair
        .client
        .activate::<FolderProxy>(&pair.url("nobody"))
        .create("made")
        .pipelined();
    let error = absent.open("a").pipelined().path().await.unwrap_err();
    assert_eq!(kinds(&error).1, Executed::No);
    assert_eq!(absent.path().await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn options_are_for_the_call_that_they_were_set_on(pair: &Pair) {
    let (_, root) = folder(pair);
    let opened = root.open("a").header("tenant", "blue").pipelined();
    assert_eq!(opened.header("tenant").await.unwrap(), None);
    let call = opened.header("tenant").header("tenant", "red");
    assert_eq!(call.await.unwrap().as_deref(), Some("red"));
}

async fn a_handler_pipelines_too(pair: &Pair) {
    let (shelf, root) = folder(pair);
    let own = KeeperProxy::local(Drawer(shelf.clone()));
    let inner = own.path_below(root.clone(), "a");
    assert_eq!(inner.await.unwrap(), "/a/x");
    let keeper = KeeperDispatcher::new(Drawer(shelf.clone()));
    pair.server.marshal("keeper", keeper).unwrap();
    let keeper: KeeperProxy = pair.get("keeper");
    let mine = FolderProxy::local(Shelf::default().folder("mine"));
    assert_eq!(keeper.path_below(mine, "b").await.unwrap(), "mine/b/x");
}

async fn each_call_of_a_chain_has_its_own_deadline(pair: &Pair) {
    let (shelf, root) = folder(pair);
    root.path().await.unwrap();
    let begun = Instant::now();
    let late = root.open_later("a").pipelined();
    let soon = late.path().deadline(Duration::from_secs(2));
    let error = soon.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(begun.elapsed().as_secs(), 2);
    shelf.gate.add_permits(1);
    assert_eq!(late.path().await.unwrap(), "/a");
    // The first one's passes, and with it the reason for the other.
    let first = root.open_later("b").deadline(Duration::from_secs(3));
    let late = first.pipelined();
    let error = late.path().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamFailed);
    assert_eq!(error.executed(), Executed::No);
    assert!(begun.elapsed() < Duration::from_secs(6));
    let error = late.settled().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(shelf.called(), 2);
}
