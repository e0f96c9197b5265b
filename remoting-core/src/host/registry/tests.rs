//! Publishing and taking back: many times over, and by many at once.

use std::sync::{Arc, Barrier, Weak};

use crate::channel::InProcessChannel;
use crate::error::{ErrorKind, GoneReason, Result};
use crate::host::Host;
use crate::limits::Limits;
use crate::remote;

const TOMBSTONES: usize = 4;
const ROUNDS: usize = 100;
/// For what goes wrong in few rounds.
const MANY_ROUNDS: usize = 2_000;

#[remote]
trait Bell {
    async fn ring(&self) -> Result<u64>;
}

struct Brass(u64);

impl Bell for Brass {
    async fn ring(&self) -> Result<u64> {
        Ok(self.0)
    }
}

/// A server that remembers few names.
async fn forgetful(address: &str) -> (Host, Host) {
    let limits = Limits {
        tombstones: TOMBSTONES,
        ..Limits::default()
    };
    let server = Host::builder()
        .limits(limits)
        .channel(InProcessChannel::listen(address));
    let client = Host::builder().channel(InProcessChannel::client());
    (
        server.start().await.unwrap(),
        client.start_client().unwrap(),
    )
}

fn publish(host: &Host, name: &str, number: u64) {
    let bell = BellDispatcher::singleton(move || Brass(number));
    host.publish(name, bell).unwrap();
}

fn come_and_go(host: &Host, name: &str) {
    publish(host, name, 0);
    assert!(host.unpublish(name));
}

fn proxy(server: &Host, client: &Host, name: &str) -> BellProxy {
    client.get(&server.url(name).unwrap()).unwrap()
}

fn tombstones(host: &Host) -> usize {
    host.0.registry.ledger().tombstones.len()
}

async fn kind(bell: &BellProxy) -> ErrorKind {
    bell.ring().await.unwrap_err().kind()
}

const GONE: ErrorKind = ErrorKind::ObjectGone(GoneReason::Disconnected);

#[tokio::test]
async fn a_held_proxy_outlives_any_number_of_withdrawals_of_its_name() {
    let (server, client) = forgetful("registry-again").await;
    publish(&server, "bell", 0);
    let bell = proxy(&server, &client, "bell");
    assert_eq!(bell.ring().await.unwrap(), 0);
    for round in 1..=50 {
        assert!(server.unpublish("bell"));
        assert_eq!(kind(&bell).await, GONE);
        assert_eq!(tombstones(&server), 1);
        publish(&server, "bell", round);
        assert_eq!(bell.ring().await.unwrap(), round);
        assert_eq!(tombstones(&server), 0);
    }
    assert_eq!(server.counters().tombstones.get(), 0);
}

#[tokio::test]
async fn a_name_is_not_forgotten_while_a_client_holds_it() {
    let (server, client) = forgetful("registry-held").await;
    publish(&server, "bell", 1);
    let bell = proxy(&server, &client, "bell");
    assert_eq!(bell.ring().await.unwrap(), 1);
    assert!(server.unpublish("bell"));
    for number in 0..ROUNDS {
        come_and_go(&server, &format!("other-{number}"));
        assert!(tombstones(&server) <= TOMBSTONES);
    }
    assert_eq!(kind(&bell).await, GONE);
    publish(&server, "bell", 2);
    assert_eq!(bell.ring().await.unwrap(), 2);
}

#[tokio::test]
async fn more_names_are_kept_than_the_limit_says_only_while_they_are_held() {
    const HELD: usize = 20;
    let (server, client) = forgetful("registry-many").await;
    let mut bells = Vec::new();
    for number in 0..HELD {
        let name = format!("bell-{number}");
        publish(&server, &name, 1);
        let bell = proxy(&server, &client, &name);
        assert_eq!(bell.ring().await.unwrap(), 1);
        assert!(server.unpublish(&name));
        bells.push(bell);
    }
    assert_eq!(tombstones(&server), HELD);
    for number in 0..ROUNDS {
        come_and_go(&server, &format!("other-{number}"));
        assert!(tombstones(&server) <= 2 * HELD);
    }
    publish(&server, "bell-7", 2);
    assert_eq!(bells[7].ring().await.unwrap(), 2);

    drop(bells);
    client.shutdown();
    while server.open_connections() > 0 {
        tokio::task::yield_now().await;
    }
    for number in 0..ROUNDS {
        come_and_go(&server, &format!("later-{number}"));
    }
    assert_eq!(tombstones(&server), TOMBSTONES);
    assert_eq!(server.0.registry.names.len(), TOMBSTONES + 1);
}

