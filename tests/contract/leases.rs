//! How long objects live: leases, holders, sponsors.
//!
//! Time is virtual: it stands still while anything happens, and jumps when nothing does.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorKind, GoneReason, LeasePolicy, LeaseState, Tracked};

use crate::objects::{Census, CounterDispatcher, CounterProxy};
use crate::pair::{Pair, statements};
use crate::tower::*;

statements! { in virtual time:
    s06_an_object_for_single_calls_has_no_lease,
    s07_a_singleton_whose_lease_is_over_is_made_anew,
    s22_never_existed_disconnected_and_expired_are_told_apart,
    s38_a_marshalled_object_has_the_lease_of_the_original,
    s39_a_lease_keeps_the_policy_it_began_with,
    s40_a_call_renews_the_lease_and_never_shortens_it,
    s41_without_renewal_by_calls_an_object_expires_on_time,
    s42_a_renewal_never_shortens_a_lease_and_revives_nothing,
    s43_an_object_without_end_never_expires,
    s44_an_object_expires_exactly_when_its_lease_is_over,
    s45_a_running_call_outlives_the_lease_and_so_does_the_object,
    s45_by_the_rules_of_the_original_the_next_call_finds_it_gone,
    s50_an_expired_object_is_dropped_and_that_is_told,
    a_held_object_outlives_its_lease,
    a_released_object_goes_at_once_with_its_reason,
    an_object_whose_holder_has_vanished_is_kept_for_a_while,
    the_longest_life_ends_whatever_keeps_the_object,
    a_host_tells_what_it_keeps_and_for_whom,
}

const SECOND: Duration = Duration::from_secs(1);

fn seconds(count: u64) -> Duration {
    SECOND * u32::try_from(count).unwrap()
}

/// A lease of so many seconds that calls do not renew.
fn lease_of(count: u64) -> LeasePolicy {
    LeasePolicy::new()
        .initial(seconds(count))
        .renew_on_call(Duration::ZERO)
        .orphan_grace(Duration::ZERO)
}

/// Lets so many seconds pass, less or more a little.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

const A_LITTLE: Duration = Duration::from_millis(50);

/// Marshals a bell with a lease.
fn bell(pair: &Pair, name: &str, policy: LeasePolicy) -> BellProxy {
    let dispatcher = BellDispatcher::new(Brass::default()).lease(policy);
    pair.server.marshal(name, dispatcher).unwrap();
    pair.get(name)
}

fn expired<T: std::fmt::Debug>(result: remoting::Result<T>) {
    let error = result.unwrap_err();
    let kind = ErrorKind::ObjectGone(GoneReason::LeaseExpired);
    assert_eq!(error.kind(), kind, "{error:?}");
    assert_eq!(error.executed(), remoting::Executed::No);
}

async fn s06_an_object_for_single_calls_has_no_lease(pair: &Pair) {
    let publication = BellDispatcher::single_call(Brass::default);
    pair.server.publish("bell", publication).unwrap();
    let bell: BellProxy = pair.get("bell");
    assert_eq!(bell.ring(1).await.unwrap(), 1);
    assert_eq!(bell.lease().info().await.unwrap().state, LeaseState::None);
    pass(seconds(100_000)).await;
    assert_eq!(bell.ring(1).await.unwrap(), 1);
}

async fn s07_a_singleton_whose_lease_is_over_is_made_anew(pair: &Pair) {
    let died = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&died);
    let publication = BellDispatcher::singleton(Brass::default)
        .lease(lease_of(1))
        .on_released(move |brass: &Brass, reason| {
            let rung = brass.rung.load(Ordering::SeqCst);
            notes.lock().unwrap().push((rung, reason));
        });
    pair.server.publish("bell", publication).unwrap();
    let bell: BellProxy = pair.get("bell");
    assert_eq!(bell.ring(1).await.unwrap(), 1);
    assert_eq!(bell.ring(1).await.unwrap(), 2);
    pass(seconds(2)).await;
    assert_eq!(*died.lock().unwrap(), [(2, GoneReason::LeaseExpired)]);
    assert_eq!(bell.ring(1).await.unwrap(), 1, "a new one");

    // One without a lease of its own lives as long as it is published.
    let publication = BellDispatcher::singleton(Brass::default);
    pair.server.publish("lasting", publication).unwrap();
    let lasting: BellProxy = pair.get("lasting");
    assert_eq!(lasting.ring(1).await.unwrap(), 1);
    pass(seconds(100_000)).await;
    assert_eq!(lasting.ring(1).await.unwrap(), 2);
}

