//! Who is asked when a lease is over: sponsors, at clients and at the server.
//!
//! Each statement is about an object that nobody holds, by the default policy, and about one that
//! is held, by the rules of the original.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remoting::prelude::*;
use remoting::{
    ErrorKind, GoneReason, LeaseInfo, LeasePolicy, LeaseState, Sponsor, SponsorProxy, Tracked,
};
use tokio::time::Instant;

use crate::pair::{Pair, statements};
use crate::tower::*;

statements! { in virtual time:
    s46_a_sponsor_is_asked_once_for_each_end_of_the_lease,
    s47_a_sponsor_that_fails_or_is_silent_leaves_the_choice_to_others,
    s47_a_sponsor_that_cannot_be_reached_is_asked_again,
    s48_sponsors_are_asked_together_and_the_longest_answer_wins,
    s48_by_the_rules_of_the_original_the_largest_last_renewal_is_asked_first,
    s49_registering_renews_at_once_and_means_nothing_without_time_for_sponsors,
    an_object_that_is_released_lives_on_if_it_has_a_sponsor,
    a_silent_sponsor_delays_no_other_object,
    a_sponsor_in_the_same_process_is_a_function,
    a_sponsor_that_comes_while_others_are_asked_is_asked_too,
    what_a_sponsor_gives_is_bounded,
    the_longest_life_ends_also_while_sponsors_are_asked,
    a_silent_sponsor_is_asked_once_in_each_round,
    a_sponsor_of_an_endless_lease_keeps_nothing,
    many_silent_sponsors_of_one_client_leave_turns_for_others,
}

const SECOND: Duration = Duration::from_secs(1);
const A_LITTLE: Duration = Duration::from_millis(60);

/// Gives the same answer whenever it is asked.
#[derive(Clone)]
struct Patron {
    gives: Option<Duration>,
    takes: Duration,
    asked: Arc<AtomicUsize>,
    log: Arc<Mutex<Vec<&'static str>>>,
    name: &'static str,
}

impl Patron {
    fn gives(time: Duration) -> Self {
        Self {
            gives: Some(time),
            takes: Duration::ZERO,
            asked: Arc::default(),
            log: Arc::default(),
            name: "",
        }
    }

    fn fails() -> Self {
        Self {
            gives: None,
            ..Self::gives(SECOND)
        }
    }

