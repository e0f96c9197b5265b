//! What can be seen of connections: a list of them, and what happens to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use remoting::ConnectPolicy::{FailFast, Wait};
use remoting::{ConnectionChange, ConnectionEvents, ConnectionInfo, ConnectionState, Direction};
use remoting::{Host, Limits, Principal, Principals, Proxy, TcpChannel};
use tokio::net::TcpListener;

use crate::desk::*;
use crate::dials::Counting;
use crate::relay::Relay;

/// The one connection of a host.
fn only(host: &Host) -> ConnectionInfo {
    let mut all = host.connections();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn until_state(host: &Host, state: ConnectionState) -> ConnectionInfo {
    let is_there = || {
        let all = host.connections();
        all.len() == 1 && all[0].state == state
    };
    until(is_there).await;
    only(host)
}

/// A call under way, as the two sides of its connection list it.
fn as_seen_at_both_ends(here: &ConnectionInfo, there: &ConnectionInfo) {
    assert_eq!(here.direction, Direction::Dialled);
    assert_eq!(there.direction, Direction::Accepted);
    assert_eq!((&*here.channel, &*there.channel), ("tcp", "office"));
    assert!(there.peer.starts_with("127.0.0.1:"), "{there}");
    assert_eq!(here.state, ConnectionState::Open);
    assert_eq!(there.state, ConnectionState::Open);
    assert_eq!(
        (here.principal.as_deref(), there.principal.as_deref()),
        (None, Some("ann"))
    );
    assert_eq!((here.calls_out, here.calls_in), (1, 0));
    assert_eq!((there.calls_out, there.calls_in), (0, 1));
    assert_eq!((here.objects_held, here.objects_lent), (1, 0));
    assert_eq!((there.objects_held, there.objects_lent), (0, 1));
    assert!(here.age < PATIENCE);
    let line = there.to_string();
    assert!(line.starts_with("accepted 127.0.0.1:"), "{line}");
    assert!(line.contains("(`office`) as ann: open, "), "{line}");
    assert!(
        line.ends_with("calls 0 out 1 in, streams 0, objects 0 held 1 lent"),
        "{line}"
    );
}

#[test]
fn a_connection_is_listed_at_both_ends_with_what_goes_on_there() {
    within_patience(async {
        let known = Principals::new().token("secret-of-ann", Principal::new("ann"));
        let server = Host::builder()
            .authenticator(known)
            .channel(TcpChannel::listen("127.0.0.1:0").named("office"));
        let server = server.start().await.unwrap();
        let clerk = Clerk::new("seen");
        let own = clerk.clone();
        let publication = DeskDispatcher::singleton(move || own.clone());
        server.publish("desk", publication).unwrap();
        let channel = TcpChannel::client().token("secret-of-ann");
        let client = Host::builder().channel(channel).start_client().unwrap();
        assert_eq!(
            (client.connections(), server.connections()),
            (vec![], vec![])
        );

        let (mut at_client, mut at_server) =
            (client.connection_events(), server.connection_events());
        let url = server.url("desk").unwrap();
        let desk: DeskProxy = client.get(&url).unwrap();
        assert_eq!(desk.name().await.unwrap(), "seen");
        let waiting = tokio::spawn(desk.wait());
        clerk.entered.acquire().await.unwrap().forget();
        let (here, there) = (only(&client), only(&server));
        as_seen_at_both_ends(&here, &there);
        assert_eq!(format!("{}/desk", here.peer), url);

        // The channel closes when the call has ended.
        let office = server.channel("office").unwrap();
        let stopping = tokio::spawn(async move { office.stop_listening().await });
        until_state(&client, ConnectionState::Draining).await;
        until_state(&server, ConnectionState::Draining).await;
        clerk.door.add_permits(1);
        assert_eq!(waiting.await.unwrap().unwrap(), 7);
        stopping.await.unwrap();
        until(|| client.connections().is_empty() && server.connections().is_empty()).await;
        for events in [&mut at_client, &mut at_server] {
            assert_eq!(next(events).await, (ConnectionChange::Connected, 0));
            assert_eq!(next(events).await, (ConnectionChange::Draining, 0));
            let (ended, _) = next(events).await;
            assert!(matches!(ended, ConnectionChange::Ended(_)), "{ended:?}");
            assert_eq!(events.try_next(), None);
        }
    });
}

#[test]
fn a_connection_whose_peer_has_not_spoken_is_connecting() {
    within_patience(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(FailFast);
        let url = format!("tcp://{}/desk", listener.local_addr().unwrap());
        let desk: DeskProxy = client.get(&url).unwrap();
        let call = tokio::spawn(desk.name());
        let (_mute, _) = listener.accept().await.unwrap();
        let seen = until_state(&client, ConnectionState::Connecting).await;
        assert_eq!(seen.direction, Direction::Dialled);
        assert_eq!(format!("{}/desk", seen.peer), url);
        call.abort();
    });
}

