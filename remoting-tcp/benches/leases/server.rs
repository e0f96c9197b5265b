//! The server: a host with the objects, and one object that the benchmark steers it by.

use std::fs;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use remoting_core::prelude::*;
use remoting_core::{Limits, Result};
use remoting_tcp::TcpChannel;
use serde::{Deserialize, Serialize};

use crate::ledger::{Ledger, Tally};
use crate::objects::{Nothing, ThingDispatcher, leased};
use crate::plain::{self, PlainFigures};
use crate::report::grouped;
use crate::{Outcome, runtime};

/// The name of a thing without a lease, for everybody.
pub(crate) const SHARED: &str = "shared";

#[remote]
pub(crate) trait Control {
    async fn add(&self, a: i32, b: i32) -> Result<i32>;

    async fn standing(&self) -> Result<Standing>;

    /// Has things activated under a name; gives the URL.
    ///
    /// - `lease`: how long they live, whoever holds them; without it they have no size, and
    ///   live as long as they are held.
    async fn offer(&self, name: &str, lease: Option<Duration>) -> Result<String>;

    /// What has become of the things with a lease.
    async fn tally(&self) -> Result<Tally>;

    /// Runs the control.
    async fn plain(&self, entries: usize, window: Duration) -> Result<PlainFigures>;
}

/// What a server takes and keeps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// How many bytes of its memory are resident.
    pub(crate) resident: u64,
    /// The processor time that it has taken.
    pub(crate) processor: Duration,
    /// How many objects it keeps for clients, and how many clients there are.
    pub(crate) objects: usize,
    pub(crate) clients: usize,
}

struct Controller {
    host: Host,
    ledger: Arc<Ledger>,
}

impl Control for Controller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        Ok(a.wrapping_add(b))
    }

    async fn standing(&self) -> Result<Standing> {
        Ok(Standing {
            resident: resident(),
            processor: processor(),
            objects: self.host.kept_objects(),
            clients: self.host.open_connections(),
        })
    }

    async fn offer(&self, name: &str, lease: Option<Duration>) -> Result<String> {
        match lease {
            Some(lease) => self.host.publish(name, leased(lease, &self.ledger))?,
            None => self
                .host
                .publish(name, ThingDispatcher::<Nothing>::activated())?,
        }
        self.host.url(name)
    }

    async fn tally(&self) -> Result<Tally> {
        Ok(self.ledger.tally())
    }

    async fn plain(&self, entries: usize, window: Duration) -> Result<PlainFigures> {
        Ok(plain::run(entries, window).await)
    }
}

/// The bounds of all hosts here: as by default, but for those of [`raised`].
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.objects_per_session = 100_000;
    limits.objects_per_host = 2_000_000;
    limits.connections_per_address = 2048;
    limits
}

/// Which bounds were raised, and from what.
pub(crate) fn raised() -> String {
    let of = |limits: Limits| {
        [
            ("objects_per_session", limits.objects_per_session),
            ("objects_per_host", limits.objects_per_host),
            ("connections_per_address", limits.connections_per_address),
        ]
    };
    let both = of(limits()).into_iter().zip(of(Limits::default()));
    let texts = both.map(|((name, now), (_, before))| {
        let (now, before) = (grouped(now), grouped(before));
        format!("{name} to {now} from {before}")
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// How many bytes of this process are resident; zero where the system does not tell.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}

/// The processor time of all threads so far; zero where the system does not tell.
fn processor() -> Duration {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten();
    let nanos = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// A host that listens, with the thing for everybody.
pub(crate) async fn listen() -> Result<Host> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .limits(limits())
        .start()
        .await?;
    host.publish(SHARED, ThingDispatcher::singleton(|| Nothing))?;
    Ok(host)
}

/// Is a server until the parent goes away: then the standard input ends.
pub(crate) fn serve() -> Outcome<()> {
    let runtime = runtime()?;
    let url = runtime.block_on(async {
        let host = listen().await?;
        let within = host.clone();
        let control = ControlDispatcher::singleton(move || Controller {
            host: within.clone(),
            ledger: Arc::default(),
        });
        host.publish("control", control)?;
        host.url("control")
    })?;
    println!("{url}");
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