async fn s22_never_existed_disconnected_and_expired_are_told_apart(pair: &Pair) {
    let never: BellProxy = pair.get("never");
    let gone = bell(pair, "disconnected", LeasePolicy::infinite());
    let over = bell(pair, "expired", lease_of(1));
    assert_eq!(gone.ring(1).await.unwrap(), 1);
    assert!(pair.server.disconnect("disconnected").unwrap());
    pass(seconds(2)).await;
    let kinds = [
        ErrorKind::NotFound,
        ErrorKind::ObjectGone(GoneReason::Disconnected),
        ErrorKind::ObjectGone(GoneReason::LeaseExpired),
    ];
    for (bell, kind) in [never, gone, over].iter().zip(kinds) {
        let error = bell.ring(1).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.is_no_such_object());
    }
    // The name is free again.
    let again = bell_under(pair, "expired");
    assert_eq!(again.ring(1).await.unwrap(), 1);
}

fn bell_under(pair: &Pair, name: &str) -> BellProxy {
    bell(pair, name, LeasePolicy::infinite())
}

async fn s38_a_marshalled_object_has_the_lease_of_the_original(pair: &Pair) {
    let dispatcher = BellDispatcher::new(Brass::default());
    let before = dispatcher.proxy().lease().info().await.unwrap();
    assert_eq!(before.state, LeaseState::Initial);
    pair.server.marshal("bell", dispatcher).unwrap();
    let bell: BellProxy = pair.get("bell");
    let info = bell.lease().info().await.unwrap();
    assert_eq!(info.state, LeaseState::Active);
    assert_eq!(info.initial, Some(seconds(300)));
    assert_eq!(info.renew_on_call, seconds(120));
    assert_eq!(info.sponsorship_timeout, seconds(120));
    assert_eq!(info.remaining, Some(seconds(300)));
}

async fn s39_a_lease_keeps_the_policy_it_began_with(pair: &Pair) {
    let dispatcher = BellDispatcher::new(Brass::default()).lease(lease_of(5));
    pair.server.marshal("bell", dispatcher.clone()).unwrap();
    let dispatcher = dispatcher.lease(lease_of(500));
    let bell: BellProxy = pair.get("bell");
    assert_eq!(bell.lease().info().await.unwrap().initial, Some(seconds(5)));
    pair.server.disconnect("bell").unwrap();
    pair.server.marshal("bell", dispatcher).unwrap();
    let info = bell.lease().info().await.unwrap();
    assert_eq!(info.initial, Some(seconds(500)));
}

async fn s40_a_call_renews_the_lease_and_never_shortens_it(pair: &Pair) {
    let policy = LeasePolicy::new()
        .initial(seconds(10))
        .renew_on_call(seconds(4));
    let bell = bell(pair, "bell", policy);
    let left = async || bell.lease().info().await.unwrap().remaining.unwrap();
    bell.ring(1).await.unwrap();
    assert_eq!(left().await, seconds(10));
    pass(seconds(8)).await;
    assert_eq!(left().await, seconds(2), "asking is no call");
    bell.ring(1).await.unwrap();
    assert_eq!(left().await, seconds(4));
    for _ in 0..10 {
        pass(seconds(3)).await;
        bell.ring(1).await.unwrap();
    }
    pass(seconds(4) + A_LITTLE).await;
    expired(bell.ring(1).await);
}

/// An object under a name that nobody holds, by the default policy; and one that is held, by the
/// rules of the original. Both have leases of so many seconds that calls do not renew.
async fn unheld(pair: &Pair, count: u64) -> [BellProxy; 2] {
    let named = bell(pair, &format!("bell-{count}"), lease_of(count));
    let classic = LeasePolicy::classic()
        .initial(seconds(count))
        .renew_on_call(Duration::ZERO);
    [named, made(pair, &format!("bells-{count}"), classic).await]
}

/// A bell that the client has activated and holds.
async fn made(pair: &Pair, name: &str, policy: LeasePolicy) -> BellProxy {
    let publication = BellDispatcher::activated_with(Foundry).lease(policy);
    pair.server.publish(name, publication).unwrap();
    let bells = pair.client.activate::<BellProxy>(&pair.url(name));
    bells.make().await.unwrap()
}

async fn s41_without_renewal_by_calls_an_object_expires_on_time(pair: &Pair) {
    for bell in unheld(pair, 5).await {
        bell.ring(1).await.unwrap();
    }
    for bell in unheld(pair, 6).await {
        let began = tokio::time::Instant::now();
        let mut last = bell.ring(1).await;
        while last.is_ok() && began.elapsed() < seconds(20) {
            pass(SECOND / 4).await;
            last = bell.ring(1).await;
        }
        expired(last);
        assert!(began.elapsed() <= seconds(6) + SECOND / 4);
    }
}