#[test]
fn a_server_that_calls_wait_for_is_listed_with_how_many_and_why() {
    within_patience(async {
        let mut server = Server::start("late").await;
        server.kill().await;
        let client = client(Wait);
        let desk: DeskProxy = client.get(&server.url("tcp")).unwrap();
        assert!(desk.name().connect_policy(FailFast).await.is_err());
        assert_eq!(client.connections(), [], "nobody waits");
        let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(desk.name())).collect();
        let is_told = || {
            let all = client.connections();
            all.len() == 1 && all[0].calls_out == 3 && all[0].failure.is_some()
        };
        until(is_told).await;
        // Also in the pause behind an attempt.
        let event = client.connection_events().next().await.unwrap();
        assert!(event.to_string().contains("dialled again"), "{event}");
        let seen = only(&client);
        assert_eq!((seen.state, seen.calls_out), (ConnectionState::Dialling, 3));
        assert_eq!(format!("{}/desk", seen.peer), server.url("tcp"));
        let line = seen.to_string();
        assert!(line.contains("(`tcp`): being dialled, "), "{line}");
        assert!(line.contains("calls 3 out"), "{line}");
        assert!(line.contains(": cannot connect to"), "{line}");
        server.revive().await;
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap().unwrap(), "late");
        }
        let there = only(&client);
        let shown = (there.state, there.failure);
        assert_eq!(shown, (ConnectionState::Open, None));
    });
}

#[test]
fn a_server_that_lets_nobody_in_is_listed_as_that_and_told_of_seldom() {
    within_patience(async {
        let (server, occupant) = Server::full().await;
        let second = client(FailFast);
        let mut events = second.connection_events();
        let desk: DeskProxy = second.get(&server.url("tcp")).unwrap();
        let begun = Instant::now();
        for _ in 0..20 {
            assert!(desk.name().await.is_err());
        }
        let told = std::iter::from_fn(|| events.try_next()).count() as u64;
        let most = 1 + begun.elapsed().as_secs();
        assert!((1..=most).contains(&told), "{told}");
        let waiting = tokio::spawn(desk.name().connect_policy(Wait));
        let is_told = || {
            let all = second.connections();
            let why = all.iter().filter_map(|one| one.failure.as_ref());
            why.clone()
                .any(|why| why.contains("the server lets nobody in"))
        };
        until(is_told).await;
        drop(occupant);
        assert_eq!(waiting.await.unwrap().unwrap(), "full");
    });
}

#[test]
fn a_session_that_is_away_says_why_it_is_not_back() {
    within_patience(async {
        let server = Server::start("back").await;
        let relay = Relay::to(&server.address).await;
        let mut limits = Limits::default();
        limits.handshake_time = Duration::from_millis(200);
        // A handshake may also last too long because the machine is busy: then it is made again.
        let builder = Host::builder().limits(limits).connect_policy(Wait);
        let client = builder
            .channel(TcpChannel::client())
            .start_client()
            .unwrap();
        let desk: DeskProxy = client
            .get(&format!("tcp://{}/desk", relay.address))
            .unwrap();
        assert_eq!(desk.name().await.unwrap(), "back");
        assert_eq!(only(&client).failure, None);
        relay.close();
        until(|| only(&client).failure.is_some()).await;
        let away = only(&client);
        assert_eq!(away.state, ConnectionState::Away);
        let why = away.failure.unwrap();
        assert!(why.contains("does not answer"), "{why}");
        relay.open();
        assert_eq!(desk.name().await.unwrap(), "back");
        assert_eq!(only(&client).failure, None);
    });
}

/// The next event that is not about a dialling that has failed; and how often that was the case before it.
async fn next(events: &mut ConnectionEvents) -> (ConnectionChange, usize) {
    let mut failed = 0;
    loop {
        let event = events.next().await.expect("the host is there");
        match event.what {
            ConnectionChange::DialFailed { why, next } => {
                let next = next.expect("a session dials again by itself");
                assert!(next <= Duration::from_secs(5), "{why}: {next:?}");
                failed += 1;
            }
            what => return (what, failed),
        }
    }
}

