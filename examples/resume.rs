//! Resume: a line that is cut again and again during a stream with callbacks, and nobody notices.
//!
//! Shows
//!
//! - that a session outlives its connection: the object that was made for this client, the stream, the callbacks
//!   and the running call all go on where they were, each item once and in order;
//! - that there is nothing to do for it: not a line of the contract, the server or the client speaks of it;
//! - what it looks like when a line stays away too long: both sides end the session, and the error says why.
//!
//! Between client and server stands a [`FaultProxy`], which programs can use in tests of their own.
//!
//! `cargo run --example resume`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use remoting::prelude::*;
use remoting::testing::{FaultProxy, Lane, Trouble};
use remoting::{ErrorKind, GoneReason, Limits};

// ---- the contract, shared by client and server

/// A meter of one's own.
#[remote]
trait Meter {
    #[constructor]
    async fn install(first: u64) -> remoting::Result<Self>;
    /// Streams readings, and tells after each thousand how many there were.
    async fn read(&self, count: u64, progress: ProgressProxy) -> remoting::Result<Streaming<u64>>;
    /// The last reading.
    async fn last(&self) -> remoting::Result<u64>;
    /// Waits.
    async fn wait(&self) -> remoting::Result<()>;
}

#[remote]
trait Progress {
    async fn is_at(&self, count: u64) -> remoting::Result<()>;
}

// ---- the server

struct Counter(Arc<AtomicU64>);

impl Meter for Counter {
    async fn install(first: u64) -> remoting::Result<Self> {
        Ok(Self(Arc::new(AtomicU64::new(first))))
    }

    async fn read(&self, count: u64, progress: ProgressProxy) -> remoting::Result<Streaming<u64>> {
        let meter = Arc::clone(&self.0);
        Ok(Streaming::produce(|mut out| async move {
            for number in 1..=count {
                out.send(meter.fetch_add(1, Ordering::Relaxed) + 1).await?;
                if number % 1000 == 0 {
                    progress.is_at(number).await?;
                }
            }
            Ok(())
        }))
    }

    async fn last(&self) -> remoting::Result<u64> {
        Ok(self.0.load(Ordering::Relaxed))
    }

    async fn wait(&self) -> remoting::Result<()> {
        std::future::pending().await
    }
}

async fn serve() -> anyhow::Result<Host> {
    let mut limits = Limits::default();
    // Short, so that the end of this example is soon there; it is a minute otherwise.
    limits.resume_window = Duration::from_secs(2);
    let host = Host::builder()
        .limits(limits)
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.publish("meters", MeterDispatcher::<Counter>::activated())?;
    Ok(host)
}

// ---- the client

/// Minds that it is told each thousand once, and in order.
struct Told(Arc<AtomicU64>);

impl Progress for Told {
    async fn is_at(&self, count: u64) -> remoting::Result<()> {
        let before = self.0.swap(count, Ordering::Relaxed);
        assert_eq!(before + 1000, count, "each thousand once, and in order");
        Ok(())
    }
}

const READINGS: u64 = 100_000;

/// Reads a meter while the line is cut, and checks that nothing is lost.
async fn read_on(meter: &MeterProxy, line: &FaultProxy) -> anyhow::Result<()> {
    let told = Arc::new(AtomicU64::new(0));
    let progress = ProgressProxy::local(Told(Arc::clone(&told)));
    let mut readings = meter.read(READINGS, progress).await?;
    let mut cuts = 0;
    let mut cutting = tokio::time::interval(Duration::from_millis(25));
    for number in 1..=READINGS {
        let reading = loop {
            tokio::select! {
                reading = readings.next() => break reading,
                _ = cutting.tick() => {
                    line.cut_all();
                    cuts += 1;
                }
            }
        };
        ensure!(reading == Some(Ok(1000 + number)), "{reading:?} is wrong");
    }
    ensure!(readings.next().await.is_none());
    ensure!(told.load(Ordering::Relaxed) == READINGS);
    ensure!(
        cuts > 2 && line.connections() > 2,
        "the line was hardly cut"
    );
    println!(
        "the line was cut {cuts} times, and {} connections were made",
        line.connections()
    );
    println!(
        "{READINGS} readings came, each once and in order, and {} callbacks",
        READINGS / 1000
    );
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = serve().await?;
    let address = server.channel("tcp").and_then(|channel| channel.address());
    let address = address.context("the server listens")?;
    let line = FaultProxy::to(address).start().await?;
    let client = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;

    let meters = client.activate::<MeterProxy>(&format!("tcp://{}/meters", line.addr()));
    let meter = meters.install(1000).await?;
    read_on(&meter, &line).await?;
    let last = meter.last().await?;
    ensure!(last == 1000 + READINGS);
    println!("the meter is the one that was installed: it stands at {last}");

    // From now on new connections get nowhere, as when a cable is pulled out.
    for lane in [Lane::ToServer, Lane::ToClient] {
        line.set_new(lane, Trouble::none().stall_after(0));
    }
    let waiting = tokio::spawn(meter.wait());
    meter.last().await?;
    line.cut_all();
    let error = waiting.await?.expect_err("nobody answers");
    ensure!(error.kind() == ErrorKind::SessionLost, "{error:?}");
    println!("after two seconds without a line: {error}");
    for lane in [Lane::ToServer, Lane::ToClient] {
        line.set(lane, Trouble::none());
    }
    let error = meter
        .last()
        .await
        .expect_err("the meter went with the session");
    ensure!(
        error.kind() == ErrorKind::ObjectGone(GoneReason::SessionExpired),
        "{error:?}"
    );
    println!("and the meter has gone with it: {error}");
    println!("executed: {:?}", error.executed());
    Ok(())
}
