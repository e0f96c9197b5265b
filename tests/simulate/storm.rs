//! What goes wrong besides what lines do by themselves: strikes at times that are drawn.

use std::io::ErrorKind;

use remoting::Host;
use tokio::time::{Instant, sleep, sleep_until};

use crate::book::Book;
use crate::chance::Chance;
use crate::line::{Cut, Line};
use crate::network::Network;
use crate::plan::{CLIENTS, Harm, Plan};
use crate::server::serve;

/// What makes things go wrong.
pub struct Storm<'a> {
    pub plan: &'a Plan,
    pub network: &'a Network,
    pub book: &'a Book,
    pub chance: Chance,
}

impl Storm<'_> {
    /// Lets things go wrong until it is over. Gives the server that there is then.
    pub async fn rage(mut self, mut server: Host) -> Host {
        let end = Instant::now() + self.plan.storm;
        self.network.unleash();
        let pause = self.plan.storm.as_millis() as u64 / self.plan.strikes;
        for _ in 0..self.plan.strikes {
            let next = Instant::now() + self.chance.millis(0..2 * pause + 1);
            sleep_until(next.min(end)).await;
            if next >= end {
                break;
            }
            let client = self.chance.within(0..CLIENTS as u64) as usize;
            server = self.strike(client, server).await;
        }
        sleep_until(end).await;
        self.network.heal();
        self.book.note(format_args!("all is well"));
        server
    }

    async fn strike(&mut self, client: usize, server: Host) -> Host {
        match (self.chance.within(0..100), self.plan.harm) {
            (0..=39, _) => self.cut(client),
            (40..=64, _) => self.stall(client),
            (65..=74, _) => self.refuse(client, ErrorKind::TimedOut, 8000),
            (_, Harm::Lines) => self.cut(client),
            (75..=84, _) => self.refuse(client, ErrorKind::ConnectionRefused, 8000),
            (85..=92, _) | (_, Harm::Sessions) => self.outage(client),
            (_, Harm::Server) => return self.restart(server).await,
        }
        server
    }

    fn lines(&self, client: usize) -> Vec<Line> {
        self.network.lines(client)
    }

    fn cut(&mut self, client: usize) {
        let cut = self.chance.of(&[Cut::Reset, Cut::Close]);
        self.book.note(format_args!("{cut:?} of client {client}"));
        self.lines(client).iter().for_each(|line| line.cut(cut));
    }

    fn stall(&mut self, client: usize) {
        let stalled = self
            .chance
            .of(&[[true, false], [false, true], [true, true]]);
        let longest = self.chance.of(&[500, 5000, 40_000]);
        let time = self.chance.millis(1..longest);
        self.book.note(format_args!(
            "stall of client {client}: {stalled:?} {time:?}"
        ));
        for line in self.lines(client) {
            line.stall(stalled, time);
        }
    }

    fn refuse(&mut self, client: usize, how: ErrorKind, longest: u64) {
        let time = self.chance.millis(1..longest);
        self.book
            .note(format_args!("refusal of client {client}: {how} {time:?}"));
        self.network.refuse(client, time, how);
        self.cut(client);
    }

    /// Nobody gets through for longer than sessions wait.
    fn outage(&mut self, client: usize) {
        let time = self.plan.window + self.chance.millis(0..3000);
        self.book
            .note(format_args!("outage of client {client}: {time:?}"));
        self.network
            .refuse(client, time, ErrorKind::HostUnreachable);
        self.cut(client);
    }

    /// The server goes, and another takes its place.
    async fn restart(&mut self, server: Host) -> Host {
        let way = self
            .chance
            .of(&[Going::Crash, Going::Goodbye, Going::Drain]);
        self.book.note(format_args!("restart: {way:?}"));
        match way {
            Going::Crash => {
                for line in (0..CLIENTS).flat_map(|client| self.lines(client)) {
                    line.cut(Cut::Reset);
                }
            }
            Going::Goodbye => {}
            Going::Drain => {
                let drain = self.chance.millis(1..3000);
                server.run_until(std::future::ready(())).drain(drain).await;
            }
        }
        drop(server);
        let longest = self.chance.of(&[1, 200, 3000]);
        sleep(self.chance.millis(0..longest)).await;
        serve(self.plan, self.network, self.book).await
    }
}

/// How a server goes.
#[derive(Debug, Clone, Copy)]
enum Going {
    /// Without a word.
    Crash,
    /// At once, but not without a word.
    Goodbye,
    /// When what is under way has ended, or some time later.
    Drain,
}
