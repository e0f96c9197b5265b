//! Servers that fall silent: stopped, or behind a line that carries nothing any more in one direction or in both. The kernel
//! goes on as if nothing had happened, and only a ping that is not answered tells.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use remoting::prelude::*;
use remoting::testing::{CallId, FaultProxy, Lane, Trouble};
use remoting::{ConnectionChange, ConnectionEvents, Limits};

use crate::folder::Folder;
use crate::number;
use crate::server::{Order, Server, WorkProxy, is_this, serve};

/// A way to fall silent.
#[derive(Debug, Clone, Copy)]
enum Silence {
    /// The process is stopped.
    Stopped,
    /// Bytes in these lanes do not arrive.
    Line(&'static [Lane]),
}

const SILENCES: [Silence; 4] = [
    Silence::Stopped,
    Silence::Line(&[Lane::ToServer]),
    Silence::Line(&[Lane::ToClient]),
    Silence::Line(&[Lane::ToServer, Lane::ToClient]),
];

/// Waits until the connection is taken for dead.
async fn lost(events: &mut ConnectionEvents) {
    while let Some(event) = events.next().await {
        if matches!(event.what, ConnectionChange::Lost(_)) {
            return;
        }
    }
    panic!("the host has gone");
}

/// Has the server fall silent while calls go to it, and speak again. Gives how long it took to notice that.
async fn fall_silent(silence: Silence, timer: Duration, order: &Order) -> Duration {
    let server = Server::start(order, SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let line = FaultProxy::to(server.address).start().await.unwrap();
    let mut limits = Limits::default();
    (limits.ping_after, limits.pong_within) = (timer, timer);
    let builder = Host::builder().limits(limits);
    let client = builder
        .channel(TcpChannel::client())
        .start_client()
        .unwrap();
    let mut events = client.connection_events();
    let work: WorkProxy = client.get(&format!("tcp://{}/work", line.addr())).unwrap();
    let id = |call| CallId { client: 0, call };
    work.run(id(1), b"").await.unwrap();
    match silence {
        Silence::Stopped => server.signal("STOP").await,
        Silence::Line(lanes) => {
            for lane in lanes {
                let stalled = Trouble::none().stall_after(0);
                line.set_open(*lane, stalled);
            }
        }
    }
    let began = Instant::now();
    let waiting = tokio::spawn(work.run(id(2), b""));
    lost(&mut events).await;
    let took = began.elapsed();
    if let Silence::Stopped = silence {
        server.signal("CONT").await;
    }
    // It was on its way, or waited: either way it runs now, once.
    assert_eq!(waiting.await.unwrap(), Ok(0), "{silence:?}");
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_noticed_and_calls_go_on_when_it_speaks_again() {
    if is_this() {
        return serve().await;
    }
    let rounds = number("SILENCES", 1);
    // A second each, as figures have it that are compared with others; short otherwise.
    let timer = Duration::from_millis(if rounds > 1 { 1000 } else { 100 });
    for silence in SILENCES {
        let mut longest = Duration::ZERO;
        for round in 0..rounds {
            let folder = Folder::new("silence");
            let order = Order {
                test: "silences::a_server_that_falls_silent_is_noticed_and_calls_go_on_when_it_speaks_again",
                scheme: "tcp",
                journal: folder.path().join(format!("server-{round}")),
            };
            longest = longest.max(fall_silent(silence, timer, &order).await);
        }
        println!("{silence:?}: noticed {rounds} of {rounds} times, after {longest:?} at most");
    }
}
