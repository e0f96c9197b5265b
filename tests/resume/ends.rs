//! When a session does not come back: both sides end it, and say why.

use std::sync::atomic::Ordering;
use std::time::Duration;

use remoting::ConnectPolicy::FailFast;
use remoting::testing::{Lane, Trouble};
use remoting::{ErrorKind, Executed, GoneReason, Limits};
use tokio::time::timeout;

use crate::ground::*;

/// A client whose object and whose running call are at a server that is lost in some way.
async fn lose(
    limits: Limits,
    lose: impl AsyncFnOnce(&Ground),
) -> (Ground, LedgerProxy, remoting::Error) {
    let ground = Ground::with(Way::Tcp, limits).await;
    let own = ground.own_ledger(0).await;
    let ledger = ground.ledger().await;
    let waiting = tokio::spawn(ledger.wait());
    ground.book.doors.entered.acquire().await.unwrap().forget();
    lose(&ground).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::SessionLost, Executed::Unknown),
        "{error}"
    );
    (ground, own, error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_noticed_at_once() {
    let (ground, own, error) = lose(Limits::default(), async |ground| {
        ground.line.refuse().await;
        ground.line.cut_all();
    })
    .await;
    assert!(error.message().contains("nobody listens"), "{error}");
    let error = own.next().await.unwrap_err();
    assert_eq!(error.executed(), Executed::No, "{error}");
    assert_eq!(ground.book.count.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_started_anew_does_not_know_the_session_and_named_objects_are_found_again()
 {
    let other = Book::default();
    let another = serve(Way::Tcp, Limits::default(), &other, "127.0.0.1:0").await;
    let (ground, own, error) = lose(Limits::default(), async |ground| {
        ground.line.retarget(address(&another)).unwrap();
        ground.line.cut_all();
    })
    .await;
    assert!(error.message().contains("started anew"), "{error}");
    let gone = own.next().await.unwrap_err();
    assert_eq!(
        (gone.kind(), gone.executed()),
        (
            ErrorKind::ObjectGone(GoneReason::ServerRestarted),
            Executed::No
        ),
        "{gone}"
    );
    assert_eq!(ground.ledger().await.next().await.unwrap(), 1);
    assert_eq!(other.count.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_stays_away_too_long_ends_the_session_on_both_sides() {
    let mut limits = Limits::default();
    limits.resume_window = Duration::from_millis(200);
    let (ground, own, error) = lose(limits, async |ground| {
        ground.go_silent().await;
    })
    .await;
    assert!(
        error.message().contains("not made again in time"),
        "{error}"
    );
    until(|| ground.server.counters().resume_window.get() == 1).await;
    for lane in [Lane::ToServer, Lane::ToClient] {
        ground.line.set(lane, Trouble::none());
    }
    let gone = own.next().await.unwrap_err();
    assert_eq!(
        gone.kind(),
        ErrorKind::ObjectGone(GoneReason::SessionExpired),
        "{gone}"
    );
    assert_eq!(ground.ledger().await.next().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_never_sent_says_so_when_the_session_ends() {
    let mut limits = Limits::default();
    limits.resume_window = Duration::from_millis(200);
    limits.handshake_time = Duration::from_secs(1);
    let ground = Ground::with(Way::Tcp, limits).await;
    let own = ground.own_ledger(0).await;
    ground.go_silent().await;
    let error = own.next().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (
            ErrorKind::ObjectGone(GoneReason::SessionExpired),
            Executed::No
        ),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_a_line_was_not_executed_when_its_host_stops() {
    let mut limits = Limits::default();
    limits.handshake_time = Duration::from_secs(1);
    let ground = Ground::with(Way::Tcp, limits).await;
    let own = ground.own_ledger(0).await;
    ground.go_silent().await;
    let (error, ()) = tokio::join!(biased; async { own.next().await.unwrap_err() }, async {
        // The call was polled before.
        ground.client.shutdown();
    });
    assert_eq!(error.executed(), Executed::No, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_a_place_fails_fast_when_the_line_is_lost() {
    let mut limits = Limits::default();
    limits.calls_per_session = 1;
    let ground = Ground::between(Way::Tcp, Limits::default(), limits).await;
    let ledger = ground.ledger().await;
    ledger.next().await.unwrap();
    let _running = tokio::spawn(ledger.wait());
    ground.book.doors.entered.acquire().await.unwrap().forget();
    let before = ground.client.counters().calls_per_session.get();
    let queued = tokio::spawn(ledger.next().connect_policy(FailFast));
    until(|| ground.client.counters().calls_per_session.get() > before).await;
    ground.go_silent().await;
    // One that comes now fails at once.
    let error = ledger.next().connect_policy(FailFast).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    let ended = timeout(Duration::from_secs(20), queued).await;
    let error = ended.expect("so does this one").unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert_eq!(error.executed(), Executed::No);
}
