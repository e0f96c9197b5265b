//! Sessions that their peers leave behind: they take no room from those of others.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use remoting::ConnectionChange;
use remoting::prelude::*;
use remoting_core::wire::ResolveWhat;
use tokio::time::timeout;

use crate::objects::*;
use crate::raw::*;
use crate::resume::{Ticket, begin_over, greet};
use crate::support::*;

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Marks the first part of a message.
const MORE: u8 = 0x40;
/// As many sessions as there may be in all.
const ALL: usize = 8;

/// A server for few sessions, at most so many of an address.
async fn server(per_address: usize) -> Server {
    Server::with(|limits| {
        limits.detached_sessions = ALL;
        limits.connections_per_address = per_address;
        limits.unsent = 8 * 1024;
    })
    .await
}

/// Loses the connection of a session for which so many bytes are kept. Gives how to come back to it, if it waits.
async fn leave(server: &Server, raw: Raw, kept: u32) -> Option<Ticket> {
    let (mut raw, ticket) = begin_over(raw).await;
    raw.send(&call(2, 0, "bytes", &packed(&(kept,)))).await;
    assert!(matches!(
        raw.frame().await,
        Some(Seen::Return { call: 2, .. })
    ));
    left(server, raw, ticket).await
}

/// The same for one that has done what it wanted to.
async fn left(server: &Server, raw: Raw, ticket: Ticket) -> Option<Ticket> {
    let mut events = server.host.connection_events();
    drop(raw);
    loop {
        match events.next().await.expect("the host is there").what {
            ConnectionChange::Lost(_) => return Some(ticket),
            ConnectionChange::Ended(_) => return None,
            _ => {}
        }
    }
}

/// Somebody leaves as many sessions behind as there may be in all. Then a connection from another address is
/// lost, whose session is found again. Gives how many were let wait.
async fn attack(server: &mut Server, kept: u32) -> usize {
    let mut waiting = 0;
    for _ in 0..ALL {
        let raw = Raw::connect_from(ATTACKER, &server.address).await;
        waiting += usize::from(leave(server, raw, kept).await.is_some());
    }
    let raw = Raw::connect(&server.address).await;
    let wanted = leave(server, raw, kept).await.expect("it waits");
    let (_, said) = greet(&server.address, Some(wanted)).await;
    assert_eq!(said.session, Some(wanted.id));
    server.goes_on().await;
    waiting
}

#[test]
fn sessions_that_one_address_leaves_behind_take_nobody_elses_place() {
    within_patience(async {
        let mut server = server(4).await;
        assert_eq!(attack(&mut server, 0).await, 4);
    });
}

#[test]
fn bytes_kept_for_sessions_that_one_address_leaves_behind_take_nobody_elses_room() {
    within_patience(async {
        // There may be 128 KiB in all, and a quarter of that from one address.
        let mut server = server(ALL).await;
        assert_eq!(attack(&mut server, 20_000).await, 1);
    });
}

#[test]
fn messages_that_are_not_whole_count_among_the_bytes_of_a_session_that_is_away() {
    within_patience(async {
        // There may be 128 KiB in all, and a quarter of that from one address.
        let server = server(ALL).await;
        for (length, waits) in [(30_000, true), (3_000, false)] {
            let raw = Raw::connect_from(ATTACKER, &server.address).await;
            let (mut raw, ticket) = begin_over(raw).await;
            let mut begun = call(2, 0, "bytes", &vec![7; length]);
            begun[3] |= MORE;
            raw.send(&begun).await;
            // Answered, it has been read.
            raw.send(&call(3, 0, "bytes", &packed(&(0,)))).await;
            assert!(matches!(
                raw.frame().await,
                Some(Seen::Return { call: 3, .. })
            ));
            assert_eq!(
                left(&server, raw, ticket).await.is_some(),
                waits,
                "{length}"
            );
        }
    });
}

#[remote]
pub trait Late {
    /// Gives so many bytes when the gate opens.
    async fn later(&self, count: u32) -> remoting::Result<Vec<u8>>;
}

struct Later(Arc<Gate>);

impl Late for Later {
    async fn later(&self, count: u32) -> remoting::Result<Vec<u8>> {
        self.0.entered.add_permits(1);
        take(&self.0.door, 1).await;
        Ok(vec![7; usize::try_from(count).unwrap()])
    }
}

#[test]
fn a_session_without_a_connection_ends_when_more_waits_than_it_may_hold() {
    within_patience(async {
        let server = Server::with(|limits| {
            limits.unsent = 8 * 1024;
            without_timers(limits);
        })
        .await;
        let gate = Arc::clone(&server.gate);
        let late = LateDispatcher::singleton(move || Later(Arc::clone(&gate)));
        server.host.publish("late", late).unwrap();
        let (mut raw, _) = begin_over(Raw::connect(&server.address).await).await;
        raw.send(&resolve_as(2, ResolveWhat::Name, "Late", "late"))
            .await;
        assert!(matches!(raw.frame().await, Some(Seen::Return { .. })));
        for (id, count) in (3..8).zip([1, 20_000, 20_000, 20_000, 20_000_u32]) {
            raw.send(&call(id, 1, "later", &packed(&(count,)))).await;
            take(&server.gate.entered, 1).await;
        }
        let mut events = server.host.connection_events();
        drop(raw);
        while !matches!(events.next().await.unwrap().what, ConnectionChange::Lost(_)) {}
        for _ in 3..8 {
            server.gate.door.add_permits(1);
            // One answer after the other, as long as there is anybody to answer.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        }
        let ended = async {
            loop {
                if let ConnectionChange::Ended(why) = events.next().await.unwrap().what {
                    return why;
                }
            }
        };
        let why = timeout(Duration::from_secs(20), ended).await;
        let why = why.expect("80,000 bytes wait, and 32 KiB may");
        assert!(why.contains("`unsent`"), "{why}");
        assert_eq!(server.host.counters().unsent.get(), 1);
    });
}