async fn s42_a_renewal_never_shortens_a_lease_and_revives_nothing(pair: &Pair) {
    let bell = bell(pair, "bell", lease_of(5));
    let lease = bell.lease();
    assert_eq!(lease.renew(seconds(30)).await.unwrap(), Some(seconds(30)));
    assert_eq!(lease.renew(seconds(1)).await.unwrap(), Some(seconds(30)));
    pass(seconds(29)).await;
    bell.ring(1).await.unwrap();
    // Over a slot that is held still: by its name nothing is there any more.
    let made = made(pair, "bells", LeasePolicy::classic().initial(SECOND)).await;
    pass(seconds(2)).await;
    let lease = made.lease();
    assert_eq!(
        lease.renew(seconds(30)).await.unwrap(),
        Some(Duration::ZERO)
    );
    assert_eq!(lease.info().await.unwrap().state, LeaseState::Expired);
    expired(made.ring(1).await);
}

async fn s43_an_object_without_end_never_expires(pair: &Pair) {
    for (name, policy) in [
        ("infinite", LeasePolicy::infinite()),
        ("zero", LeasePolicy::new().initial(Duration::ZERO)),
    ] {
        let bell = bell(pair, name, policy);
        pass(seconds(1_000_000)).await;
        assert_eq!(bell.ring(1).await.unwrap(), 1);
        assert_eq!(bell.lease().info().await.unwrap().remaining, None);
    }
}

async fn s44_an_object_expires_exactly_when_its_lease_is_over(pair: &Pair) {
    let bells = unheld(pair, 1).await;
    pass(SECOND - A_LITTLE).await;
    for bell in &bells {
        bell.ring(1).await.unwrap();
    }
    pass(A_LITTLE * 2).await;
    for bell in &bells {
        expired(bell.ring(1).await);
    }
}

async fn s45_a_running_call_outlives_the_lease_and_so_does_the_object(pair: &Pair) {
    let policy = LeasePolicy::new().initial(SECOND).renew_on_call(SECOND);
    let bell = bell(pair, "bell", policy);
    // The original's defect: a call of 4 s on a lease of 1 s, and then the next one.
    assert_eq!(bell.toll(seconds(4)).await.unwrap(), 1);
    assert_eq!(bell.ring(1).await.unwrap(), 2);
    pass(SECOND + A_LITTLE).await;
    expired(bell.ring(1).await);
}

async fn s45_by_the_rules_of_the_original_the_next_call_finds_it_gone(pair: &Pair) {
    let policy = LeasePolicy::classic().initial(SECOND).renew_on_call(SECOND);
    let bell = bell(pair, "bell", policy);
    assert_eq!(bell.toll(seconds(4)).await.unwrap(), 1);
    expired(bell.ring(1).await);
}

async fn s50_an_expired_object_is_dropped_and_that_is_told(pair: &Pair) {
    let mut events = pair.server.tracking();
    let alive = Arc::new(());
    let brass = Brass {
        _alive: Some(Arc::clone(&alive)),
        ..Brass::default()
    };
    let dispatcher = BellDispatcher::new(brass).lease(lease_of(1));
    pair.server.marshal("bell", dispatcher).unwrap();
    let event = events.try_next().unwrap();
    assert_eq!(event.what, Tracked::Marshalled);
    assert_eq!(event.name.as_deref(), Some("bell"));
    pass(SECOND + A_LITTLE).await;
    assert_eq!(Arc::strong_count(&alive), 1, "its destructor has run");
    let event = events.try_next().unwrap();
    assert_eq!(event.what, Tracked::Released(GoneReason::LeaseExpired));
    assert_eq!(event.interface, Some("Bell"));
    assert_eq!(pair.server.kept_objects(), 0);

    // By the rules of the original, though the client holds it.
    let held = made(pair, "bells", LeasePolicy::classic().initial(SECOND)).await;
    pass(SECOND + A_LITTLE).await;
    let told = [(); 2].map(|()| events.try_next().unwrap().what);
    let released = Tracked::Released(GoneReason::LeaseExpired);
    assert_eq!(told, [Tracked::Marshalled, released]);
    expired(held.ring(1).await);
}

