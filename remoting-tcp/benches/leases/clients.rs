//! The clients: hosts with a connection each, and the proxies that they keep.

use std::sync::Arc;
use std::time::{Duration, Instant};

use remoting_core::prelude::*;
use remoting_core::{Error, Result};
use remoting_tcp::TcpChannel;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::Outcome;
use crate::ledger::{Histogram, Lateness};
use crate::objects::ThingProxy;
use crate::progress::Counting;
use crate::server::{ControlProxy, limits};

/// How many calls of each client are under way at the same time.
const AT_ONCE: usize = 16;
/// For how long leases are renewed.
const RENEWAL: Duration = Duration::from_secs(600);

/// A host of a client, which dials and never listens.
pub(crate) async fn client_host() -> Result<Host> {
    Host::builder()
        .channel(TcpChannel::client())
        .limits(limits())
        .start()
        .await
}

/// Many clients in one process.
pub(crate) struct Clients(Vec<Client>);

struct Client {
    host: Host,
    kept: Vec<ThingProxy>,
}

/// What is done over and over with each object that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed<'a> {
    /// It is called, which renews its lease.
    Touch,
    /// Its lease is renewed.
    Renew,
    /// The one object at this URL, which has no lease, is called instead.
    TouchShared(&'a str),
}

impl Clients {
    /// So many clients, each with a connection to the host of a URL.
    pub(crate) async fn connect(count: usize, url: &str) -> Outcome<Self> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let (host, kept) = (client_host().await?, Vec::new());
            let _shared: ThingProxy = host.connect(url).await?;
            clients.push(Client { host, kept });
        }
        Ok(Self(clients))
    }

    /// Activates so many objects in all, as evenly by all as can be, and keeps them.
    pub(crate) async fn activate(
        &mut self,
        count: usize,
        url: &str,
        holder: usize,
        counting: Option<&Arc<Counting>>,
    ) -> Outcome<()> {
        let mut tasks = JoinSet::new();
        for (number, client) in self.0.iter().enumerate() {
            let activator = client.host.activate::<ThingProxy>(url);
            let mine = share(count, self.0.len(), number);
            for task in 0..AT_ONCE {
                let (activator, counting) = (activator.clone(), counting.cloned());
                let count = share(mine, AT_ONCE, task);
                tasks.spawn(async move {
                    let mut made = Vec::with_capacity(count);
                    for _ in 0..count {
                        made.push(activator.make(holder).await?);
                        counting.iter().for_each(|counting| counting.add());
                    }
                    Ok::<_, Error>((number, made))
                });
            }
        }
        while let Some(ended) = tasks.join_next().await {
            let (number, made) = ended??;
            self.0[number].kept.extend(made);
        }
        Ok(())
    }

    /// Does the same with all objects over and over; gives how often.
    pub(crate) async fn repeat(&self, deed: Deed<'_>, during: Duration) -> Outcome<u64> {
        let mut tasks = JoinSet::new();
        for client in &self.0 {
            let objects = match deed {
                Deed::Touch | Deed::Renew => client.kept.clone(),
                Deed::TouchShared(url) => vec![client.host.get(url)?; AT_ONCE],
            };
            let renew = matches!(deed, Deed::Renew);
            for objects in objects.chunks(objects.len().div_ceil(AT_ONCE).max(1)) {
                tasks.spawn(repeat(objects.to_vec(), renew, during));
            }
        }
        let mut count = 0;
        while let Some(ended) = tasks.join_next().await {
            count += ended??;
        }
        Ok(count)
    }
}

async fn repeat(objects: Vec<ThingProxy>, renew: bool, during: Duration) -> Result<u64> {
    let began = Instant::now();
    let mut count = 0;
    for object in objects.iter().cycle() {
        if renew {
            object.lease().renew(RENEWAL).await?;
        } else {
            object.touch().await?;
        }
        count += 1;
        if began.elapsed() >= during {
            break;
        }
    }
    Ok(count)
}

/// Another client, who calls every millisecond and does not wait for one answer to make the
/// next call. Gives how long its calls took.
pub(crate) async fn probe(url: &str, during: Duration) -> Outcome<Lateness> {
    let host = client_host().await?;
    let control: ControlProxy = host.connect(url).await?;
    let (mut calls, times) = (JoinSet::new(), Arc::new(Histogram::default()));
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let began = Instant::now();
    while began.elapsed() < during {
        ticks.tick().await;
        let (control, times, sent) = (control.clone(), Arc::clone(&times), Instant::now());
        calls.spawn(async move {
            let sum = control.add(1, 2).await;
            times.add(sent.elapsed());
            sum
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended??;
    }
    Ok(times.lateness())
}

/// How many of `count` are for the one of that number among `among`.
pub(crate) fn share(count: usize, among: usize, number: usize) -> usize {
    count / among + usize::from(number < count % among)
}
