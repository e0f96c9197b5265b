//! The callers of the company, in the process of the neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::relay::{self, Relay};
use super::{Company, Reading};
use crate::measure::Turn;
use crate::peers::{Caller, Peer};

/// Longer than any run.
const EVER: Duration = Duration::from_secs(3600);
/// How long the company has to get going.
const GATHERING: Duration = Duration::from_millis(200);

/// Callers who call until they are told to stop.
pub(crate) struct Crowd {
    tasks: Vec<JoinHandle<Result<Vec<u32>>>>,
    calls: Arc<AtomicU64>,
    _relay: Option<Relay>,
}

impl Crowd {
    /// Lets the company begin.
    ///
    /// - `neighbour`: whose connection may be shared.
    pub(crate) async fn gather<P: Peer>(
        company: Company,
        address: &str,
        neighbour: &P::Caller,
    ) -> Result<Self> {
        let calls = Arc::<AtomicU64>::default();
        let (caller, relay) = connection::<P>(company, address, neighbour).await?;
        let turn = Turn::new(company.operation, EVER).counted_in(&calls);
        let tasks = (0..company.callers)
            .map(|number| caller.clone().start(turn.of_caller(number)))
            .collect();
        sleep(GATHERING).await;
        Ok(Self {
            tasks,
            calls,
            _relay: relay,
        })
    }

    /// How many calls have ended so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Ends all callers; a failure if one of them had ended before.
    pub(crate) async fn disperse(self) -> Result<()> {
        for task in self.tasks {
            if !task.is_finished() {
                task.abort();
                continue;
            }
            match task.await? {
                Ok(_) => bail!("the company left too early"),
                Err(error) => return Err(error.context("a call of the company")),
            }
        }
        Ok(())
    }
}

async fn connection<P: Peer>(
    company: Company,
    address: &str,
    neighbour: &P::Caller,
) -> Result<(P::Caller, Option<Relay>)> {
    if company.same_connection {
        return Ok((neighbour.clone(), None));
    }
    if company.reading == Reading::AtOnce {
        return Ok((P::connect(address).await?, None));
    }
    let relay = Relay::start(relay::server_of(address), company.reading).await?;
    let address = relay.instead_in(address);
    Ok((P::connect(&address).await?, Some(relay)))
}
