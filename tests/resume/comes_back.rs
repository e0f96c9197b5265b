//! Clients that come back before their server knows that they were away, or over a connection that others have used.

use std::net::SocketAddr;
use std::time::Duration;

use remoting::testing::{FaultProxy, Lane, Trouble};
use remoting::{ConnectionState, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::ground::*;

/// What the gateway asks first, and how its answer begins.
const ASK: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
const BEGIN: &[u8] = b"HTTP/1.1 404";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_back_needs_no_place_among_those_that_are_away() {
    let mut of_server = Limits::default();
    of_server.detached_sessions = 1;
    let mut limits = Limits::default();
    (limits.ping_after, limits.pong_within) = (Duration::from_secs(1), Duration::from_secs(1));
    let ground = Ground::between(Way::Tcp, of_server, limits).await;
    let own = ground.own_ledger(0).await;
    // Another client is away, and has the one place.
    let line = FaultProxy::to(address(&ground.server)).start().await;
    let line = line.unwrap();
    let other = client(Limits::default()).await;
    let others = other.activate::<LedgerProxy>(&url(Way::Tcp, line.addr(), "ledgers"));
    let _others = others.open(0).await.unwrap();
    for lane in [Lane::ToServer, Lane::ToClient] {
        line.set_new(lane, Trouble::none().stall_after(0));
    }
    line.cut_all();
    until(|| {
        let mut all = ground.server.connections().into_iter();
        all.any(|connection| connection.state == ConnectionState::Away)
    })
    .await;
    // Only the client finds out that its line is dead.
    for lane in [Lane::ToServer, Lane::ToClient] {
        ground.line.set_open(lane, Trouble::none().stall_after(0));
    }
    assert_eq!(own.next().await.unwrap(), 1);
}

/// Passes connections on, each behind a request of its own, until they are cut, as gateways do that keep their connections
/// to servers.
async fn gateway(server: String) -> (SocketAddr, broadcast::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, _) = broadcast::channel(1);
    let cuts = cut.clone();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let (server, mut cut) = (server.clone(), cuts.subscribe());
            tokio::spawn(async move {
                let mut far = TcpStream::connect(server).await.unwrap();
                far.write_all(ASK).await.unwrap();
                take_answer(&mut far).await;
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = cut.recv() => {}
                }
            });
        }
    });
    (address, cut)
}

/// Reads the answer to a request, to its end and no further.
async fn take_answer(far: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(far.read_u8().await.unwrap());
    }
    assert!(head.starts_with(BEGIN));
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length:"));
    let length = length.unwrap().trim().parse().unwrap();
    far.read_exact(&mut vec![0; length]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_over_a_connection_that_has_carried_requests() {
    let ground = Ground::new(Way::WebSocket).await;
    let server = address(&ground.server);
    let (_, server) = server.split_once("://").unwrap();
    let (address, cut) = gateway(server.to_owned()).await;
    let ledgers = url(Way::WebSocket, address, "ledgers");
    let ledgers = ground.client.activate::<LedgerProxy>(&ledgers);
    let own = ledgers.open(0).await.unwrap();
    assert_eq!(own.next().await.unwrap(), 1);
    let mut events = ground.client.connection_events();
    cut.send(()).unwrap();
    let lost = events.next().await.unwrap().what;
    assert!(
        matches!(lost, remoting::ConnectionChange::Lost(_)),
        "{lost:?}"
    );
    assert_eq!(own.next().await.unwrap(), 2);
}