    fn takes(time: Duration) -> Self {
        Self {
            takes: time,
            ..Self::gives(SECOND)
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn proxy(&self) -> SponsorProxy {
        SponsorProxy::local(self.clone())
    }
}

impl Sponsor for Patron {
    async fn renewal(&self, lease: LeaseInfo) -> remoting::Result<Duration> {
        assert_eq!(lease.state, LeaseState::Renewing);
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.log.lock().unwrap().push(self.name);
        tokio::time::sleep(self.takes).await;
        let failure = || remoting::Error::new(ErrorKind::Internal, "the sponsor is out of sorts");
        self.gives.ok_or_else(failure)
    }
}

/// By whose rules an object lives.
#[derive(Clone, Copy)]
enum Rules {
    Ours,
    Original,
}

const BOTH: [Rules; 2] = [Rules::Ours, Rules::Original];

impl Rules {
    fn policy(self) -> LeasePolicy {
        let policy = match self {
            Self::Ours => LeasePolicy::new(),
            Self::Original => LeasePolicy::classic(),
        };
        policy
            .initial(SECOND)
            .renew_on_call(Duration::ZERO)
            .orphan_grace(Duration::ZERO)
            .sponsorship_timeout(SECOND * 20)
    }

    /// A bell with a lease of a second: by the rules of the original one that the client has
    /// activated and holds; else one of which its proxy holds nothing but the name.
    async fn bell(self, pair: &Pair) -> BellProxy {
        self.bell_with(pair, self.policy()).await
    }

    async fn bell_with(self, pair: &Pair, policy: LeasePolicy) -> BellProxy {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("bell-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        match self {
            Self::Ours => {
                let dispatcher = BellDispatcher::new(Brass::default()).lease(policy);
                pair.server.marshal(&name, dispatcher).unwrap();
                pair.get(&name)
            }
            Self::Original => {
                let publication = BellDispatcher::activated_with(Foundry).lease(policy);
                pair.server.publish(&name, publication).unwrap();
                let bells = pair.client.activate::<BellProxy>(&pair.url(&name));
                bells.make().await.unwrap()
            }
        }
    }
}

async fn register(bell: &BellProxy, patron: &Patron) {
    assert!(bell.lease().register(patron.proxy(), None).await.unwrap());
}

fn gone(result: remoting::Result<u32>) {
    let kind = result.unwrap_err().kind();
    assert_eq!(kind, ErrorKind::ObjectGone(GoneReason::LeaseExpired));
}

async fn s46_a_sponsor_is_asked_once_for_each_end_of_the_lease(pair: &Pair) {
    for rules in BOTH {
        let bell = rules.bell(pair).await;
        let patron = Patron::gives(SECOND);
        register(&bell, &patron).await;
        tokio::time::sleep(SECOND * 5 + SECOND / 2).await;
        bell.ring(1).await.unwrap();
        assert_eq!(patron.asked(), 5);

        // One that refuses is asked no more, and the object goes.
        let other = rules.bell(pair).await;
        let patron = Patron::gives(Duration::ZERO);
        register(&other, &patron).await;
        tokio::time::sleep(SECOND + A_LITTLE).await;
        assert_eq!(patron.asked(), 1);
        gone(other.ring(1).await);
    }
}

async fn s47_a_sponsor_that_fails_or_is_silent_leaves_the_choice_to_others(pair: &Pair) {
    for rules in BOTH {
        let bell = rules.bell(pair).await;
        let (failing, silent) = (Patron::fails(), Patron::takes(SECOND * 1000));
        let good = Patron::gives(SECOND * 100);
        for patron in [&failing, &silent, &good] {
            register(&bell, patron).await;
        }
        tokio::time::sleep(SECOND * 90).await;
        bell.ring(1).await.unwrap();
        assert!(failing.asked() > 0 && good.asked() == 1);

        // With nobody else the object goes, when the time for sponsors has passed.
        let lonely = rules.bell(pair).await;
        register(&lonely, &Patron::takes(SECOND * 1000)).await;
        tokio::time::sleep(SECOND * 22).await;
        gone(lonely.ring(1).await);
    }
}

async fn s47_a_sponsor_that_cannot_be_reached_is_asked_again(pair: &Pair) {
    for (rules, expected) in [(Rules::Ours, 4), (Rules::Original, 1)] {
        let bell = rules.bell(pair).await;
        let failing = Patron::fails();
        register(&bell, &failing).await;
        tokio::time::sleep(SECOND * 30).await;
        assert_eq!(failing.asked(), expected);
        gone(bell.ring(1).await);
    }
    // One whose client is gone counts as refusing once the time for sponsors has passed.
    let bell = Rules::Ours.bell(pair).await;
    let client = pair.another_client().await;
    let theirs: BellProxy = client.get(&bell.url().unwrap()).unwrap();
    register(&theirs, &Patron::gives(SECOND)).await;
    remoting::testing::cut(&client);
    tokio::time::sleep(SECOND * 10).await;
    let state = bell.lease().info().await.unwrap().state;
    assert_eq!(state, LeaseState::Renewing, "it is not forgotten at once");
    tokio::time::sleep(SECOND * 20).await;
    gone(bell.ring(1).await);
}

async fn s48_sponsors_are_asked_together_and_the_longest_answer_wins(pair: &Pair) {
    let bell = Rules::Ours.bell(pair).await;
    let (short, long) = (Patron::gives(SECOND), Patron::gives(SECOND * 10));
    register(&bell, &short).await;
    register(&bell, &long).await;
    tokio::time::sleep(SECOND + A_LITTLE).await;
    assert_eq!((short.asked(), long.asked()), (1, 1));
    let left = bell.lease().info().await.unwrap().remaining.unwrap();
    assert!(left > SECOND * 9, "{left:?}");
}

async fn s48_by_the_rules_of_the_original_the_largest_last_renewal_is_asked_first(pair: &Pair) {
    let bell = Rules::Original.bell(pair).await;
    let log = Arc::default();
    for (name, time) in [("small", 1), ("large", 3), ("middle", 2)] {
        let patron = Patron {
            name,
            log: Arc::clone(&log),
            ..Patron::gives(SECOND)
        };
        let lease = bell.lease();
        let time = Some(SECOND * time);
        assert!(lease.register(patron.proxy(), time).await.unwrap());
    }
    tokio::time::sleep(SECOND * 3 + A_LITTLE).await;
    assert_eq!(
        *log.lock().unwrap(),
        ["large"],
        "it stops at the first answer"
    );
}

async fn s49_registering_renews_at_once_and_means_nothing_without_time_for_sponsors(pair: &Pair) {
    for rules in BOTH {
        let with_time = rules.bell(pair).await;
        let lease = with_time.lease();
        let patron = Patron::gives(SECOND);
        let time = Some(SECOND * 10);
        assert!(lease.register(patron.proxy(), time).await.unwrap());
        let left = lease.info().await.unwrap().remaining.unwrap();
        assert_eq!(left, SECOND * 10);

        let policy = rules.policy().sponsorship_timeout(Duration::ZERO);
        let without = rules.bell_with(pair, policy).await;
        let lease = without.lease();
        assert!(!lease.register(patron.proxy(), time).await.unwrap());
        tokio::time::sleep(SECOND + A_LITTLE).await;
        assert_eq!(patron.asked(), 0);
        gone(without.ring(1).await);
    }
}

async fn an_object_that_is_released_lives_on_if_it_has_a_sponsor(pair: &Pair) {
    let policy = Rules::Ours.policy();
    let publication = BellDispatcher::activated_with(Foundry).lease(policy);
    pair.server.publish("bells", publication).unwrap();
    let bells = pair.client.activate::<BellProxy>(&pair.url("bells"));
    let bell = bells.make().await.unwrap();
    let patron = Patron::gives(SECOND);
    register(&bell, &patron).await;
    drop(bell);
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(pair.server.kept_objects(), 1);
    let report = &pair.server.leases()[0];
    assert_eq!((report.sponsors, report.holders.len()), (1, 0));
    remoting::testing::cut(&pair.client);
    tokio::time::sleep(SECOND * 30).await;
    assert_eq!(pair.server.kept_objects(), 0);
}

async fn a_silent_sponsor_delays_no_other_object(pair: &Pair) {
    for _ in 0..20 {
        let bell = Rules::Ours.bell(pair).await;
        register(&bell, &Patron::takes(SECOND * 1000)).await;
    }
    let good = Rules::Ours.bell(pair).await;
    register(&good, &Patron::gives(SECOND)).await;
    let lonely = Rules::Ours.bell(pair).await;
    let began = Instant::now();
    tokio::time::sleep(SECOND + A_LITTLE).await;
    gone(lonely.ring(1).await);
    good.ring(1).await.unwrap();
    assert!(began.elapsed() < SECOND * 2);
    let left = good.lease().info().await.unwrap().remaining.unwrap();
    assert!(left > SECOND / 2, "{left:?}");
}

async fn a_sponsor_in_the_same_process_is_a_function(pair: &Pair) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let policy = Rules::Ours.policy();
    let publication = BellDispatcher::singleton(Brass::default)
        .lease(policy)
        .sponsor(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0..3 => SECOND,
            _ => Duration::ZERO,
        });
    pair.server.publish("bell", publication).unwrap();
    let bell: BellProxy = pair.get("bell");
    assert_eq!(bell.ring(1).await.unwrap(), 1);
    tokio::time::sleep(SECOND * 3 + SECOND / 2).await;
    assert_eq!(bell.ring(1).await.unwrap(), 2);
    tokio::time::sleep(SECOND).await;
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    assert_eq!(bell.ring(1).await.unwrap(), 1, "a new one");
}

