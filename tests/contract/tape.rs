//! An interface whose methods stream both ways, and what its producers have done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remoting::Error;
use remoting::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pair::Pair;
use crate::tower::{BellProxy, Brass};

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum TapeError {
    #[error("torn at {0}")]
    Torn(u64),
    #[error(transparent)]
    Remoting(#[from] Error),
}

#[remote(name = "streams.Tape")]
pub trait Tape {
    #[constructor]
    async fn insert() -> remoting::Result<Self>;
    #[constructor]
    async fn dub(numbers: Streaming<u64>) -> remoting::Result<Self>;
    async fn count(&self, most: u64) -> remoting::Result<Streaming<u64>>;
    async fn play(&self) -> Result<Streaming<u64, TapeError>, TapeError>;
    async fn hush(&self) -> remoting::Result<Streaming<u64>>;
    async fn pieces(&self, length: u32) -> remoting::Result<Streaming<Vec<u8>>>;
    async fn torn(&self, at: u64) -> Result<Streaming<u64, TapeError>, TapeError>;
    async fn burnt(&self, at: u64) -> remoting::Result<Streaming<u64>>;
    async fn doubled(&self, numbers: Streaming<u64>) -> remoting::Result<Streaming<u64>>;
    async fn sum(&self, numbers: Streaming<u64, TapeError>) -> Result<u64, TapeError>;
    async fn first(&self, numbers: Streaming<u64>) -> remoting::Result<Option<u64>>;
    async fn ignore(&mut self, numbers: Streaming<u64>) -> remoting::Result<()>;
    async fn bells(&self, bells: Streaming<BellProxy>) -> remoting::Result<Streaming<BellProxy>>;
    async fn relay(&self, other: TapeProxy) -> remoting::Result<Streaming<u64>>;
    #[oneway]
    async fn store(&self, numbers: Streaming<u64>) -> remoting::Result<()>;
    async fn stored(&self) -> remoting::Result<u64>;
    async fn ping(&self) -> remoting::Result<()>;
}

/// What the reels of one test have done.
#[derive(Clone, Default)]
pub struct Reel {
    /// Items that producers have made.
    pub made: Arc<AtomicU64>,
    /// Producers that are at work.
    pub running: Arc<AtomicU64>,
    pub stored: Arc<AtomicU64>,
}

/// A producer at work.
pub struct Work(Arc<AtomicU64>);

impl Reel {
    pub fn work(&self) -> Work {
        self.running.fetch_add(1, Ordering::SeqCst);
        Work(Arc::clone(&self.running))
    }

    pub fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    pub fn is_idle(&self) -> bool {
        self.running.load(Ordering::SeqCst) == 0
    }

    /// Counts for ever.
    pub fn numbers<E: From<Error> + Send + 'static>(&self) -> Streaming<u64, E> {
        let reel = self.clone();
        let work = self.work();
        Streaming::produce(move |mut out| async move {
            let _work = work;
            for number in 0.. {
                reel.made.fetch_add(1, Ordering::SeqCst);
                out.send(number).await?;
            }
            Ok(())
        })
    }

    pub fn pieces(&self, length: u32) -> Streaming<Vec<u8>> {
        let reel = self.clone();
        let work = self.work();
        Streaming::produce(move |mut out| async move {
            let _work = work;
            loop {
                reel.made.fetch_add(1, Ordering::SeqCst);
                out.send(vec![7; length as usize]).await?;
            }
        })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tape for Reel {
    async fn insert() -> remoting::Result<Self> {
        Ok(Self::default())
    }

    async fn dub(mut numbers: Streaming<u64>) -> remoting::Result<Self> {
        let reel = Self::default();
        let first = numbers.next().await.transpose()?;
        reel.stored
            .store(first.unwrap_or_default(), Ordering::SeqCst);
        Ok(reel)
    }

    async fn count(&self, most: u64) -> remoting::Result<Streaming<u64>> {
        Ok(Streaming::of(0..most))
    }

    async fn play(&self) -> Result<Streaming<u64, TapeError>, TapeError> {
        Ok(self.numbers())
    }

    async fn hush(&self) -> remoting::Result<Streaming<u64>> {
        let work = self.work();
        Ok(Streaming::produce(|mut out| async move {
            let _work = work;
            out.send(0).await?;
            std::future::pending().await
        }))
    }

    async fn pieces(&self, length: u32) -> remoting::Result<Streaming<Vec<u8>>> {
        Ok(Reel::pieces(self, length))
    }

    async fn torn(&self, at: u64) -> Result<Streaming<u64, TapeError>, TapeError> {
        Ok(Streaming::produce(move |mut out| async move {
            for number in 0..at {
                out.send(number).await?;
            }
            Err(TapeError::Torn(at))
        }))
    }

    async fn burnt(&self, at: u64) -> remoting::Result<Streaming<u64>> {
        Ok(Streaming::produce(move |mut out| async move {
            for number in 0..at {
                out.send(number).await?;
            }
            panic!("the tape burns");
        }))
    }

    async fn doubled(&self, mut numbers: Streaming<u64>) -> remoting::Result<Streaming<u64>> {
        Ok(Streaming::produce(|mut out| async move {
            while let Some(number) = numbers.next().await {
                out.send(2 * number?).await?;
            }
            Ok(())
        }))
    }

    async fn sum(&self, mut numbers: Streaming<u64, TapeError>) -> Result<u64, TapeError> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    }

    async fn first(&self, mut numbers: Streaming<u64>) -> remoting::Result<Option<u64>> {
        numbers.next().await.transpose()
    }

    async fn ignore(&mut self, _numbers: Streaming<u64>) -> remoting::Result<()> {
        Ok(())
    }

    async fn bells(
        &self,
        mut bells: Streaming<BellProxy>,
    ) -> remoting::Result<Streaming<BellProxy>> {
        Ok(Streaming::produce(|mut out| async move {
            while let Some(bell) = bells.next().await {
                let bell = bell?;
                bell.ring(1).await?;
                out.send(bell).await?;
                out.send(BellProxy::local(Brass::default())).await?;
            }
            Ok(())
        }))
    }

    async fn relay(&self, other: TapeProxy) -> remoting::Result<Streaming<u64>> {
        let mut numbers = other.play().await.map_err(|error| match error {
            TapeError::Remoting(error) => error,
            TapeError::Torn(_) => unreachable!("it plays on"),
        })?;
        Ok(Streaming::produce(|mut out| async move {
            while let Some(Ok(number)) = numbers.next().await {
                out.send(number).await?;
            }
            Ok(())
        }))
    }

    async fn store(&self, mut numbers: Streaming<u64>) -> remoting::Result<()> {
        while let Some(number) = numbers.next().await {
            self.stored.fetch_add(number?, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn stored(&self) -> remoting::Result<u64> {
        Ok(self.stored.load(Ordering::SeqCst))
    }

    async fn ping(&self) -> remoting::Result<()> {
        Ok(())
    }
}

/// A reel at the server, and the client's proxy of it.
pub fn tape(pair: &Pair) -> (Reel, TapeProxy) {
    let reel = Reel::default();
    let dispatcher = TapeDispatcher::new(reel.clone());
    pair.server.marshal("tape", dispatcher).unwrap();
    (reel, pair.get("tape"))
}
