//! A server that dies under many clients, and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use remoting::ConnectPolicy::Wait;
use remoting::{ConnectionState, Direction, ErrorKind, Executed, Host, Limits, Proxy};
use tokio::task::JoinSet;

use crate::desk::*;
use crate::dials::{Counting, Dials};

/// How many clients there are, in the environment; then it is also measured how soon they are back.
const STORM: &str = "STORM";
const CLIENTS: usize = 200;
const HANDSHAKES: usize = 16;
/// How often each has dialled in vain when the server comes back.
const DIALS: usize = 5;

/// A client, what it has dialled, and what it calls.
struct Member {
    host: Host,
    dials: Arc<Dials>,
    desk: DeskProxy,
}

impl Member {
    async fn of(url: &str, server: &str) -> Self {
        let (counting, dials) = Counting::new(None);
        let host = counting.policy(Wait).client();
        let desk: DeskProxy = host.get(url).unwrap();
        assert_eq!(desk.name().await.unwrap(), server);
        Self { host, dials, desk }
    }
}

/// Calls a server that is dead, until there is another one. Gives when it has answered.
async fn until_answered(desk: DeskProxy) -> Instant {
    loop {
        match desk.name().await {
            Ok(name) => {
                assert_eq!(name, "second");
                return Instant::now();
            }
            // It was written before anybody knew, and is not sent again by itself.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
                assert_eq!(error.executed(), Executed::Unknown);
            }
        }
    }
}

#[test]
fn many_clients_are_back_soon_after_their_server_is() {
    let measured: Option<usize> = std::env::var(STORM).ok().map(|set| set.parse().unwrap());
    let clients = measured.unwrap_or(CLIENTS);
    within_patience(async {
        let mut limits = Limits::default();
        limits.handshakes = HANDSHAKES;
        limits.connections_per_address = clients + 1;
        let mut server = Server::with(Kind::Tcp, "first", limits).await;
        let url = server.url("tcp");
        let mut members = Vec::new();
        for _ in 0..clients {
            members.push(Member::of(&url, "first").await);
        }
        server.kill().await;
        let mut calling = JoinSet::new();
        for member in &members {
            member.dials.forget();
            calling.spawn(until_answered(member.desk.clone()));
        }
        // So often that the pauses have grown.
        until(|| members.iter().all(|member| member.dials.count() >= DIALS)).await;
        server.clerk = Clerk::new("second");
        server.revive().await;
        let back = Instant::now();

        // One that is there goes on while the others come.
        let steady = Member::of(&url, "second").await;
        let mut slowest = Duration::ZERO;
        let mut strangers = 0;
        let mut came = Vec::new();
        while !calling.is_empty() {
            let begun = Instant::now();
            assert_eq!(steady.desk.name().await.unwrap(), "second");
            slowest = slowest.max(begun.elapsed());
            let is_new = |state| state == ConnectionState::Connecting;
            let now = server.host().connections();
            let new = now.iter().filter(|connection| is_new(connection.state));
            strangers = strangers.max(new.count());
            while let Some(seen) = calling.try_join_next() {
                came.push(seen.unwrap().saturating_duration_since(back));
            }
        }
        assert!(strangers <= HANDSHAKES, "{strangers}");
        let mut all = server.host().connections().into_iter();
        assert!(all.all(|one| one.direction == Direction::Accepted));
        until(|| server.host().open_connections() == clients + 1).await;
        let urls = members.iter().map(|one| Proxy::url(&one.desk).unwrap());
        assert!(urls.into_iter().all(|own| own == url));
        assert!(members.iter().all(|one| one.host.open_connections() == 1));
        came.sort();
        let [median, last] = [came[clients / 2], came[clients - 1]];
        println!(
            "{clients} clients are back, half of them after {median:?} and the last after {last:?};"
        );
        println!("another one's call took {slowest:?} at most meanwhile");
        if measured.is_some() {
            assert!(last < Duration::from_secs(10) && slowest < Duration::from_secs(2));
        }
    });
}
