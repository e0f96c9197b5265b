//! A notice board, and who watches it: the contract, and the server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use remoting::Subscribers;
use remoting::prelude::*;
use serde::{Deserialize, Serialize};

/// How many notes the board has room for; the oldest goes first.
const ROOM: usize = 12;
/// How many characters a note has at most.
const LONGEST: usize = 80;

/// Holds notes.
#[remote]
pub trait Board {
    /// The notes, the oldest first. It changes nothing, so a page may read it with GET.
    #[readonly]
    async fn notes(&self) -> remoting::Result<Vec<Note>>;

    /// Pins a note and gives how many there are now.
    async fn pin(&self, note: Note) -> Result<usize, BoardError>;

    /// From now on `watcher` is told of each note. Gives those that hang there already.
    async fn watch(&self, watcher: WatcherProxy) -> remoting::Result<Vec<Note>>;
}

/// Is told what happens at a board.
#[remote]
pub trait Watcher {
    async fn pinned(&self, note: Note) -> remoting::Result<()>;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub author: String,
    pub text: String,
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum BoardError {
    #[error("a note has 1 to {longest} characters")]
    Length { longest: usize },
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

/// The board itself.
#[derive(Default, Clone)]
struct Cork {
    notes: Arc<Mutex<VecDeque<Note>>>,
    watchers: Subscribers<WatcherProxy>,
}

impl Board for Cork {
    async fn notes(&self) -> remoting::Result<Vec<Note>> {
        let notes = self.notes.lock().expect("nobody panics with it");
        Ok(notes.iter().cloned().collect())
    }

    async fn pin(&self, note: Note) -> Result<usize, BoardError> {
        if !(1..=LONGEST).contains(&note.text.chars().count()) {
            return Err(BoardError::Length { longest: LONGEST });
        }
        let mut notes = self.notes.lock().expect("nobody panics with it");
        if notes.len() == ROOM {
            notes.pop_front();
        }
        notes.push_back(note.clone());
        // Under the lock, so that all hear it in the order of the notes; it waits for nobody.
        self.watchers
            .publish(move |watcher, _missed| watcher.pinned(note.clone()));
        Ok(notes.len())
    }

    async fn watch(&self, watcher: WatcherProxy) -> remoting::Result<Vec<Note>> {
        let notes = self.notes.lock().expect("nobody panics with it");
        self.watchers.add(watcher);
        Ok(notes.iter().cloned().collect())
    }
}

/// Starts a host with an empty board, under the name `board`.
///
/// - `origin`: whose pages may call: `http://127.0.0.1:8080`.
pub async fn start(origin: &str) -> remoting::Result<Host> {
    let channel = HttpChannel::listen("127.0.0.1:0").origin(origin);
    let host = Host::builder().channel(channel).start().await?;
    host.publish("board", BoardDispatcher::singleton(Cork::default))?;
    Ok(host)
}

/// Where pages find the objects of a host: `http://127.0.0.1:40123`.
pub fn address(host: &Host) -> remoting::Result<String> {
    let url = host.url("board")?;
    Ok(url.trim_end_matches("/board").to_owned())
}
