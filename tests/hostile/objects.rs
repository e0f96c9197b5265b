//! What the attacked servers offer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remoting::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// A value that nests as deep as somebody likes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Nest {
    pub name: String,
    #[serde(default)]
    pub inside: Option<Box<Nest>>,
}

#[remote]
pub trait Probe {
    #[constructor]
    async fn make() -> remoting::Result<Self>;
    /// Makes a probe when the gate opens.
    #[constructor]
    async fn make_later() -> remoting::Result<Self>;

    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64>;

    /// Counts on: who sees a gap has lost something.
    async fn next(&self) -> remoting::Result<u64>;

    async fn bytes(&self, count: u32) -> remoting::Result<Vec<u8>>;

    async fn depth(&self, nest: Nest) -> remoting::Result<u32>;

    async fn sum(&self, numbers: Vec<u32>) -> remoting::Result<u64>;

    /// Streams zeros, for ever.
    async fn zeros(&self) -> remoting::Result<Streaming<u64>>;

    /// Streams pieces of 200,000 zeros, for ever.
    async fn pieces(&self) -> remoting::Result<Streaming<Vec<u8>>>;

    /// Takes a stream, of which it reads nothing until the gate opens.
    async fn take(&self, numbers: Streaming<u64>) -> remoting::Result<()>;

    /// Waits until the gate opens.
    async fn wait(&self) -> remoting::Result<()>;

    /// Waits until the gate opens, whoever has gone meanwhile.
    #[detached]
    async fn stay(&self) -> remoting::Result<()>;

    /// Waits until the gate opens, and keeps a thread.
    #[blocking]
    async fn block(&self) -> remoting::Result<()>;

    #[oneway]
    async fn tell(&self) -> remoting::Result<()>;

    /// Panics, at once or after a while.
    async fn panic(&self, at_once: bool) -> remoting::Result<()>;
}

/// One visitor at a time.
#[remote]
pub trait Vault {
    async fn hold(&mut self) -> remoting::Result<()>;
}

/// Keeps calls inside until the test opens it.
pub struct Gate {
    /// One permit for each call that came in.
    pub entered: Semaphore,
    /// One permit for each call that may leave.
    pub door: Semaphore,
    /// One permit for each call that was cut inside.
    pub cut: Semaphore,
    next: AtomicU64,
    /// Items that streams of zeros have made, and how many of those streams there are.
    pub zeros: AtomicU64,
    pub streams: AtomicU64,
}

impl Gate {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            entered: Semaphore::new(0),
            door: Semaphore::new(0),
            cut: Semaphore::new(0),
            next: AtomicU64::new(0),
            zeros: AtomicU64::new(0),
            streams: AtomicU64::new(0),
        })
    }

    async fn pass(&self) {
        let visit = Visit(self);
        self.entered.add_permits(1);
        take(&self.door, 1).await;
        std::mem::forget(visit);
    }
}

/// Waits for so many permits, and uses them up.
pub async fn take(permits: &Semaphore, count: u32) {
    permits.acquire_many(count).await.unwrap().forget();
}

/// A stream of zeros at work.
struct Stream(Arc<Gate>);

impl Stream {
    fn of(gate: &Arc<Gate>) -> Self {
        gate.streams.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(gate))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Visit<'a>(&'a Gate);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.cut.add_permits(1);
    }
}

/// The object behind a [`ProbeProxy`] and a [`VaultProxy`].
pub struct Target {
    pub gate: Arc<Gate>,
    count: AtomicU64,
}

impl Target {
    pub fn new(gate: &Arc<Gate>) -> Self {
        Self {
            gate: Arc::clone(gate),
            count: AtomicU64::new(0),
        }
    }
}

/// Makes targets for clients.
pub struct TargetFactory(pub Arc<Gate>);

impl ProbeFactory for TargetFactory {
    type Object = Target;

    async fn make(&self) -> remoting::Result<Target> {
        Ok(Target::new(&self.0))
    }

    async fn make_later(&self) -> remoting::Result<Target> {
        self.0.pass().await;
        Ok(Target::new(&self.0))
    }
}

/// What panics say, which nobody else may read.
pub const SECRET: &str = "the secret of the canary";

impl Probe for Target {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64> {
        Ok(a.wrapping_add(b))
    }

    async fn next(&self) -> remoting::Result<u64> {
        self.gate.next.fetch_add(1, Ordering::Relaxed);
        Ok(self.count.fetch_add(1, Ordering::Relaxed))
    }

    async fn bytes(&self, count: u32) -> remoting::Result<Vec<u8>> {
        Ok(vec![7; usize::try_from(count).unwrap()])
    }

    async fn depth(&self, nest: Nest) -> remoting::Result<u32> {
        let (mut depth, mut inside) = (1, nest.inside);
        while let Some(nest) = inside {
            (depth, inside) = (depth + 1, nest.inside);
        }
        Ok(depth)
    }

    async fn sum(&self, numbers: Vec<u32>) -> remoting::Result<u64> {
        Ok(numbers.into_iter().map(u64::from).sum())
    }

    async fn zeros(&self) -> remoting::Result<Streaming<u64>> {
        let stream = Stream::of(&self.gate);
        Ok(Streaming::produce(|mut out| async move {
            loop {
                stream.0.zeros.fetch_add(1, Ordering::SeqCst);
                out.send(0).await?;
            }
        }))
    }

    async fn pieces(&self) -> remoting::Result<Streaming<Vec<u8>>> {
        let stream = Stream::of(&self.gate);
        Ok(Streaming::produce(|mut out| async move {
            loop {
                stream.0.zeros.fetch_add(1, Ordering::SeqCst);
                out.send(vec![0; 200_000]).await?;
            }
        }))
    }

    async fn take(&self, numbers: Streaming<u64>) -> remoting::Result<()> {
        self.gate.pass().await;
        numbers.collect::<Vec<_>>().await?;
        Ok(())
    }

    async fn wait(&self) -> remoting::Result<()> {
        self.gate.pass().await;
        Ok(())
    }

    async fn stay(&self) -> remoting::Result<()> {
        self.gate.pass().await;
        Ok(())
    }

    async fn block(&self) -> remoting::Result<()> {
        self.gate.pass().await;
        Ok(())
    }

    async fn tell(&self) -> remoting::Result<()> {
        self.gate.pass().await;
        Ok(())
    }

    async fn panic(&self, at_once: bool) -> remoting::Result<()> {
        if !at_once {
            tokio::task::yield_now().await;
        }
        std::panic::resume_unwind(Box::new(SECRET))
    }
}

impl Vault for Target {
    async fn hold(&mut self) -> remoting::Result<()> {
        self.gate.pass().await;
        Ok(())
    }
}
