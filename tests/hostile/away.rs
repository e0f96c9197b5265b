//! Sessions that their peers leave behind: they take no room from those of others.

use std::net::Ipv4Addr;

use remoting::ConnectionChange;

use crate::raw::*;
use crate::resume::{Ticket, begin_over, greet};
use crate::support::*;

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
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