async fn a_sponsor_that_comes_while_others_are_asked_is_asked_too(pair: &Pair) {
    let bell = Rules::Ours.bell(pair).await;
    register(&bell, &Patron::takes(SECOND * 1000)).await;
    tokio::time::sleep(SECOND * 2).await;
    let state = bell.lease().info().await.unwrap().state;
    assert_eq!(state, LeaseState::Renewing);
    let late = Patron::gives(SECOND * 100);
    register(&bell, &late).await;
    tokio::time::sleep(SECOND * 30).await;
    assert_eq!(late.asked(), 1);
    bell.ring(1).await.unwrap();
}

async fn what_a_sponsor_gives_is_bounded(pair: &Pair) {
    let bell = Rules::Ours.bell(pair).await;
    register(&bell, &Patron::gives(Duration::MAX)).await;
    tokio::time::sleep(SECOND * 2).await;
    let left = bell.lease().info().await.unwrap().remaining;
    let most = remoting::Limits::default().lease_renewal;
    assert!(left.is_some_and(|left| left <= most), "{left:?}");
}

async fn the_longest_life_ends_also_while_sponsors_are_asked(pair: &Pair) {
    let policy = Rules::Ours.policy().max_lifetime(SECOND * 3);
    let bell = Rules::Ours.bell_with(pair, policy).await;
    register(&bell, &Patron::takes(SECOND * 1000)).await;
    tokio::time::sleep(SECOND * 3 + A_LITTLE).await;
    assert_eq!(pair.server.kept_objects(), 0);
}

