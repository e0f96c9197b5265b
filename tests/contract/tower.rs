//! Objects that go from hand to hand: towers, and the bells that they make and are given.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remoting::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pair::Pair;

#[remote]
pub trait Bell {
    #[constructor]
    async fn make() -> remoting::Result<Self>;

    async fn ring(&self, times: u32) -> remoting::Result<u32>;
    /// Takes so long, and rings once.
    async fn toll(&self, time: Duration) -> remoting::Result<u32>;
    /// Rings another bell, and that one rings this one again, `depth` times in all.
    async fn echo(&self, other: BellProxy, own: BellProxy, depth: u32) -> remoting::Result<u32>;
}

/// A bell that counts.
#[derive(Default)]
pub struct Brass {
    pub rung: Arc<AtomicUsize>,
    /// Tells a test how long it lives.
    pub _alive: Option<Arc<()>>,
}

impl Brass {
    pub fn counted(rung: &Arc<AtomicUsize>) -> Self {
        let rung = Arc::clone(rung);
        Self { rung, _alive: None }
    }
}

impl Bell for Brass {
    async fn ring(&self, times: u32) -> remoting::Result<u32> {
        let before = self.rung.fetch_add(times as usize, Ordering::SeqCst);
        Ok(before as u32 + times)
    }

    async fn toll(&self, time: Duration) -> remoting::Result<u32> {
        tokio::time::sleep(time).await;
        self.ring(1).await
    }

    async fn echo(&self, other: BellProxy, own: BellProxy, depth: u32) -> remoting::Result<u32> {
        self.rung.fetch_add(1, Ordering::SeqCst);
        match depth {
            0 => Ok(0),
            _ => Ok(1 + other.echo(own, other.clone(), depth - 1).await?),
        }
    }
}

/// Makes bells for clients.
pub struct Foundry;

impl BellFactory for Foundry {
    type Object = Brass;

    async fn make(&self) -> remoting::Result<Brass> {
        Ok(Brass::default())
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Shelf {
    pub first: Option<BellProxy>,
    pub rest: Vec<BellProxy>,
    pub named: BTreeMap<String, BellProxy>,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub enum TowerError {
    #[error("take this one")]
    Instead(BellProxy),
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

#[remote]
pub trait Tower {
    async fn cast(&self) -> remoting::Result<BellProxy>;
    async fn ring(&self, bell: BellProxy, times: u32) -> remoting::Result<u32>;
    async fn ring_all(&self, shelf: Shelf) -> remoting::Result<u32>;
    async fn shelf(&self, count: u32) -> remoting::Result<Shelf>;
    async fn refuse(&self) -> Result<(), TowerError>;
    async fn hand_back(&self, bell: BellProxy) -> remoting::Result<BellProxy>;
    async fn keep(&self, bell: BellProxy) -> remoting::Result<bool>;
    async fn kept(&self) -> remoting::Result<Option<BellProxy>>;
    async fn is_same(&self, one: BellProxy, other: BellProxy) -> remoting::Result<bool>;
    async fn note(&self, name: &str, bell: BellProxy) -> remoting::Result<()>;
}

/// A tower, and what of it a test can see.
#[derive(Clone, Default)]
pub struct Stone {
    alive: Arc<()>,
    pub kept: Arc<Mutex<Option<BellProxy>>>,
}

impl Stone {
    pub fn bell(&self) -> BellProxy {
        BellProxy::local(Brass {
            _alive: Some(Arc::clone(&self.alive)),
            ..Brass::default()
        })
    }

    /// How many of its bells are alive; the tower is there twice.
    pub fn bells(&self) -> usize {
        Arc::strong_count(&self.alive) - 2
    }
}

impl Tower for Stone {
    async fn cast(&self) -> remoting::Result<BellProxy> {
        Ok(self.bell())
    }

    async fn ring(&self, bell: BellProxy, times: u32) -> remoting::Result<u32> {
        bell.ring(times).await
    }

    async fn ring_all(&self, shelf: Shelf) -> remoting::Result<u32> {
        let mut sum = 0;
        let all = shelf.first.iter().chain(&shelf.rest);
        for bell in all.chain(shelf.named.values()) {
            sum += bell.ring(1).await?;
        }
        Ok(sum)
    }

    async fn shelf(&self, count: u32) -> remoting::Result<Shelf> {
        let named = ("great".to_owned(), self.bell());
        Ok(Shelf {
            first: Some(self.bell()),
            rest: (0..count).map(|_| self.bell()).collect(),
            named: [named].into(),
        })
    }

    async fn refuse(&self) -> Result<(), TowerError> {
        Err(TowerError::Instead(self.bell()))
    }

    async fn hand_back(&self, bell: BellProxy) -> remoting::Result<BellProxy> {
        Ok(bell)
    }

    async fn keep(&self, bell: BellProxy) -> remoting::Result<bool> {
        let local = bell.is_local();
        *self.kept.lock().unwrap() = Some(bell);
        Ok(local)
    }

    async fn kept(&self) -> remoting::Result<Option<BellProxy>> {
        Ok(self.kept.lock().unwrap().clone())
    }

    async fn is_same(&self, one: BellProxy, other: BellProxy) -> remoting::Result<bool> {
        Ok(one == other)
    }

    async fn note(&self, _name: &str, _bell: BellProxy) -> remoting::Result<()> {
        Ok(())
    }
}

/// Publishes a tower, and gives it and the client's proxy of it.
pub fn tower(pair: &Pair) -> (Stone, TowerProxy) {
    let stone = Stone::default();
    pair.server
        .marshal("tower", TowerDispatcher::new(stone.clone()))
        .unwrap();
    (stone, pair.get("tower"))
}
