//! Streams whose connections are gone: for a while their callers may go on where they were (PROTOCOL.md, rule H24).

use std::collections::hash_map::{HashMap, RandomState};
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use remoting_core::Counters;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::outflow::Course;

/// How long a stream lingers.
const LINGER: Duration = Duration::from_secs(30);

/// How often a stream is looked for that is just being asked for an item.
const TRIES: usize = 1000;

/// The last parts of a stream: those that may be on their way still.
#[derive(Debug)]
pub(crate) struct Recent {
    parts: VecDeque<Bytes>,
    bytes: usize,
    most_parts: usize,
    most_bytes: usize,
}

impl Recent {
    pub(crate) fn new(most_parts: usize, most_bytes: usize) -> Self {
        Self {
            parts: VecDeque::new(),
            bytes: 0,
            most_parts,
            most_bytes,
        }
    }

    /// Of a stream that nobody asks for again.
    pub(crate) fn none() -> Self {
        Self::new(0, 0)
    }

    pub(crate) fn push(&mut self, part: &Bytes) {
        self.bytes += part.len();
        self.parts.push_back(part.clone());
        while self.parts.len() > self.most_parts || self.bytes > self.most_bytes {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let part = self.parts.pop_front();
        self.bytes -= part.map_or(0, |part| part.len());
    }

    /// Forgets all but so many of the last parts; tells whether there are so many.
    pub(crate) fn keep_last(&mut self, count: u64) -> bool {
        let Some(more) = (self.parts.len() as u64).checked_sub(count) else {
            return false;
        };
        (0..more).for_each(|_| self.pop());
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(crate) fn parts(&self) -> Vec<Bytes> {
        self.parts.iter().cloned().collect()
    }
}

/// Whose a stream is, and of which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Whom the host takes the caller for.
    caller: String,
    /// Stands for the request.
    request: u64,
}

/// The streams of a channel that can be gone on with. With the last clone go those that linger.
#[derive(Debug, Clone)]
pub(crate) struct Lingering {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    table: Mutex<Table>,
    counters: Arc<Counters>,
    /// How many may linger.
    most: usize,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Table {
    streams: HashMap<String, Entry>,
    /// The names of those that linger, and since when; the number tells those of one instant apart.
    left: BTreeMap<(Instant, u64), String>,
    leavings: u64,
    /// Whether somebody waits to drop the next one.
    is_swept: bool,
}

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    owner: Owner,
    /// Where it stands among those that linger, if it does.
    left: Option<(Instant, u64)>,
}

/// A stream, but while it is being asked for an item. Nothing when its caller goes on with it elsewhere.
#[derive(Debug)]
struct Slot(Mutex<Option<Course>>);

impl Slot {
    fn new(course: Course) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(course))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Course>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream on its way over a connection. Dropped, it leaves the stream behind, if it may linger.
#[derive(Debug)]
pub(crate) struct Seat {
    slot: Arc<Slot>,
    lingering: Weak<Inner>,
    name: String,
}

impl Seat {
    /// Of a stream that does not linger.
    pub(crate) fn alone(course: Course) -> Self {
        Self {
            slot: Slot::new(course),
            lingering: Weak::new(),
            name: String::new(),
        }
    }

    /// Takes the stream, to ask it for an item; nothing if its caller goes on with it elsewhere.
    pub(crate) fn take(&self) -> Option<Course> {
        self.slot.lock().take()
    }

    /// Gives it back.
    pub(crate) fn put(&self, course: Course) {
        *self.slot.lock() = Some(course);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(inner) = self.lingering.upgrade() {
            inner.leave(&self.name, &self.slot);
        }
    }
}

/// What is left of a stream.
pub(crate) enum Found {
    /// It goes on.
    Course(Box<Course>),
    /// The caller has got all of it.
    Over,
    /// Nothing, or not enough.
    Nothing,
}

impl Lingering {
    /// - `most`: how many streams linger at most.
    pub(crate) fn new(most: usize, counters: Arc<Counters>) -> Self {
        Self {
            inner: Arc::new(Inner {
                table: Mutex::default(),
                counters,
                most,
                hasher: RandomState::new(),
            }),
        }
    }