async fn a_held_object_outlives_its_lease(pair: &Pair) {
    let bell = made(pair, "bells", lease_of(1)).await;
    pass(seconds(1000)).await;
    assert_eq!(bell.ring(1).await.unwrap(), 1);
    assert_eq!(bell.lease().info().await.unwrap().state, LeaseState::Active);
}

async fn a_released_object_goes_at_once_with_its_reason(pair: &Pair) {
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&reasons);
    let publication = BellDispatcher::activated_with(Foundry)
        .on_released(move |_: &Brass, reason| notes.lock().unwrap().push(reason));
    pair.server.publish("bells", publication).unwrap();
    let bells = pair.client.activate::<BellProxy>(&pair.url("bells"));
    let bell = bells.make().await.unwrap();
    bell.lease().renew(seconds(600)).await.unwrap();
    drop(bell);
    pass(A_LITTLE).await;
    assert_eq!(*reasons.lock().unwrap(), [GoneReason::Released]);
    // A goodbye releases everything.
    let other = pair.another_client().await;
    let bells = other.activate::<BellProxy>(&pair.url("bells"));
    let bell = bells.make().await.unwrap();
    drop(other);
    pass(A_LITTLE).await;
    assert_eq!(*reasons.lock().unwrap(), [GoneReason::Released; 2]);
    let error = bell.ring(1).await.unwrap_err();
    assert!(error.is_no_such_object(), "{error:?}");
}

async fn an_object_whose_holder_has_vanished_is_kept_for_a_while(pair: &Pair) {
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&reasons);
    let publication = BellDispatcher::activated_with(Foundry)
        .lease(
            LeasePolicy::new()
                .initial(seconds(1))
                .orphan_grace(seconds(30))
                .renew_on_call(SECOND),
        )
        .on_released(move |_: &Brass, reason| notes.lock().unwrap().push(reason));
    pair.server.publish("bells", publication).unwrap();
    let client = pair.another_client().await;
    let bells = client.activate::<BellProxy>(&pair.url("bells"));
    let bell = bells.make().await.unwrap();
    assert_eq!(bell.ring(1).await.unwrap(), 1);
    remoting::testing::cut(&client);
    while pair.server.open_connections() > 0 {
        pass(A_LITTLE).await;
    }
    pass(seconds(29)).await;
    assert_eq!(pair.server.kept_objects(), 1);
    pass(seconds(2)).await;
    assert_eq!(*reasons.lock().unwrap(), [GoneReason::SessionExpired]);
    assert_eq!(pair.server.kept_objects(), 0);
}

async fn the_longest_life_ends_whatever_keeps_the_object(pair: &Pair) {
    let policy = LeasePolicy::infinite().max_lifetime(seconds(10));
    let bell = made(pair, "bells", policy).await;
    let renewed = bell.lease().renew(seconds(100)).await;
    assert_eq!(renewed.unwrap(), Some(seconds(10)));
    pass(seconds(9)).await;
    let tolled = bell.toll(seconds(3)).await.unwrap();
    assert_eq!(tolled, 1, "it is not disturbed");
    expired(bell.ring(1).await);

    // Also if nobody ever calls it.
    let policy = LeasePolicy::infinite().max_lifetime(seconds(10));
    let quiet = made(pair, "quiet", policy).await;
    pass(seconds(10) + A_LITTLE).await;
    assert_eq!(pair.server.kept_objects(), 0);
    expired(quiet.ring(1).await);
}

async fn a_host_tells_what_it_keeps_and_for_whom(pair: &Pair) {
    let census = Arc::<Census>::default();
    let counters = CounterDispatcher::singleton(move || census.tally(1));
    pair.server.publish("counter", counters).unwrap();
    let counter: CounterProxy = pair.get("counter");
    counter.next().await.unwrap();
    assert!(pair.server.leases().is_empty(), "a singleton has no lease");
    let named = bell(pair, "bell", lease_of(5));
    let publication = BellDispatcher::activated_with(Foundry).sponsor(|_| SECOND);
    pair.server.publish("bells", publication).unwrap();
    let bells = pair.client.activate::<BellProxy>(&pair.url("bells"));
    let held = bells.make().await.unwrap();
    named.ring(1).await.unwrap();
    let mut reports = pair.server.leases();
    reports.sort_by_key(|report| report.name.is_none());
    let [by_name, by_client] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!(by_name.to_string(), "Bell `bell`: Active, 5.0 s left");
    assert_eq!(by_client.holders.len(), 1);
    assert_eq!(by_client.sponsors, 1);
    assert_eq!(by_client.lease.remaining, Some(seconds(300)));
    drop(held);
}
