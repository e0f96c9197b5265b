//! What keeps a server or a connection busy beside others.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use remoting::prelude::*;
use tokio::time::sleep;

use crate::peers::{at_times, burn};
use crate::workloads::Deed;

#[remote]
pub(super) trait Company {
    async fn wait(&self) -> remoting::Result<()>;
    async fn pause(&self, millis: u32) -> remoting::Result<()>;
    async fn burn(&self, micros: u32) -> remoting::Result<()>;
    #[blocking]
    async fn burn_blocking(&self, micros: u32) -> remoting::Result<()>;
    async fn burn_at_times(&self, micros: u32) -> remoting::Result<()>;
    async fn upload(&self, data: Vec<u8>) -> remoting::Result<u32>;
    async fn download(&self, size: u32) -> remoting::Result<Vec<u8>>;
}

pub(super) struct Crowd;

impl Company for Crowd {
    async fn wait(&self) -> remoting::Result<()> {
        pending().await
    }

    async fn pause(&self, millis: u32) -> remoting::Result<()> {
        sleep(Duration::from_millis(millis.into())).await;
        Ok(())
    }

    async fn burn(&self, micros: u32) -> remoting::Result<()> {
        burn(Duration::from_micros(micros.into()));
        Ok(())
    }

    async fn burn_blocking(&self, micros: u32) -> remoting::Result<()> {
        burn(Duration::from_micros(micros.into()));
        Ok(())
    }

    async fn burn_at_times(&self, micros: u32) -> remoting::Result<()> {
        burn(Duration::from_micros(micros.into()));
        Ok(())
    }

    async fn upload(&self, data: Vec<u8>) -> remoting::Result<u32> {
        Ok(data.len() as u32)
    }

    async fn download(&self, size: u32) -> remoting::Result<Vec<u8>> {
        Ok(vec![1; size as usize])
    }
}

impl CompanyProxy {
    /// Does what is asked for.
    ///
    /// - `number`: how many calls the caller has made before.
    pub(super) async fn act(&self, deed: Deed, number: i32, data: &Bytes) -> remoting::Result<()> {
        match deed {
            Deed::Wait => self.wait().await,
            Deed::Pause(millis) => self.pause(millis).await,
            Deed::Burn(micros) => self.burn(micros).await,
            Deed::BurnBlocking(micros) => self.burn_blocking(micros).await,
            Deed::BurnAtTimes { micros, one_in } => {
                self.burn_at_times(at_times(micros, one_in, number)).await
            }
            Deed::Upload(_) => self.upload(data.to_vec()).await.map(drop),
            Deed::Download(size) => {
                let data = self.download(size as u32).await?;
                drop(std::hint::black_box(data));
                Ok(())
            }
        }
    }
}
