//! The objects that pages call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::Subscribers;
use remoting::prelude::*;
use serde::{Deserialize, Serialize};

#[remote]
pub trait Desk {
    #[readonly]
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64>;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DeskError>;
    #[readonly]
    async fn strokes(&self, to: u64) -> remoting::Result<Streaming<u64>>;
    /// Gives the text back.
    async fn echo(&self, text: String) -> remoting::Result<String>;
    /// Never ends.
    async fn wait(&self) -> remoting::Result<()>;
    async fn subscribe(&self, bell: BellProxy) -> remoting::Result<()>;
    /// Lets all bells that have subscribed hear so many strokes.
    async fn strike(&self, strokes: u32) -> remoting::Result<()>;
    /// Rings each bell, and adds up what they answer.
    async fn ring(&self, bells: Vec<BellProxy>, nth: u32) -> Result<u32, DeskError>;
    /// Gives an object.
    async fn drawer(&self, label: String) -> remoting::Result<DrawerProxy>;
    /// Shows an object to a bell, and gives what that makes of it.
    async fn show(&self, bell: BellProxy) -> Result<String, DeskError>;
    /// How many of those are still there.
    async fn open_drawers(&self) -> remoting::Result<usize>;
    /// Whether an object is one of this process.
    async fn is_mine(&self, drawer: DrawerProxy) -> remoting::Result<bool>;
}

#[remote]
pub trait Bell {
    async fn ring(&self, nth: u32) -> Result<u32, BellError>;
    async fn heard(&self, nth: u32) -> remoting::Result<()>;
    async fn look(&self, drawer: DrawerProxy) -> remoting::Result<String>;
    #[oneway]
    async fn drowned(&self, text: &str) -> remoting::Result<()>;
}

#[remote]
pub trait Drawer {
    async fn label(&self) -> remoting::Result<String>;
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub enum DeskError {
    #[error("{0} divided by zero")]
    DividedByZero(i64),
    #[error("a bell has cracked: {0}")]
    Cracked(String),
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub enum BellError {
    #[error("cracked at stroke {nth}")]
    Cracked { nth: u32 },
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

#[derive(Clone, Default)]
pub struct Oak {
    /// How many calls there were of `add` and `divide`.
    pub called: Arc<AtomicUsize>,
    bells: Subscribers<BellProxy>,
    /// How many drawers there are.
    drawers: Arc<AtomicUsize>,
}

impl Desk for Oak {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64> {
        self.called.fetch_add(1, Ordering::SeqCst);
        Ok(a.wrapping_add(b))
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, DeskError> {
        self.called.fetch_add(1, Ordering::SeqCst);
        a.checked_div(b).ok_or(DeskError::DividedByZero(a))
    }

    async fn strokes(&self, to: u64) -> remoting::Result<Streaming<u64>> {
        self.called.fetch_add(1, Ordering::SeqCst);
        Ok(Streaming::of(1..=to))
    }

    async fn echo(&self, text: String) -> remoting::Result<String> {
        Ok(text)
    }

    async fn wait(&self) -> remoting::Result<()> {
        std::future::pending().await
    }

    async fn subscribe(&self, bell: BellProxy) -> remoting::Result<()> {
        bell.drowned("5 strokes").await?;
        self.bells.add(bell);
        Ok(())
    }

    async fn strike(&self, strokes: u32) -> remoting::Result<()> {
        for nth in 1..=strokes {
            self.bells.publish(move |bell, _missed| bell.heard(nth));
        }
        Ok(())
    }

    async fn ring(&self, bells: Vec<BellProxy>, nth: u32) -> Result<u32, DeskError> {
        let mut sum = 0;
        for bell in bells {
            sum += bell.ring(nth).await.map_err(|error| match error {
                BellError::Cracked { .. } => DeskError::Cracked(format!("{error:?}")),
                BellError::Remoting(error) => DeskError::Remoting(error),
            })?;
        }
        Ok(sum)
    }

    async fn drawer(&self, label: String) -> remoting::Result<DrawerProxy> {
        self.drawers.fetch_add(1, Ordering::SeqCst);
        Ok(DrawerProxy::local(Labelled(
            label,
            Arc::clone(&self.drawers),
        )))
    }

    async fn show(&self, bell: BellProxy) -> Result<String, DeskError> {
        let drawer = self.drawer("nibs".to_owned()).await?;
        Ok(bell.look(drawer).await?)
    }

    async fn open_drawers(&self) -> remoting::Result<usize> {
        Ok(self.drawers.load(Ordering::SeqCst))
    }

    async fn is_mine(&self, drawer: DrawerProxy) -> remoting::Result<bool> {
        Ok(drawer.is_local())
    }
}

struct Labelled(String, Arc<AtomicUsize>);

impl Drop for Labelled {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drawer for Labelled {
    async fn label(&self) -> remoting::Result<String> {
        Ok(self.0.clone())
    }
}
