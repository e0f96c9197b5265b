//! One world: it begins, things go wrong, they go well again, and all that was under way comes to its end.

use std::time::Duration;

use remoting::prelude::*;
use remoting::sink::Metrics;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::actor::Actor;
use crate::book::Book;
use crate::chance::Chance;
use crate::contract::*;
use crate::network::{Network, url};
use crate::plan::{CLIENTS, Plan};
use crate::server::{DEADLINE, LONG, PUBLISHED, serve};
use crate::sinks;
use crate::storm::Storm;
use crate::verdict::judge;

/// How long everything may take at most when all is well again.
const PATIENCE: Duration = Duration::from_secs(400);
/// How long a call may take then, when nothing else is under way: less than after which somebody would look whether the
/// peer is there, and so find what was forgotten.
const SOON: Duration = Duration::from_secs(14);

/// What came of a world.
pub struct Outcome {
    pub wrong: Vec<String>,
    /// What has happened, and when, as a number.
    pub trace: u64,
    pub calls: u64,
    pub links: u64,
}

/// Has the world of a seed live to its end.
///
/// - `is_loud`: prints what happens.
pub fn live(seed: u64, is_loud: bool) -> Outcome {
    remoting::testing::seed(Some(seed));
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut chance = Chance::new(seed);
        let plan = Plan::draw(&mut chance);
        let book = Book::new(is_loud);
        book.note(format_args!("{plan:?}"));
        let network = Network::new(plan.style, chance.fork());
        let world = World {
            plan,
            network: network.clone(),
            book: book.clone(),
            chance,
            metrics: Metrics::new(),
        };
        world.run().await;
        Outcome {
            wrong: book.wrong(),
            trace: book.trace(),
            calls: book.entries().len() as u64,
            links: network.links(),
        }
    })
}

struct World {
    plan: Plan,
    network: Network,
    book: Book,
    chance: Chance,
    /// What the clients' sinks have counted.
    metrics: Metrics,
}

impl World {
    async fn run(mut self) {
        let server = serve(&self.plan, &self.network, &self.book).await;
        let mut clients = Vec::new();
        let mut own = Vec::new();
        for number in 0..CLIENTS {
            let client = self.client(number).await;
            if self.plan.begins_calm {
                own.push(self.meet(&client).await);
            }
            clients.push(client);
        }
        let actors = self.actors(&clients, &own);
        let storm = Storm {
            plan: &self.plan,
            network: &self.network,
            book: &self.book,
            chance: self.chance.fork(),
        };
        let server = storm.rage(server).await;
        self.finish(actors).await;
        for client in &clients {
            self.call_anew(client).await;
        }
        drop(own);
        self.settle(&server, clients).await;
        judge(&self.plan, &self.book);
    }

    async fn client(&self, number: usize) -> Host {
        sinks::of_client(&self.plan, Host::builder(), &self.metrics)
            .limits(self.plan.limits())
            .channel(self.network.client(number))
            .start()
            .await
            .unwrap()
    }

    /// Makes an object for a client, while all is well.
    async fn meet(&self, client: &Host) -> LedgerProxy {
        let id = self.book.call("open");
        let opened = client.activate::<LedgerProxy>(&url("ledgers")).open(id);
        let opened = self.book.watch(id, DEADLINE, opened).await;
        opened.expect("nothing has gone wrong yet")
    }

    fn actors(&mut self, clients: &[Host], own: &[LedgerProxy]) -> JoinSet<()> {
        let mut actors = JoinSet::new();
        for (number, client) in clients.iter().enumerate() {
            let published = client.get(&url("ledger")).unwrap();
            let ledgers: Vec<LedgerProxy> = own.get(number).cloned().into_iter().collect();
            let ledgers: Vec<_> = ledgers.into_iter().chain([published]).collect();
            for _ in 0..self.plan.actors {
                let actor = Actor {
                    host: client.clone(),
                    book: self.book.clone(),
                    chance: self.chance.fork(),
                    ledgers: ledgers.clone(),
                };
                actors.spawn(actor.act(self.plan.steps));
            }
        }
        actors
    }

    /// Waits for all that is under way.
    async fn finish(&self, mut actors: JoinSet<()>) {
        let all = async {
            while let Some(ended) = actors.join_next().await {
                let wrong = || format!("an actor has failed: {ended:?}");
                self.book.expect(ended.is_ok(), wrong);
            }
        };
        let in_time = timeout(PATIENCE, all).await.is_ok();
        self.book
            .expect(in_time, || "what was begun does not end".to_owned());
    }

    /// When all is well, so is a call.
    async fn call_anew(&self, client: &Host) {
        let id = self.book.call("put");
        let ledger: LedgerProxy = client.get(&url("ledger")).unwrap();
        let put = ledger.put(id, 0).deadline(LONG);
        let begun = Instant::now();
        let answer = self.book.watch(id, LONG, put).await;
        let took = begun.elapsed();
        self.book.expect(took < SOON, || {
            format!("{id} takes {took:?}, although all is well")
        });
        self.book.expect(answer.is_some(), || {
            format!("{id} fails, although all is well")
        });
    }

    /// Waits until nothing is left of what there was.
    async fn settle(&self, server: &Host, clients: Vec<Host>) {
        let is_empty = || {
            let alive = |what| self.book.count(what);
            let kept = server.kept_objects() == PUBLISHED;
            let leases = server.leases().len() == PUBLISHED;
            let here = clients.iter().all(|client| client.kept_objects() == 0);
            let runs = alive("a call that runs") + alive("a stream") + alive("a listener");
            kept && leases && here && runs == 0 && alive("an object") == PUBLISHED as u64
        };
        self.until("there is something left", server, is_empty)
            .await;
        for counted in self.metrics.snapshot() {
            self.book.expect(counted.in_flight == 0, || {
                format!("a call is counted for ever: {counted:?}")
            });
        }
        clients.iter().for_each(Host::shutdown);
        drop(clients);
        let is_alone = || server.open_connections() == 0;
        self.until("a connection is left", server, is_alone).await;
    }

    async fn until(&self, otherwise: &str, server: &Host, is_so: impl Fn() -> bool) {
        let wait = async {
            while !is_so() {
                sleep(Duration::from_millis(250)).await;
            }
        };
        let in_time = timeout(PATIENCE, wait).await.is_ok();
        self.book.expect(in_time, || {
            let living = self.book.living();
            format!("{otherwise}: {living}, {server:?}, {:?}", server.leases())
        });
        self.book.note(format_args!("it is so"));
    }
}
