//! Streams as results and as arguments.

use remoting::prelude::*;

use crate::peers::streamed::{Passed, pieces, take};
use crate::workloads::Streamed;

#[remote]
pub(super) trait Streams {
    async fn numbers(&self, count: u64, produced: bool) -> remoting::Result<Streaming<u64>>;
    async fn down(&self, count: u64, produced: bool) -> remoting::Result<Streaming<Vec<u8>>>;
    async fn up(&self, pieces: Streaming<Vec<u8>>) -> remoting::Result<u64>;
}

pub(super) struct Source;

impl Streams for Source {
    async fn numbers(&self, count: u64, produced: bool) -> remoting::Result<Streaming<u64>> {
        Ok(streaming(0..count, produced))
    }

    async fn down(&self, count: u64, produced: bool) -> remoting::Result<Streaming<Vec<u8>>> {
        Ok(streaming(pieces(count, Passed::default()), produced))
    }

    async fn up(&self, pieces: Streaming<Vec<u8>>) -> remoting::Result<u64> {
        add_up(pieces, &Passed::default()).await
    }
}

/// - `produced`: whether a future sends the items, rather than an iterator gives them.
fn streaming<T: Send + 'static>(
    items: impl Iterator<Item = T> + Send + 'static,
    produced: bool,
) -> Streaming<T> {
    if !produced {
        return Streaming::of(items);
    }
    Streaming::produce(|mut out| async move {
        for item in items {
            out.send(item).await?;
        }
        Ok(())
    })
}

async fn add_up(mut pieces: Streaming<Vec<u8>>, passed: &Passed) -> remoting::Result<u64> {
    let mut total = 0;
    while let Some(piece) = pieces.next().await {
        total += take(piece?, passed);
    }
    Ok(total)
}

impl StreamsProxy {
    /// Streams what is asked for; gives what it adds up to.
    pub(super) async fn run(
        &self,
        streamed: Streamed,
        produced: bool,
        passed: Passed,
    ) -> remoting::Result<u64> {
        match streamed {
            Streamed::Numbers(count) => {
                let mut numbers = self.numbers(count, produced).await?;
                let mut sum = 0;
                while let Some(number) = numbers.next().await {
                    sum += number?;
                }
                Ok(sum)
            }
            Streamed::Down(count) => add_up(self.down(count, produced).await?, &passed).await,
            Streamed::Up(count) => self.up(streaming(pieces(count, passed), produced)).await,
        }
    }
}
