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

use crate::counters::Usage;
use crate::measure::{Figures, Turn};
use crate::peers::{Caller, Peer};
use crate::workloads::{Operation, Row, rows};

/// How much longer than it should a run may take until it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the judge tells a client to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) row: String,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// How many connections, for rows that are about connections.
    pub(crate) connections: usize,
    /// How many calls each caller makes, where that is what ends a run.
    pub(crate) calls: i32,
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
        let row = rows().iter().find(|row| row.key == order.row);
        let row = row.with_context(|| format!("there is no row `{}`", order.row))?;
        let most = order.warm_up + order.measured + PATIENCE;
        let run = async {
            match row.operation {
                Operation::Rest => self.rest(order.connections).await,
                Operation::Connect => self.connect(order.connections).await,
                Operation::Counted => self.counted(row, order).await,
                _ => self.load(row, order).await,
            }
        };
        match timeout(most, run).await {
            Ok(figures) => figures,
            Err(_) => bail!("not done after {} s", most.as_secs()),
        }
    }

    async fn load(&self, row: &Row, order: &Order) -> Result<Figures> {
        let callers = self.callers(row).await?;
        spread(&callers, Turn::new(row.operation, order.warm_up)).await?;
        let turn = Turn::new(row.operation, order.measured);
        self.measured(spread(&callers, turn)).await
    }

    /// Makes as many calls as is said, for somebody else to count what they take.
    ///
    /// The connection stays until the process ends, so that closing it is not counted.
    async fn counted(&mut self, row: &Row, order: &Order) -> Result<Figures> {
        let turn = Turn::new(row.operation, order.measured).at_most(order.calls);
        let callers = self.callers(row).await?;
        spread(&callers, turn).await?;
        self.resting.extend(callers);
        Ok(Figures::default())
    }

    async fn callers(&self, row: &Row) -> Result<Vec<P::Caller>> {
        let mut callers = Vec::new();
        for _ in 0..row.connections {
            let caller = P::connect(&self.address).await?;
            callers.extend((0..row.callers).map(|_| caller.clone()));
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
        .map(|caller| caller.clone().start(turn.clone()))
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.append(&mut task.await??);
    }
    Ok(all)
}
