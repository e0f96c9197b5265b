//! An object whose methods stream both ways, and what its producers have done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remoting::prelude::*;

use crate::calc::{CalcError, CounterProxy, Server};

#[remote]
pub trait Feed {
    /// Counts for ever.
    #[readonly]
    async fn play(&self) -> remoting::Result<Streaming<u64>>;
    /// One long item after the other.
    #[readonly]
    async fn pieces(&self, length: u64) -> remoting::Result<Streaming<String>>;
    /// An item, and then nothing more and no end.
    #[readonly]
    async fn hush(&self) -> remoting::Result<Streaming<u64>>;
    #[readonly]
    async fn torn(&self, at: i64) -> remoting::Result<Streaming<i64, CalcError>>;
    #[readonly]
    async fn burnt(&self) -> remoting::Result<Streaming<u64>>;
    async fn doubled(&self, numbers: Streaming<u64>) -> remoting::Result<Streaming<u64>>;
    async fn sum(&self, numbers: Streaming<u64>) -> remoting::Result<u64>;
    #[oneway]
    async fn store(&self, numbers: Streaming<u64>) -> remoting::Result<()>;
    /// Gives each counter back, stepped once.
    async fn stepped(
        &self,
        counters: Streaming<CounterProxy>,
    ) -> remoting::Result<Streaming<CounterProxy>>;
}

#[derive(Clone, Default)]
pub struct Reel {
    made: Arc<AtomicU64>,
    running: Arc<AtomicU64>,
    stored: Arc<AtomicU64>,
}

/// A producer or a consumer at work.
struct Work(Arc<AtomicU64>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Reel {
    fn work(&self) -> Work {
        self.running.fetch_add(1, Ordering::SeqCst);
        Work(Arc::clone(&self.running))
    }

    /// How many items were made.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// The sum of what was stored.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::SeqCst)
    }

    pub fn is_idle(&self) -> bool {
        self.running.load(Ordering::SeqCst) == 0
    }

    /// Makes items for ever.
    fn make<T: Send + 'static>(&self, make: impl Fn(u64) -> T + Send + 'static) -> Streaming<T> {
        let (work, made) = (self.work(), Arc::clone(&self.made));
        Streaming::produce(move |mut out| async move {
            let _work = work;
            for number in 1.. {
                made.fetch_add(1, Ordering::SeqCst);
                out.send(make(number)).await?;
            }
            Ok(())
        })
    }
}

impl Feed for Reel {
    async fn play(&self) -> remoting::Result<Streaming<u64>> {
        Ok(self.make(|number| number))
    }

    async fn pieces(&self, length: u64) -> remoting::Result<Streaming<String>> {
        let length = usize::try_from(length).unwrap();
        Ok(self.make(move |_| "x".repeat(length)))
    }

    async fn hush(&self) -> remoting::Result<Streaming<u64>> {
        let work = self.work();
        Ok(Streaming::produce(|mut out| async move {
            let _work = work;
            out.send(1).await?;
            std::future::pending().await
        }))
    }

    async fn torn(&self, at: i64) -> remoting::Result<Streaming<i64, CalcError>> {
        Ok(Streaming::produce(move |mut out| async move {
            for number in 1..=at {
                out.send(number).await?;
            }
            Err(CalcError::DividedByZero(at))
        }))
    }

    async fn burnt(&self) -> remoting::Result<Streaming<u64>> {
        Ok(Streaming::produce(|mut out| async move {
            out.send(1).await?;
            panic!("the film burns");
        }))
    }

    async fn doubled(&self, mut numbers: Streaming<u64>) -> remoting::Result<Streaming<u64>> {
        let work = self.work();
        Ok(Streaming::produce(|mut out| async move {
            let _work = work;
            while let Some(number) = numbers.next().await {
                out.send(2 * number?).await?;
            }
            Ok(())
        }))
    }

    async fn sum(&self, mut numbers: Streaming<u64>) -> remoting::Result<u64> {
        let _work = self.work();
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
            self.stored.store(sum, Ordering::SeqCst);
        }
        Ok(sum)
    }

    async fn store(&self, mut numbers: Streaming<u64>) -> remoting::Result<()> {
        while let Some(number) = numbers.next().await {
            self.stored.fetch_add(number?, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn stepped(
        &self,
        mut counters: Streaming<CounterProxy>,
    ) -> remoting::Result<Streaming<CounterProxy>> {
        Ok(Streaming::produce(|mut out| async move {
            while let Some(counter) = counters.next().await {
                let counter = counter?;
                counter.next().await?;
                out.send(counter).await?;
            }
            Ok(())
        }))
    }
}

/// Offers `feed` at a server.
pub fn publish(server: &Server) -> Reel {
    let reel = Reel::default();
    let shared = reel.clone();
    let publication = FeedDispatcher::singleton(move || shared.clone());
    server.host.publish("feed", publication).unwrap();
    reel
}
