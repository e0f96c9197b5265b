//! A server that is killed, and started again at the same port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use remoting::testing::{Journal, check};
use tokio::runtime::Runtime;

use crate::chance::Chance;
use crate::folder::Folder;
use crate::load::Load;
use crate::number;
use crate::server::{self, Order, Server};

/// The name of a test here, which runs as the server, too.
const TEST: &str = "kills::over_tcp_no_call_runs_twice_and_all_callers_are_told_the_truth";

#[test]
fn over_tcp_no_call_runs_twice_and_all_callers_are_told_the_truth() {
    serve_or_kill("tcp");
}

#[test]
fn over_web_sockets_no_call_runs_twice_and_all_callers_are_told_the_truth() {
    serve_or_kill("ws");
}

#[test]
fn over_requests_of_http_no_call_runs_twice_and_all_callers_are_told_the_truth() {
    serve_or_kill("http");
}

fn serve_or_kill(scheme: &'static str) {
    let runtime = Runtime::new().unwrap();
    match server::is_this() {
        true => runtime.block_on(server::serve()),
        false => runtime.block_on(kill_again_and_again(scheme)),
    }
}

/// What is to be done.
struct Plan {
    kills: u64,
    calls: u64,
    chance: Chance,
    order: Order,
}

async fn kill_again_and_again(scheme: &'static str) {
    let folder = Folder::new("kill");
    let journals = ["clients", "server"].map(|name| folder.path().join(name));
    let order = Order {
        test: TEST,
        through: &[],
        scheme,
        timer: Duration::from_secs(10),
        journal: journals[1].clone(),
    };
    let plan = Plan {
        kills: number("KILLS", 10),
        calls: number("CALLS", 3000),
        chance: Chance::from_env("KILL_SEED"),
        order,
    };
    let kills = plan.kills;
    let begun = Instant::now();
    let load = Load::new(Journal::open(&journals[0]).unwrap());
    plan.carry_out(&load).await;
    let verdict = check(&journals).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{scheme}, in {seconds:.1} s:\n{verdict}");
    verdict.assert_clean();
    assert_eq!(verdict.faults, kills);
    assert!(verdict.ok > 0, "somebody was answered");
    let failed = verdict.failed_unknown + verdict.failed_no;
    assert!(failed > 0, "the server died under nobody's call");
}

impl Plan {
    async fn carry_out(mut self, load: &Arc<Load>) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Server::start(&self.order, any).await;
        let address = server.address;
        let mut callers = load.start(&format!("{}://{address}/work", self.order.scheme));
        for kill in 1..=self.kills {
            self.wait(load).await;
            load.journal().fault(&format!("kill {kill}")).unwrap();
            server.kill().await;
            server = Server::start(&self.order, address).await;
            if self.kills >= 20 && kill % (self.kills / 20) == 0 {
                println!(
                    "{}: kill {kill} of {}, {} calls have ended",
                    self.order.scheme,
                    self.kills,
                    load.ended()
                );
            }
        }
        load.until_ended(self.calls).await;
        load.stop();
        while let Some(ended) = callers.join_next().await {
            ended.expect("no caller panics");
        }
    }

    /// Waits for the time of the next kill: while clients still come back after the last one, or in the middle of work.
    async fn wait(&mut self, load: &Load) {
        if self.chance.below(4) == 0 {
            let time = u64::try_from(self.chance.below(30_000)).unwrap();
            tokio::time::sleep(Duration::from_micros(time)).await;
        } else {
            let most = self.calls * 2 / self.kills.max(1) + 1;
            let more = self.chance.next() % most;
            load.until_ended(load.ended() + more).await;
        }
    }
}

impl Server {
    /// Kills it, without a word to it.
    async fn kill(mut self) {
        self.process.kill().await.expect("it ran until now");
    }
}
