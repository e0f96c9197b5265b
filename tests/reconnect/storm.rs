//! A server that dies under many clients, and comes back.

use std::time::{Duration, Instant};

use remoting::ConnectPolicy::Wait;
use remoting::{ConnectionState, Direction, Limits, Proxy};
use tokio::task::JoinSet;

use crate::desk::*;

const CLIENTS: usize = 200;
const HANDSHAKES: usize = 16;

/// Calls until the server is another one. Gives when that was seen.
async fn until_renamed(desk: DeskProxy, old: String) -> Instant {
    loop {
        // What was sent when the server died is not sent again by itself.
        match desk.name().connect_policy(Wait).await {
            Ok(name) if name != old => return Instant::now(),
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => assert_eq!(error.kind(), remoting::ErrorKind::SessionLost, "{error}"),
        }
    }
}

#[test]
fn many_clients_are_back_soon_after_their_server_is() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.handshakes = HANDSHAKES;
        let mut server = Server::with(Kind::Tcp, "first", limits).await;
        let url = server.url("tcp");
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let client = client(Wait);
            let desk: DeskProxy = client.get(&url).unwrap();
            assert_eq!(desk.name().await.unwrap(), "first");
            clients.push((client, desk));
        }
        let mut calling = JoinSet::new();
        for (_, desk) in &clients {
            calling.spawn(until_renamed(desk.clone(), "first".to_owned()));
        }
        server.kill().await;
        // So long that all dial, with pauses that have grown.
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.clerk = Clerk::new("second");
        server.revive().await;
        let back = Instant::now();

        // One that is there goes on while the others come.
        let steady = client(Wait);
        let desk: DeskProxy = steady.get(&url).unwrap();
        assert_eq!(desk.name().await.unwrap(), "second");
        let mut slowest = Duration::ZERO;
        let mut strangers = 0;
        while !calling.is_empty() {
            let begun = Instant::now();
            assert_eq!(desk.name().await.unwrap(), "second");
            slowest = slowest.max(begun.elapsed());
            let is_new = |state| state == ConnectionState::Connecting;
            let now = server.host().connections();
            let new = now.iter().filter(|connection| is_new(connection.state));
            strangers = strangers.max(new.count());
            while let Some(seen) = calling.try_join_next() {
                let took = seen.unwrap().saturating_duration_since(back);
                assert!(took < Duration::from_secs(10), "{took:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(strangers <= HANDSHAKES, "{strangers}");
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        let all = server.host().connections();
        assert!(all.iter().all(|one| one.direction == Direction::Accepted));
        until(|| server.host().open_connections() == CLIENTS + 1).await;
        let urls = clients.iter().map(|(_, desk)| Proxy::url(desk).unwrap());
        assert!(urls.into_iter().all(|own| own == url));
    });
}
