//! Client processes that are killed, and what becomes of the objects that they held.
//!
//! The server is this process itself: so who is killed and what goes are told by one clock.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clients::Clients;
use crate::ledger::Ledger;
use crate::objects::orphaned;
use crate::processes::{HOLD, Process};
use crate::progress::Progress;
use crate::report::{Report, grouped};
use crate::server::{SHARED, listen};
use crate::{Effort, Outcome, runtime};

const ORPHANS: &str = "orphans";
/// For how long the objects of the dead are kept.
const GRACE: Duration = Duration::from_secs(2);
/// How much later the last object may go.
const SLACK: Duration = Duration::from_secs(1);
/// How long the last object is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) async fn measure(
    effort: &Effort,
    progress: Progress,
    report: &mut Report,
) -> Outcome<()> {
    let host = listen().await?;
    let ledger = Arc::new(Ledger::of_holders(effort.holders, GRACE));
    host.publish(ORPHANS, orphaned(GRACE, &ledger))?;
    let url = host.url(ORPHANS)?;
    let effort = *effort;
    let starting = tokio::task::spawn_blocking(move || start(&url, effort, progress));
    let mut holders = starting.await??;
    let all = effort.holders * effort.clients * effort.held;
    if host.kept_objects() != all {
        return Err(format!("the server keeps {} objects", host.kept_objects()).into());
    }
    progress.say("the clients are killed");
    for (number, holder) in holders.iter_mut().enumerate() {
        ledger.killing(number);
        holder.kill()?;
    }
    let killed = Instant::now();
    while ledger.tally().left > 0 && killed.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // If anything happens for a second time, it happens now.
    tokio::time::sleep(SLACK).await;
    let mut tally = ledger.tally();
    tally.left = tally.left.max(host.kept_objects() as u64);
    report.section(format!(
        "death of {} clients with {} objects",
        grouped(effort.holders * effort.clients),
        grouped(all)
    ));
    report.fates(&tally);
    report.lateness(tally.late, None, [None, Some(SLACK)]);
    Ok(())
}

/// Starts all holders, and waits until each has what it is to hold.
fn start(url: &str, effort: Effort, progress: Progress) -> Outcome<Vec<Process>> {
    let counting = progress.counting("client processes are ready", effort.holders);
    let each = effort.clients.to_string();
    let held = effort.held.to_string();
    let start = |number: usize| Process::start(&[HOLD, url, &number.to_string(), &each, &held]);
    let mut holders = (0..effort.holders)
        .map(start)
        .collect::<Outcome<Vec<_>>>()?;
    for holder in &mut holders {
        holder.ready()?;
        counting.add();
    }
    Ok(holders)
}

/// Is a holder of objects until it is killed.
///
/// - `arguments`: those of [`HOLD`].
pub(crate) fn hold(arguments: &[String]) -> Outcome<()> {
    let [_, url, number, clients, held] = arguments else {
        return Err("who holds how many objects of what?".into());
    };
    let (clients, held): (usize, usize) = (clients.parse()?, held.parse()?);
    let number = number.parse()?;
    let runtime = runtime()?;
    let _clients = runtime.block_on(async {
        let mut all = Clients::connect(clients, &url.replace(ORPHANS, SHARED)).await?;
        all.activate(clients * held, url, number, None).await?;
        Outcome::Ok(all)
    })?;
    println!("ready");
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
