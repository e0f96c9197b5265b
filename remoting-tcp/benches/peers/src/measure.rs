//! What a caller does in a run, and the figures that come of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::counters::Usage;
use crate::peers::Caller;
use crate::workloads::{Deed, Operation};

/// One caller's part of a run.
#[derive(Clone)]
pub(crate) struct Turn {
    operation: Operation,
    data: Bytes,
    end: Instant,
    most: i32,
    /// Which of the callers this is.
    number: usize,
    /// Where calls are counted for others to see, or pieces of streams.
    made: Option<Arc<AtomicU64>>,
}

impl Turn {
    pub(crate) fn new(operation: Operation, time: Duration) -> Self {
        let size = match operation {
            Operation::Echo(size) | Operation::Deed(Deed::Upload(size)) => size,
            _ => 0,
        };
        // Not all alike, so that nobody gains by finding that out.
        let data: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        Self {
            operation,
            data: data.into(),
            end: Instant::now() + time,
            most: i32::MAX,
            number: 0,
            made: None,
        }
    }

    /// The same turn for another caller.
    pub(crate) fn of_caller(&self, number: usize) -> Self {
        Self {
            number,
            ..self.clone()
        }
    }

    /// Counts the calls where others see it.
    pub(crate) fn counted_in(self, made: &Arc<AtomicU64>) -> Self {
        Self {
            made: Some(Arc::clone(made)),
            ..self
        }
    }

    /// At most so many calls.
    pub(crate) fn at_most(self, calls: i32) -> Self {
        Self {
            most: calls,
            ..self
        }
    }

    /// Calls until the time is over; gives the nanoseconds of each call.
    ///
    /// The clock is read once a call: one call ends when the next one begins.
    pub(crate) async fn run<C: Caller>(self, caller: C) -> Result<Vec<u32>> {
        let mut times = Vec::with_capacity(1024);
        let mut begin = Instant::now();
        for number in 0..self.most {
            self.call(&caller, number).await?;
            if let Some(made) = self.made.as_ref().filter(|_| !self.streams()) {
                made.fetch_add(1, Ordering::Relaxed);
            }
            let now = Instant::now();
            times.push(u32::try_from((now - begin).as_nanos()).unwrap_or(u32::MAX));
            if now >= self.end {
                break;
            }
            begin = now;
        }
        Ok(times)
    }

    async fn call<C: Caller>(&self, caller: &C, number: i32) -> Result<()> {
        match self.operation {
            Operation::GetPerson => {
                let id = caller.get_person(42, "GB", true).await?;
                ensure!(id == 42, "person {id} instead of 42");
            }
            Operation::Echo(size) => {
                let back = caller.echo(&self.data).await?;
                ensure!(back == size, "{back} bytes instead of {size}");
            }
            Operation::AddAmong(objects) => {
                let sum = caller
                    .add_among(self.some_of(objects, number), number, 1)
                    .await?;
                ensure!(sum == number + 1, "{number} + 1 = {sum}");
            }
            Operation::Deed(deed) => caller.deed(deed, number, &self.data).await?,
            Operation::Stream(streamed) => {
                let passed = self.made.clone().unwrap_or_default();
                let total = caller.stream(streamed, passed).await?;
                ensure!(total == streamed.total(), "{total} of {streamed:?}");
            }
            Operation::Add | Operation::Connect | Operation::Counted | Operation::Rest => {
                let sum = caller.add(number, 1).await?;
                ensure!(sum == number + 1, "{number} + 1 = {sum}");
            }
        }
        Ok(())
    }

    /// Whether calls are streams, whose pieces are counted in their place.
    fn streams(&self) -> bool {
        matches!(self.operation, Operation::Stream(_))
    }

    /// A place that looks as if taken by chance.
    fn some_of(&self, objects: usize, number: i32) -> usize {
        let seed = (self.number as u64) << 32 | u64::from(number as u32);
        let mut mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 32) % objects as u64) as usize
    }
}

/// The outcome of one run. Times are nanoseconds, and all but the counts are for each call.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// The time of the whole run, divided by its calls: the inverse of calls per second.
    pub(crate) each: f64,
    pub(crate) client_cpu: f64,
    pub(crate) server_cpu: f64,
    pub(crate) client_switches: f64,
    pub(crate) server_switches: f64,
    /// Bytes that the server keeps for each idle connection; while something grows, the most
    /// that the server has grown by.
    pub(crate) memory: f64,
    /// The most that the client has grown by, where that is watched.
    pub(crate) client_memory: f64,
    /// Instructions of the programs, without those of the kernel.
    pub(crate) client_instructions: f64,
    pub(crate) server_instructions: f64,
    /// The time that each connection or object took to come into being.
    pub(crate) set_up: f64,
    /// How many calls a second the company made, or pieces of streams.
    pub(crate) company: f64,
}

impl Figures {
    pub(crate) fn new(mut times: Vec<u32>, wall: Duration, client: Usage, server: Usage) -> Self {
        times.sort_unstable();
        let at = |part: f64| {
            let last = times.len().saturating_sub(1);
            let place = (last as f64 * part).round() as usize;
            times.get(place).map_or(0.0, |time| f64::from(*time))
        };
        let calls = times.len().max(1) as f64;
        Self {
            calls: times.len() as u64,
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
            each: wall.as_nanos() as f64 / calls,
            client_cpu: client.cpu as f64 / calls,
            server_cpu: server.cpu as f64 / calls,
            client_switches: client.switches as f64 / calls,
            server_switches: server.switches as f64 / calls,
            ..Self::default()
        }
    }
}

/// A column of [`Figures`] that the short table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    P50,
    /// Time per call, which is calls per second the other way round.
    Each,
    /// Processor time of both processes.
    Cpu,
    Memory,
    /// Instructions of both processes.
    Instructions,
}

impl Metric {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::Each => "time per call",
            Self::Cpu => "CPU per call, both",
            Self::Memory => "memory",
            Self::Instructions => "instructions per call, both",
        }
    }

    pub(crate) fn of(self, figures: &Figures) -> f64 {
        match self {
            Self::P50 => figures.p50,
            Self::Each => figures.each,
            Self::Cpu => figures.client_cpu + figures.server_cpu,
            Self::Memory => figures.memory,
            Self::Instructions => figures.client_instructions + figures.server_instructions,
        }
    }
}