async fn a_silent_sponsor_is_asked_once_in_each_round(pair: &Pair) {
    let bell = Rules::Ours.bell(pair).await;
    let (good, silent) = (Patron::gives(SECOND), Patron::takes(SECOND * 1000));
    register(&bell, &good).await;
    register(&bell, &silent).await;
    tokio::time::sleep(SECOND * 60).await;
    let (good, silent) = (good.asked(), silent.asked());
    assert!(good >= 55 && silent <= good + 1, "{good} {silent}");
}

async fn a_sponsor_of_an_endless_lease_keeps_nothing(pair: &Pair) {
    let mut events = pair.server.tracking();
    let bell = Rules::Original
        .bell_with(pair, LeasePolicy::infinite())
        .await;
    register(&bell, &Patron::gives(SECOND)).await;
    drop(bell);
    tokio::time::sleep(A_LITTLE).await;
    let released = std::iter::from_fn(|| events.try_next()).last().unwrap();
    assert_eq!(released.what, Tracked::Released(GoneReason::Released));
}

async fn many_silent_sponsors_of_one_client_leave_turns_for_others(pair: &Pair) {
    let client = pair.another_client().await;
    let silent = Patron::takes(SECOND * 1000);
    for _ in 0..100 {
        let bell = Rules::Ours.bell(pair).await;
        let theirs: BellProxy = client.get(&bell.url().unwrap()).unwrap();
        register(&theirs, &silent).await;
    }
    tokio::time::sleep(SECOND * 2).await;
    assert!(silent.asked() > 0);
    let honest = Patron::gives(SECOND * 100);
    register(&Rules::Ours.bell(pair).await, &honest).await;
    tokio::time::sleep(SECOND + A_LITTLE).await;
    assert_eq!(honest.asked(), 1);
    // A host also lists what nobody holds while it asks.
    assert_eq!(pair.server.leases().len(), pair.server.kept_objects());
}
