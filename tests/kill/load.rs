//! Clients that call as fast as they are answered, and write down what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use remoting::prelude::*;
use remoting::testing::{CallId, Journal};
use tokio::task::JoinSet;

use crate::server::WorkProxy;

pub const CLIENTS: u64 = 8;
const CALLERS: usize = 8;

/// Every so many calls have a long argument, of several frames, so that servers die in the middle of one.
const LONG_EVERY: u64 = 100;
static LONG: [u8; 70_000] = [7; 70_000];

pub struct Load {
    journal: Journal,
    ended: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    pub fn new(journal: Journal) -> Arc<Self> {
        Arc::new(Self {
            journal,
            ended: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        })
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How many calls have ended.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Waits until so many have.
    pub async fn until_ended(&self, calls: u64) {
        while self.ended() < calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets all callers stop after the calls that they are at.
    pub fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Starts all clients; each has a host of its own.
    pub fn start(self: &Arc<Self>, url: &str) -> JoinSet<()> {
        let mut callers = JoinSet::new();
        for client in 0..CLIENTS {
            let host = Host::builder().channel(TcpChannel::client());
            let host = host.channel(HttpChannel::client()).start_client().unwrap();
            let proxy: WorkProxy = host.get(url).unwrap();
            let calls = Arc::new(AtomicU64::new(0));
            for _ in 0..CALLERS {
                let (load, host) = (Arc::clone(self), host.clone());
                let (proxy, calls) = (proxy.clone(), Arc::clone(&calls));
                callers.spawn(async move {
                    load.call(client, &proxy, &calls).await;
                    drop(host);
                });
            }
        }
        callers
    }

    /// Calls on and on. A call that has failed is followed by another one, with another number, whatever it has failed with.
    async fn call(&self, client: u64, proxy: &WorkProxy, calls: &AtomicU64) {
        while !self.is_over.load(Ordering::Relaxed) {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            let id = CallId { client, call };
            let is_long = call % LONG_EVERY == 0;
            let ballast = if is_long { &LONG[..] } else { b"" };
            self.journal.begun(id).unwrap();
            match proxy.run(id, ballast).await {
                Ok(length) => {
                    assert_eq!(length, ballast.len());
                    self.journal.ok(id).unwrap();
                    self.ended.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    self.journal.failed(id, &error).unwrap();
                    self.ended.fetch_add(1, Ordering::Relaxed);
                    // Where nobody listens, calls fail faster than is of any use.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}
