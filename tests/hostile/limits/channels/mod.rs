//! Limits of one channel: they hold there, and the host's other channels feel nothing of them.

mod calls;
mod doors;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ChannelLimits, Error, ErrorKind, Executed, InProcessChannel, Limits};

use crate::objects::*;
use crate::raw::*;
use crate::support::*;

const SHORT: Duration = Duration::from_millis(40);

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(100);

/// The ways to a host that has two channels of each kind.
const SCHEMES: [&str; 4] = ["tcp", "http", "ws", "inproc"];

/// A host that has a narrow and a wide channel of each kind, and a client of it.
struct Two {
    host: Host,
    client: Host,
    gate: Arc<Gate>,
}

fn own(change: impl FnOnce(&mut ChannelLimits)) -> ChannelLimits {
    let mut limits = ChannelLimits::default();
    change(&mut limits);
    limits
}

impl Two {
    /// - `narrow`: the limits of one channel of each kind; the other one has those of the host.
    async fn with(narrow: impl FnOnce(&mut ChannelLimits)) -> Self {
        Self::on(Limits::default(), own(narrow), ChannelLimits::default()).await
    }

    async fn on(limits: Limits, narrow: ChannelLimits, wide: ChannelLimits) -> Self {
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let mut builder = Host::builder().limits(limits);
        for (which, own) in [("narrow", narrow), ("wide", wide)] {
            let tcp = TcpChannel::listen("127.0.0.1:0").named(format!("tcp {which}"));
            let http = HttpChannel::listen("127.0.0.1:0").named(format!("http {which}"));
            let inner = InProcessChannel::listen(format!("limits-{which}-{number}"));
            let inner = inner.named(format!("inproc {which}"));
            builder = builder
                .channel(tcp.limits(own.clone()))
                .channel(http.limits(own.clone()))
                .channel(inner.limits(own));
        }
        let (host, gate) = serve(builder).await;
        let client = Host::builder()
            .channel(TcpChannel::client())
            .channel(HttpChannel::client())
            .channel(InProcessChannel::client());
        let client = client.start_client().unwrap();
        Self { host, client, gate }
    }

    fn url(&self, scheme: &str, which: &str) -> String {
        let kind = scheme.replace("ws", "http");
        let channel = self.host.channel(&format!("{kind} {which}")).unwrap();
        channel.url("probe").unwrap().replacen(&kind, scheme, 1)
    }

    /// `host:port` of a channel.
    fn address(&self, scheme: &str, which: &str) -> String {
        let url = self.url(scheme, which);
        url.split('/').nth(2).unwrap().to_owned()
    }

    fn probe(&self, scheme: &str, which: &str) -> ProbeProxy {
        self.client.get(&self.url(scheme, which)).unwrap()
    }

    fn count(&self, limit: &str) -> u64 {
        counter(&self.host, limit)
    }
}

fn refused(error: &Error) -> (ErrorKind, Executed) {
    (error.kind(), error.executed())
}

/// Connects by TCP, and waits until the peer is let in: gives the connection, or why it is not.
async fn knock(address: &str) -> Result<Raw, String> {
    let mut raw = Raw::greeted(address).await;
    match raw.frame().await {
        Some(Seen::Abort { code: 10, text }) => Err(text),
        Some(Seen::Hello(_)) => Ok(raw),
        other => panic!("{other:?} came"),
    }
}