    /// - `request`: all that makes the request what it is.
    pub(crate) fn owner(&self, caller: String, request: &[&[u8]]) -> Owner {
        let request = self.inner.hasher.hash_one(request);
        Owner { caller, request }
    }

    /// Lets a stream linger when its connection is gone.
    pub(crate) fn enter(&self, course: Course, owner: Owner) -> Seat {
        let name = course.name().to_owned();
        let slot = Slot::new(course);
        let entry = Entry {
            slot: Arc::clone(&slot),
            owner,
            left: None,
        };
        let before = self.inner.lock().streams.insert(name.clone(), entry);
        drop(before);
        Seat {
            slot,
            lingering: Arc::downgrade(&self.inner),
            name,
        }
    }

    /// Looks for a stream that a caller wants to go on with. It is taken off the connection over which it went.
    ///
    /// - `id`: of the last event that the caller has got.
    pub(crate) async fn find(&self, id: &str, owner: &Owner) -> Found {
        let parts = id.rsplit_once('.');
        let Some((name, Ok(got))) = parts.map(|(name, got)| (name, got.parse())) else {
            return Found::Nothing;
        };
        let Some(mut course) = self.take(name, owner).await else {
            return Found::Nothing;
        };
        match course.goes_on_after(got) {
            false => Found::Nothing,
            true if course.is_over() => Found::Over,
            true => Found::Course(Box::new(course)),
        }
    }

    async fn take(&self, name: &str, owner: &Owner) -> Option<Course> {
        for _ in 0..TRIES {
            {
                let mut table = self.inner.lock();
                let entry = table.streams.get(name)?;
                if entry.owner != *owner {
                    return None;
                }
                let course = entry.slot.lock().take();
                if course.is_some() {
                    table.remove(name);
                    return course;
                }
            }
            yield_now().await;
        }
        None
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream has lost its connection. One more than may linger makes the oldest go.
    fn leave(self: &Arc<Self>, name: &str, slot: &Arc<Slot>) {
        let runtime = tokio::runtime::Handle::try_current();
        // What goes is the user's, and goes when nothing is locked.
        let mut gone = Vec::new();
        let mut table = self.lock();
        if !table.is_of(name, slot) {
            return;
        }
        match &runtime {
            Ok(_) => table.leave(name, Instant::now()),
            Err(_) => gone.extend(table.remove(name)),
        }
        while table.left.len() > self.most {
            self.counters.lingering_streams.add();
            gone.extend(table.remove_oldest());
        }
        let sweeps = !table.left.is_empty() && !std::mem::replace(&mut table.is_swept, true);
        drop(table);
        drop(gone);
        if let (true, Ok(runtime)) = (sweeps, runtime) {
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Drops the streams that have lingered long enough. Gives when the next one will have.
    fn expire(&self) -> Option<Instant> {
        let mut gone = Vec::new();
        let mut table = self.lock();
        let now = Instant::now();
        let next = loop {
            let Some(((since, _), _)) = table.left.first_key_value() else {
                break None;
            };
            let due = *since + LINGER;
            if due > now {
                break Some(due);
            }
            gone.extend(table.remove_oldest());
        };
        table.is_swept = next.is_some();
        drop(table);
        drop(gone);
        next
    }
}

async fn sweep(inner: Weak<Inner>) {
    while let Some(due) = inner.upgrade().and_then(|inner| inner.expire()) {
        sleep_until(due).await;
    }
}

impl Table {
    /// Whether a stream is still that of this slot.
    fn is_of(&self, name: &str, slot: &Arc<Slot>) -> bool {
        let entry = self.streams.get(name);
        entry.is_some_and(|entry| Arc::ptr_eq(&entry.slot, slot))
    }

    fn leave(&mut self, name: &str, now: Instant) {
        let Some(entry) = self.streams.get_mut(name) else {
            return;
        };
        self.leavings += 1;
        let place = (now, self.leavings);
        entry.left = Some(place);
        self.left.insert(place, name.to_owned());
    }

    fn remove(&mut self, name: &str) -> Option<Entry> {
        let entry = self.streams.remove(name)?;
        if let Some(place) = entry.left {
            self.left.remove(&place);
        }
        Some(entry)
    }

    fn remove_oldest(&mut self) -> Option<Entry> {
        let (_, name) = self.left.pop_first()?;
        self.streams.remove(&name)
    }
}