/// Runs two things at the same moment on two threads.
fn race<R: Send>(one: impl FnOnce() -> R + Send, other: impl FnOnce() -> R + Send) -> (R, R) {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            start.wait();
            other()
        });
        start.wait();
        let one = one();
        (one, other.join().unwrap())
    })
}

fn host() -> Host {
    Host::builder().start_client().unwrap()
}

#[test]
fn one_of_two_racing_marshals_of_an_object_under_two_names_is_refused() {
    let host = host();
    for _ in 0..ROUNDS {
        let bell = BellDispatcher::new(Brass(0));
        let marshal = |name: &'static str| {
            let (host, bell) = (&host, bell.clone());
            move || host.marshal(name, bell).map_err(|error| error.kind())
        };
        let (one, other) = race(marshal("one"), marshal("other"));
        let (good, bad) = match one {
            Ok(_) => (one, other),
            Err(_) => (other, one),
        };
        let name = good.unwrap().name().to_owned();
        assert_eq!(bad.unwrap_err(), ErrorKind::NameTaken);
        assert_eq!(host.published(), [name.as_str()]);
        assert!(host.disconnect(name.as_str()).unwrap());
    }
}

#[test]
fn one_of_two_racing_disconnects_takes_the_object_back() {
    let host = host();
    for _ in 0..ROUNDS {
        host.marshal("bell", BellDispatcher::new(Brass(0))).unwrap();
        let disconnect = || host.disconnect("bell").unwrap();
        let (one, other) = race(disconnect, disconnect);
        assert!(one != other, "both said {one}");
    }
}

#[test]
fn an_object_that_was_marshalled_during_a_disconnect_is_published_or_was_disconnected_after() {
    let host = host();
    let bell = BellDispatcher::new(Brass(0));
    for _ in 0..MANY_ROUNDS {
        host.marshal("bell", bell.clone()).unwrap();
        // Either the marshal found the object there, and then it was taken back, or it came after.
        race(
            || drop(host.marshal("bell", bell.clone()).unwrap()),
            || assert!(host.disconnect("bell").unwrap()),
        );
        let marshalled = host.0.registry.ledger().marshalled.len();
        assert_eq!(host.published().len(), marshalled);
        for tenant in host.0.registry.tenants() {
            let (.., name) = tenant.keepers();
            assert_eq!(name.as_deref(), Some("bell"), "it is published and gone");
        }
        assert_eq!(host.disconnect("bell").unwrap(), marshalled == 1);
    }
}

/// Looks at its host, and publishes there, when it goes.
struct Busy(Weak<crate::host::HostInner>);

impl Bell for Busy {
    async fn ring(&self) -> Result<u64> {
        Ok(0)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Some(host) = self.0.upgrade().map(Host::from_inner_arc) else {
            return;
        };
        drop(host.published());
        publish(&host, "last-words", 0);
        assert!(host.unpublish("last-words"));
    }
}

#[test]
fn nothing_is_locked_when_an_object_goes() {
    let host = host();
    let busy = || BellDispatcher::new(Busy(Arc::downgrade(&host.0)));
    for _ in 0..ROUNDS {
        host.marshal("bell", busy()).unwrap();
        assert!(host.marshal("bell", busy()).is_err());
        assert!(host.marshal("no name", busy()).is_err());
        race(
            || assert!(host.disconnect("bell").unwrap()),
            || drop(host.published()),
        );
    }
}
