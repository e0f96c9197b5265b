//! Folders in folders, for calls on what other calls return.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use remoting::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::pair::Pair;

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum FolderError {
    #[error("there is no {0}")]
    Missing(String),
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

#[remote(name = "pipelining.Folder")]
pub trait Folder {
    /// The name `none` is refused.
    #[constructor]
    async fn create(name: &str) -> Result<Self, FolderError>;

    async fn open(&self, name: &str) -> Result<FolderProxy, FolderError>;
    /// Waits until the test lets it go on.
    async fn open_later(&self, name: &str) -> Result<FolderProxy, FolderError>;
    async fn missing(&self, name: &str) -> Result<FolderProxy, FolderError>;
    async fn broken(&self) -> remoting::Result<FolderProxy>;
    async fn path(&self) -> remoting::Result<String>;
    async fn path_of(&self, other: FolderProxy) -> remoting::Result<String>;
    async fn hand_back(&self, other: FolderProxy) -> remoting::Result<FolderProxy>;
    async fn linked(&self) -> remoting::Result<FolderProxy>;
    async fn header(&self, name: &str) -> remoting::Result<Option<String>>;
    async fn note(&mut self, number: u32) -> remoting::Result<()>;
    #[oneway]
    async fn scribble(&mut self, number: u32) -> remoting::Result<()>;
}

/// What the folders of one test have in common.
#[derive(Clone)]
pub struct Shelf {
    /// How many calls began that ask for a folder, and others.
    pub opened: Arc<AtomicUsize>,
    pub called: Arc<AtomicUsize>,
    /// What was noted, in all folders.
    pub notes: Arc<Mutex<Vec<u32>>>,
    /// One permit for each call of `open_later`.
    pub gate: Arc<Semaphore>,
    /// How many calls of `open_later` wait for one.
    pub waiting: Arc<AtomicUsize>,
    /// What `linked` returns.
    pub link: Arc<Mutex<Option<FolderProxy>>>,
    /// Held once by each folder.
    pub alive: Arc<()>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            opened: Arc::default(),
            called: Arc::default(),
            notes: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            waiting: Arc::default(),
            link: Arc::default(),
            alive: Arc::default(),
        }
    }
}

impl Shelf {
    pub fn folder(&self, path: impl Into<String>) -> Paper {
        Paper {
            path: path.into(),
            shelf: self.clone(),
        }
    }

    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub fn called(&self) -> usize {
        self.called.load(Ordering::SeqCst)
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn notes(&self) -> Vec<u32> {
        self.notes.lock().unwrap().clone()
    }

    /// How many folders there are, the test's own shelf not counted.
    pub fn folders(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }

    fn child(&self, path: &str, name: &str) -> FolderProxy {
        FolderProxy::local(self.folder(format!("{path}/{name}")))
    }
}

/// A call that waits.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(shelf: &Shelf) -> Self {
        shelf.waiting.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&shelf.waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A folder.
pub struct Paper {
    path: String,
    shelf: Shelf,
}

impl Folder for Paper {
    async fn open(&self, name: &str) -> Result<FolderProxy, FolderError> {
        self.shelf.opened.fetch_add(1, Ordering::SeqCst);
        Ok(self.shelf.child(&self.path, name))
    }

    async fn open_later(&self, name: &str) -> Result<FolderProxy, FolderError> {
        self.shelf.opened.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting::new(&self.shelf);
        self.shelf.gate.acquire().await.unwrap().forget();
        Ok(self.shelf.child(&self.path, name))
    }

    async fn missing(&self, name: &str) -> Result<FolderProxy, FolderError> {
        self.shelf.opened.fetch_add(1, Ordering::SeqCst);
        Err(FolderError::Missing(name.to_owned()))
    }

    async fn broken(&self) -> remoting::Result<FolderProxy> {
        self.shelf.opened.fetch_add(1, Ordering::SeqCst);
        panic!("it is torn")
    }

    async fn path(&self) -> remoting::Result<String> {
        self.shelf.called.fetch_add(1, Ordering::SeqCst);
        Ok(self.path.clone())
    }

    async fn path_of(&self, other: FolderProxy) -> remoting::Result<String> {
        self.shelf.called.fetch_add(1, Ordering::SeqCst);
        other.path().await
    }

    async fn hand_back(&self, other: FolderProxy) -> remoting::Result<FolderProxy> {
        self.shelf.opened.fetch_add(1, Ordering::SeqCst);
        Ok(other)
    }

    async fn linked(&self) -> remoting::Result<FolderProxy> {
        self.shelf.opened.fetch_add(1, Ordering::SeqCst);
        Ok(self.shelf.link.lock().unwrap().clone().unwrap())
    }

    async fn header(&self, name: &str) -> remoting::Result<Option<String>> {
        Ok(CallContext::current()
            .unwrap()
            .header(name)
            .map(str::to_owned))
    }

    async fn note(&mut self, number: u32) -> remoting::Result<()> {
        self.shelf.notes.lock().unwrap().push(number);
        Ok(())
    }

    async fn scribble(&mut self, number: u32) -> remoting::Result<()> {
        self.note(number).await
    }
}

/// Makes folders for clients.
pub struct Stationer(pub Shelf);

impl FolderFactory for Stationer {
    type Object = Paper;

    async fn create(&self, name: &str) -> Result<Paper, FolderError> {
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        match name {
            "none" => Err(FolderError::Missing(name.to_owned())),
            name => Ok(self.0.folder(name)),
        }
    }
}

/// A folder at the server, and the client's proxy of it.
pub fn folder(pair: &Pair) -> (Shelf, FolderProxy) {
    let shelf = Shelf::default();
    let dispatcher = FolderDispatcher::new(shelf.folder(""));
    pair.server.marshal("folder", dispatcher).unwrap();
    (shelf, pair.get("folder"))
}

#[remote(name = "pipelining.Keeper")]
pub trait Keeper {
    async fn keep(&self, folder: FolderProxy) -> remoting::Result<()>;
    async fn path_below(&self, folder: FolderProxy, name: &str) -> Result<String, FolderError>;
}

/// Keeps a folder for others.
pub struct Drawer(pub Shelf);

impl Keeper for Drawer {
    async fn keep(&self, folder: FolderProxy) -> remoting::Result<()> {
        *self.0.link.lock().unwrap() = Some(folder);
        Ok(())
    }

    async fn path_below(&self, folder: FolderProxy, name: &str) -> Result<String, FolderError> {
        let below = folder.open(name).pipelined().open("x").pipelined();
        Ok(below.path().await?)
    }
}
