//! The two ends of a contestant, each in its process: a server that waits for its
//! input to end, and a client that carries out one order a line.

use std::io::{self, BufRead, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::arguments::Effort;
use crate::counters::Usage;
use crate::fairness::{Company, Crowd};
use crate::measure::{Figures, Turn};
use crate::peers::{Caller, Peer};
use crate::workloads::{Operation, Row};

/// How much longer than it should a run may take until it has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the judge tells a client to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) operation: Operation,
    /// How many callers share each connection.
    pub(crate) callers: usize,
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// How many calls each caller makes, where that is what ends a run.
    pub(crate) calls: i32,
    /// Who else keeps the server busy.
    pub(crate) company: Option<Company>,
}

impl Order {
    pub(crate) fn new(row: &Row, effort: &Effort) -> Self {
        Self {
            callers: row.callers,
            connections: row.connections,
            ..Self::plain(row.operation, effort)
        }
    }

    /// One caller on one connection.
    pub(crate) fn plain(operation: Operation, effort: &Effort) -> Self {
        Self {
            operation,
            callers: 1,
            connections: 1,
            warm_up: effort.warm_up,
            measured: effort.measured,
            calls: i32::MAX,
            company: None,
        }
    }

    /// How many things have to be made before calls can be.
    fn made(&self) -> usize {
        match self.operation {
            Operation::AddAmong(objects) => objects,
            _ => self.connections,
        }
    }
}

/// What a client tells of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done(Figures),
    Failed(String),
}

/// Serves until the judge goes away.
pub(crate) fn serve<P: Peer>() -> Result<()> {
    let (end, ended) = oneshot::channel::<()>();
    thread::spawn(move || {
        // How it ends does not matter.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        drop(end);
    });
    let runtime = P::runtime()?;
    let result = runtime.block_on(LocalSet::new().run_until(async {
        let serving = P::serve().await?;
        println!("{}", serving.address);
        io::stdout().flush()?;
        let _ = ended.await;
        Ok(())
    }));
    runtime.shutdown_background();
    result
}

/// Carries out orders until the judge goes away.
pub(crate) fn drive<P: Peer>(address: &str, server: u32) -> Result<()> {
    let runtime = P::runtime()?;
    let local = LocalSet::new();
    let mut end = ClientEnd::<P> {
        address: address.to_owned(),
        server: server.to_string(),
        resting: Vec::new(),
    };
    for line in io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?).context("an order")?;
        let answer = match runtime.block_on(local.run_until(end.obey(&order))) {
            Ok(figures) => Answer::Done(figures),
            Err(error) => Answer::Failed(format!("{error:#}")),
        };
        println!("{}", serde_json::to_string(&answer)?);
        io::stdout().flush()?;
    }
    runtime.shutdown_background();
    Ok(())
}

struct ClientEnd<P: Peer> {
    address: String,
    server: String,
    /// Connections that only have to stay open.
    resting: Vec<P::Caller>,
}

impl<P: Peer> ClientEnd<P> {
    async fn obey(&mut self, order: &Order) -> Result<Figures> {
        let most = order.warm_up + order.measured + PATIENCE;
        let run = async {
            match order.operation {
                _ if order.company.is_some() => self.beside(order).await,
                Operation::Rest => self.rest(order.connections).await,
                Operation::Connect => self.connect(order.connections).await,
                Operation::Counted => self.counted(order).await,
                _ => self.load(order).await,
            }
        };
        match timeout(most, run).await {
            Ok(figures) => figures,
            Err(_) => bail!("not done after {} s", most.as_secs()),
        }
    }

    async fn load(&self, order: &Order) -> Result<Figures> {
        let begin = Instant::now();
        let callers = self.callers(order).await?;
        let set_up = begin.elapsed().as_nanos() as f64 / order.made() as f64;
        spread(&callers, Turn::new(order.operation, order.warm_up)).await?;
        let turn = Turn::new(order.operation, order.measured);
        let figures = self.measured(spread(&callers, turn)).await?;
        Ok(Figures { set_up, ..figures })
    }

    /// Lets callers call while others keep the server busy.
    async fn beside(&self, order: &Order) -> Result<Figures> {
        let callers = self.callers(order).await?;
        let company = order.company.context("nobody else")?;
        let crowd = Crowd::gather::<P>(company, &self.address, &callers[0]).await?;
        spread(&callers, Turn::new(order.operation, order.warm_up)).await?;
        let (before, begin) = (crowd.calls(), Instant::now());
        let turn = Turn::new(order.operation, order.measured);
        let figures = self.measured(spread(&callers, turn)).await?;
        let calls = (crowd.calls() - before) as f64 / begin.elapsed().as_secs_f64();
        crowd.disperse().await?;
        Ok(Figures {
            company: calls,
            ..figures
        })
    }

    /// Makes as many calls as is said, for somebody else to count what they take.
    ///
    /// The connection stays until the process ends, so that closing it is not counted.
    async fn counted(&mut self, order: &Order) -> Result<Figures> {
        let turn = Turn::new(order.operation, order.measured).at_most(order.calls);
        let callers = self.callers(order).await?;
        spread(&callers, turn).await?;
        self.resting.extend(callers);
        Ok(Figures::default())
    }

    async fn callers(&self, order: &Order) -> Result<Vec<P::Caller>> {
        let mut callers = Vec::new();
        for _ in 0..order.connections {
            let mut caller = P::connect(&self.address).await?;
            // Some connect with their first call only.
            caller.add(1, 1).await?;
            if let Operation::AddAmong(objects) = order.operation {
                caller = caller.hold(objects).await?;
            }
            callers.extend((0..order.callers).map(|_| caller.clone()));
        }
        Ok(callers)
    }

    /// Connects, calls and lets go again, one connection after the other.
    async fn connect(&self, connections: usize) -> Result<Figures> {
        let a_tenth = connections / 10;
        self.connect_each(a_tenth).await?;
        self.measured(self.connect_each(connections)).await
    }

    async fn connect_each(&self, connections: usize) -> Result<Vec<u32>> {
        let mut times = Vec::with_capacity(connections);
        for _ in 0..connections {
            let begin = Instant::now();
            let caller = P::connect(&self.address).await?;
            caller.add(1, 1).await?;
            times.push(u32::try_from(begin.elapsed().as_nanos()).unwrap_or(u32::MAX));
            drop(caller);
        }
        Ok(times)
    }

    /// Opens connections that each make one call, and keeps them.
    async fn rest(&mut self, connections: usize) -> Result<Figures> {
        for _ in 0..connections {
            let caller = P::connect(&self.address).await?;
            caller.add(1, 1).await?;
            self.resting.push(caller);
        }
        Ok(Figures::default())
    }

    /// What a run takes of both processes.
    async fn measured(&self, run: impl Future<Output = Result<Vec<u32>>>) -> Result<Figures> {
        let before = (Usage::of("self"), Usage::of(&self.server));
        let begin = Instant::now();
        let times = run.await?;
        let wall = begin.elapsed();
        let client = Usage::of("self").since(before.0);
        let server = Usage::of(&self.server).since(before.1);
        Ok(Figures::new(times, wall, client, server))
    }
}

/// Lets all callers call at the same time; gives the time of every call.
async fn spread<C: Caller>(callers: &[C], turn: Turn) -> Result<Vec<u32>> {
    let tasks: Vec<_> = callers
        .iter()
        .enumerate()
        .map(|(number, caller)| caller.clone().start(turn.of_caller(number)))
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.append(&mut task.await??);
    }
    Ok(all)
}