#[test]
fn a_session_that_comes_back_is_lost_and_resumed_at_both_ends() {
    within_patience(async {
        let server = Server::start("back").await;
        let relay = Relay::to(&server.address).await;
        let (client, host) = (client(FailFast), server.host().clone());
        let (mut here, mut there) = (client.connection_events(), host.connection_events());
        let url = format!("tcp://{}/desk", relay.address);
        let desk: DeskProxy = client.get(&url).unwrap();
        assert_eq!(desk.name().await.unwrap(), "back");
        assert_eq!(next(&mut here).await, (ConnectionChange::Connected, 0));
        assert_eq!(next(&mut there).await, (ConnectionChange::Connected, 0));
        relay.close();
        let (lost, _) = next(&mut here).await;
        assert!(matches!(lost, ConnectionChange::Lost(_)), "{lost:?}");
        let (lost, _) = next(&mut there).await;
        assert!(matches!(lost, ConnectionChange::Lost(_)), "{lost:?}");
        let away = until_state(&client, ConnectionState::Away).await;
        assert_eq!(away.objects_held, 1);
        let from = until_state(&host, ConnectionState::Away).await.peer;
        relay.open();
        assert_eq!(desk.name().await.unwrap(), "back");
        assert_eq!(next(&mut here).await.0, ConnectionChange::Resumed);
        assert_eq!(next(&mut there).await, (ConnectionChange::Resumed, 0));
        until_state(&client, ConnectionState::Open).await;
        assert_ne!(only(&host).peer, from, "it comes from another port");
        client.shutdown();
        let (ended, _) = next(&mut here).await;
        assert!(matches!(ended, ConnectionChange::Ended(_)), "{ended:?}");
        let (ended, _) = next(&mut there).await;
        let goodbye = |why: &String| why.contains("said goodbye");
        assert!(
            matches!(&ended, ConnectionChange::Ended(why) if goodbye(why)),
            "{ended:?}"
        );
        drop((desk, client));
        assert_eq!(here.next().await, None, "the host is gone");
        assert_eq!(here.missed(), 0);
    });
}

#[test]
fn a_server_that_dies_is_lost_then_given_up_and_then_dialled_by_those_who_wait() {
    within_patience(async {
        let mut server = Server::start("dead").await;
        let client = client(FailFast);
        let mut events = client.connection_events();
        let desk: DeskProxy = client.get(&server.url("tcp")).unwrap();
        assert_eq!(desk.name().await.unwrap(), "dead");
        assert_eq!(next(&mut events).await, (ConnectionChange::Connected, 0));
        server.kill().await;
        let (lost, _) = next(&mut events).await;
        assert!(matches!(lost, ConnectionChange::Lost(_)), "{lost:?}");
        let (ended, _) = next(&mut events).await;
        let refused = |why: &String| why.contains("nobody listens");
        assert!(
            matches!(&ended, ConnectionChange::Ended(why) if refused(why)),
            "{ended:?}"
        );

        assert!(desk.name().await.is_err());
        let event = events.next().await.unwrap();
        let Some(ConnectionChange::DialFailed { why, next: None }) = Some(event.what.clone())
        else {
            panic!("nobody waits: {event:?}")
        };
        assert!(why.contains("cannot connect to"), "{why}");
        assert_eq!(format!("{}/desk", event.peer), server.url("tcp"));
        assert!(event.to_string().contains("cannot be reached"), "{event}");
        let begun = Instant::now();
        for _ in 0..20 {
            assert!(desk.name().await.is_err());
        }
        let told = std::iter::from_fn(|| events.try_next()).count();
        let most = 1 + begun.elapsed().as_secs();
        assert!(told as u64 <= most, "{told}");

        let waiting = tokio::spawn(desk.name().connect_policy(Wait));
        let event = events.next().await.unwrap();
        let waits = |what: &ConnectionChange| {
            matches!(what, ConnectionChange::DialFailed { next: Some(_), .. })
        };
        assert!(waits(&event.what), "{event:?}");
        server.revive().await;
        assert_eq!(waiting.await.unwrap().unwrap(), "dead");
        assert_eq!(next(&mut events).await.0, ConnectionChange::Connected);
    });
}

#[test]
fn a_stranger_that_is_not_let_in_is_no_connection() {
    within_patience(async {
        let known = Principals::new().token("secret-of-ann", Principal::new("ann"));
        let server = Host::builder()
            .authenticator(known)
            .channel(TcpChannel::listen("127.0.0.1:0"));
        let server = server.start().await.unwrap();
        let client = client(FailFast);
        let (mut here, mut there) = (client.connection_events(), server.connection_events());
        let url = format!("{}/desk", server.channels()[0].address().unwrap());
        let desk: DeskProxy = client.get(&url).unwrap();
        let error = Proxy::cast::<DeskProxy>(&desk).await.err().unwrap();
        assert_eq!(error.kind(), remoting::ErrorKind::Unauthenticated);
        let event = here.next().await.unwrap();
        assert!(
            matches!(event.what, ConnectionChange::DialFailed { .. }),
            "{event:?}"
        );
        assert_eq!(there.try_next(), None);
    });
}

#[tokio::test]
async fn the_ways_to_servers_without_sessions_are_forgotten_that_nobody_holds() {
    let (counting, dials) = Counting::new(None);
    let client = counting.without_sessions().client();
    let held: DeskProxy = client.get("tcp://127.0.0.1:1/desk").unwrap();
    for _ in 0..2 {
        held.name().await.unwrap_err();
    }
    for port in 2..100 {
        let desk: DeskProxy = client.get(&format!("tcp://127.0.0.1:{port}/desk")).unwrap();
        desk.name().await.unwrap_err();
    }
    // That of the proxy which is still there, and the last one. The test and the channel hold theirs, too.
    assert_eq!(Arc::strong_count(&dials) - 2, 2);
}
