//! What has happened in a world: each call with its runs and its end, and a trace of everything.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use remoting::{Error, ErrorKind, Executed};
use tokio::time::Instant;

use crate::contract::{Declined, Failure};

/// How long after its deadline a call may end at the latest.
const GRACE: Duration = Duration::from_millis(5);

/// How a call ended, for who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Ok,
    /// The server's own error.
    Declined,
    Failed(Failure),
    /// The caller has dropped the future.
    Dropped,
}

/// What is known of one call.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    pub what: &'static str,
    pub began: u32,
    pub finished: u32,
    pub ends: Vec<End>,
    /// Why the stream that it gave ended before it was over.
    pub broken: Option<Failure>,
    /// Nobody asks how it ends: its answer is used without being waited for.
    pub is_unwatched: bool,
}

#[derive(Clone)]
pub struct Book(Arc<Mutex<State>>);

struct State {
    entries: BTreeMap<u64, Entry>,
    wrong: Vec<String>,
    trace: DefaultHasher,
    begun: Instant,
    is_loud: bool,
    /// What is alive: handlers that run, objects, streams.
    alive: BTreeMap<&'static str, u64>,
}

/// Something that is alive until it is dropped.
pub struct Alive(Book, &'static str);

/// A call that runs.
pub struct Run {
    book: Book,
    id: u64,
    _alive: Alive,
}

impl Book {
    /// - `is_loud`: prints what happens.
    pub fn new(is_loud: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            entries: BTreeMap::new(),
            wrong: Vec::new(),
            trace: DefaultHasher::new(),
            begun: Instant::now(),
            is_loud,
            alive: BTreeMap::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A number for a call that somebody is about to make.
    pub fn call(&self, what: &'static str) -> u64 {
        let mut state = self.lock();
        let id = state.entries.len() as u64 + 1;
        let entry = Entry {
            what,
            ..Entry::default()
        };
        state.entries.insert(id, entry);
        state.note(format_args!("{what} {id} is called"));
        id
    }

    /// The same, of a call whose answer nobody waits for.
    pub fn unwatched(&self, what: &'static str) -> u64 {
        let id = self.call(what);
        self.lock().entry(id).is_unwatched = true;
        id
    }

    /// A call has ended, for its caller.
    pub fn ended(&self, id: u64, end: End) {
        let mut state = self.lock();
        state.note(format_args!("{id} has ended: {end:?}"));
        state.entry(id).ends.push(end);
    }

    /// The stream of a call has ended before it was over.
    pub fn broke(&self, id: u64, error: &Error) {
        self.note(format_args!("the stream of {id} breaks: {error}"));
        self.lock().entry(id).broken = Some(Failure::of(error));
    }

    /// Waits for a call, and writes down how it ends.
    pub async fn watch<T, E: Into<Declined>>(
        &self,
        id: u64,
        deadline: Duration,
        call: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        let begun = Instant::now();
        let result = call.await.map_err(Into::into);
        let (end, value) = match result {
            Ok(value) => (End::Ok, Some(value)),
            Err(Declined::Number(of)) => {
                self.expect(of == id, || format!("{id} got the error of {of}"));
                (End::Declined, None)
            }
            Err(Declined::Remoting(failure)) => (End::Failed(failure), None),
        };
        self.ended(id, end);
        let took = begun.elapsed();
        self.expect(took <= deadline + GRACE, || {
            format!("{id} took {took:?}, and had {deadline:?}")
        });
        value
    }

    /// A call begins to run at its object.
    pub fn begin(&self, id: u64) -> Run {
        let mut state = self.lock();
        state.note(format_args!("{id} runs"));
        state.entry(id).began += 1;
        drop(state);
        Run {
            book: self.clone(),
            id,
            _alive: self.alive("a call that runs"),
        }
    }

    pub fn alive(&self, what: &'static str) -> Alive {
        *self.lock().alive.entry(what).or_default() += 1;
        Alive(self.clone(), what)
    }

    /// How many of something are alive.
    pub fn count(&self, what: &'static str) -> u64 {
        self.lock().alive.get(what).copied().unwrap_or_default()
    }

    /// What is alive, for a message.
    pub fn living(&self) -> String {
        format!("{:?}", self.lock().alive)
    }

    pub fn note(&self, what: std::fmt::Arguments<'_>) {
        self.lock().note(what);
    }

    pub fn expect(&self, is_so: bool, otherwise: impl FnOnce() -> String) {
        if !is_so {
            let wrong = otherwise();
            let mut state = self.lock();
            state.note(format_args!("WRONG: {wrong}"));
            state.wrong.push(wrong);
        }
    }

    pub fn entries(&self) -> BTreeMap<u64, Entry> {
        self.lock().entries.clone()
    }

    pub fn wrong(&self) -> Vec<String> {
        self.lock().wrong.clone()
    }

    pub fn trace(&self) -> u64 {
        self.lock().trace.finish()
    }
}

impl State {
    fn entry(&mut self, id: u64) -> &mut Entry {
        self.entries.entry(id).or_default()
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        let time = self.begun.elapsed().as_millis();
        let text = what.to_string();
        (time, &text).hash(&mut self.trace);
        if self.is_loud {
            println!("{time:>8} {text}");
        }
    }
}

impl Run {
    pub fn finish(&self) {
        let mut state = self.book.lock();
        state.note(format_args!("{} has run", self.id));
        state.entry(self.id).finished += 1;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if let Some(count) = state.alive.get_mut(self.1) {
            *count -= 1;
        }
    }
}

impl End {
    /// What the caller was told of whether its call has run.
    pub fn executed(&self) -> Executed {
        match self {
            Self::Ok | Self::Declined => Executed::Yes,
            Self::Failed(failure) => failure.executed,
            Self::Dropped => Executed::Unknown,
        }
    }

    /// What a call ends with whose session has not outlived what befell it.
    pub fn loss(&self) -> Option<&Failure> {
        let Self::Failed(failure) = self else {
            return None;
        };
        let is_over = matches!(
            failure.cause,
            ErrorKind::DeadlineExceeded | ErrorKind::Cancelled
        );
        (!is_over).then_some(failure)
    }
}
