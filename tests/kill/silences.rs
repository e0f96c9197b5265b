//! Servers that fall silent: stopped, or behind a line that carries nothing any more in one direction or in both. The kernel
//! goes on as if nothing had happened, and only a ping that is not answered tells.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use remoting::testing::{FaultProxy, Lane, Trouble};

use crate::number;
use crate::server::{Order, Server, is_this, serve};
use crate::silence::{Journals, Silence, Stopped, fall_silent};

const TEST: &str =
    "silences::a_server_that_falls_silent_is_noticed_and_calls_go_on_when_it_speaks_again";

/// Bytes in these lanes of the connection do not arrive; those of another one would.
struct Stalled(FaultProxy, &'static [Lane]);

impl Silence for Stalled {
    async fn begin(&self, _: &Server) {
        for lane in self.1 {
            self.0.set_open(*lane, Trouble::none().stall_after(0));
        }
    }

    async fn end(&self, _: &Server) {}

    fn is_mutual(&self) -> bool {
        false
    }
}

/// Once: the process is stopped where there are no lanes.
async fn once(lanes: &'static [Lane], timer: Duration) -> Duration {
    let journals = Journals::new();
    let order = Order {
        test: TEST,
        through: &[],
        scheme: "tcp",
        timer,
        journal: journals.of_server(),
    };
    let mut server = Server::start(&order, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let line = FaultProxy::to(server.address).start().await.unwrap();
    let base = format!("tcp://{}", line.addr());
    if lanes.is_empty() {
        fall_silent(&Stopped, &mut server, &base, timer, &journals).await
    } else {
        let stalled = Stalled(line, lanes);
        fall_silent(&stalled, &mut server, &base, timer, &journals).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_noticed_and_calls_go_on_when_it_speaks_again() {
    if is_this() {
        return serve().await;
    }
    let rounds = number("SILENCES", 1);
    // A second each, as figures have it that are compared with others; short otherwise.
    let timer = Duration::from_millis(if rounds > 1 { 1000 } else { 100 });
    let silences: [(&str, &'static [Lane]); 4] = [
        ("stopped", &[]),
        ("nothing to the server", &[Lane::ToServer]),
        ("nothing to the client", &[Lane::ToClient]),
        ("nothing", &[Lane::ToServer, Lane::ToClient]),
    ];
    for (name, lanes) in silences {
        let mut longest = Duration::ZERO;
        for _ in 0..rounds {
            longest = longest.max(once(lanes, timer).await);
        }
        println!("{name}: noticed {rounds} of {rounds} times, after {longest:?} at most");
    }
}
