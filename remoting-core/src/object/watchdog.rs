//! Sees methods that hold their thread, while they do.
//!
//! Each thread has a word that says which method is polled there, and in which poll. One
//! thread of the process reads them all a few times a second, as long as any method is
//! called; otherwise it sleeps. It is no thread of a runtime, so it goes on where
//! those are all held.
//!
//! A worker thread that is held may be the one that has heard of what comes in for the others,
//! who sleep. So the watchdog has the runtime of such a thread wake one of them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::apart::runtime_with_workers;
use super::profile::{Conduct, STUCK};

/// How long the watchdog sleeps between two rounds.
const ROUND: Duration = Duration::from_millis(25);
/// How long nothing more is said of a method.
const SILENCE: Duration = Duration::from_secs(60);
/// After how many rounds in which nothing was called the watchdog sleeps until something is.
const QUIET: u32 = 40;

/// The part of a word that is the number of the method. What is above it counts the thread's polls.
const NUMBER: u64 = 0xFFFF_FFFF;
const POLL: u64 = NUMBER + 1;

/// Whether the watchdog makes its rounds.
static AWAKE: AtomicBool = AtomicBool::new(false);
static WATCHDOG: Mutex<Option<Thread>> = Mutex::new(None);
static THREADS: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
static METHODS: RwLock<Option<HashMap<u32, &'static Conduct>>> = RwLock::new(None);

thread_local! {
    static OWN: Arc<Own> = watched();
}

/// What a thread tells of itself.
struct Own {
    /// The poll that it is at.
    word: AtomicU64,
    /// The runtime that it was of when it was first seen, if that has other threads.
    runtime: Option<Handle>,
}

/// A number for a method, which is never zero.
pub(super) fn number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).saturating_add(1)
}

/// Has the watchdog know methods, by their numbers.
pub(super) fn enlist(methods: &'static [Conduct]) {
    let mut all = METHODS.write().unwrap_or_else(PoisonError::into_inner);
    all.get_or_insert_default()
        .extend(methods.iter().map(|method| (method.number, method)));
}

/// The method of a number.
fn method(number: u32) -> Option<&'static Conduct> {
    let all = METHODS.read().unwrap_or_else(PoisonError::into_inner);
    all.as_ref()?.get(&number).copied()
}

/// Polls a method, under the eyes of the watchdog. `poll` must not unwind.
#[inline]
pub(super) fn during<R>(method: Option<&Conduct>, poll: impl FnOnce() -> R) -> R {
    let Some(method) = method else {
        return poll();
    };
    let outer = put(method.number);
    if !AWAKE.load(Ordering::Relaxed) {
        wake();
    }
    let result = poll();
    put(outer);
    result
}

/// Says what this thread polls from now on, and gives what it was before.
fn put(method: u32) -> u32 {
    let put = |own: &Arc<Own>| {
        let before = own.word.load(Ordering::Relaxed);
        let poll = (before & !NUMBER).wrapping_add(POLL);
        own.word.store(poll | u64::from(method), Ordering::Relaxed);
        number_in(before)
    };
    // A thread that is about to end is not watched any more.
    OWN.try_with(put).unwrap_or(0)
}

/// The number of the method that a word names; zero is none.
fn number_in(word: u64) -> u32 {
    u32::try_from(word & NUMBER).unwrap_or(0)
}

/// A thread, as the watchdog sees it.
struct Watched {
    own: Weak<Own>,
    /// What the word was at the last round, and since when.
    seen: u64,
    since: Instant,
    /// Whether another thread of its runtime was woken since.
    is_covered: bool,
}

/// Has this thread watched for as long as it keeps what is given.
fn watched() -> Arc<Own> {
    let own = Arc::new(Own {
        word: AtomicU64::new(0),
        runtime: runtime_with_workers(),
    });
    let watched = Watched {
        own: Arc::downgrade(&own),
        seen: 0,
        since: Instant::now(),
        is_covered: false,
    };
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    threads.push(watched);
    own
}

#[cold]
fn wake() {
    if AWAKE.swap(true, Ordering::SeqCst) {
        return;
    }
    let mut watchdog = WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(thread) = &*watchdog {
        return thread.unpark();
    }
    let thread = thread::Builder::new().name("remoting-watchdog".to_owned());
    match thread.spawn(watch) {
        Ok(handle) => *watchdog = Some(handle.thread().clone()),
        // The system has no more threads: calls go on, and the next one tries again.
        Err(_) => AWAKE.store(false, Ordering::SeqCst),
    }
}

/// What the watchdog does all its life.
fn watch() {
    let mut told = HashMap::new();
    let mut quiet: u32 = 0;
    loop {
        thread::park_timeout(ROUND);
        let now = Instant::now();
        let Round {
            is_busy,
            stuck,
            runtimes,
        } = round(now);
        for runtime in runtimes {
            // Somebody who sleeps wakes for it, and looks around.
            drop(runtime.spawn(std::future::ready(())));
        }
        for stuck in stuck {
            tell(&mut told, stuck, now);
        }
        if is_busy {
            AWAKE.store(true, Ordering::SeqCst);
            quiet = 0;
            continue;
        }
        quiet = quiet.saturating_add(1);
        match quiet {
            ..QUIET => {}
            // One more round, for those who have not seen it yet.
            QUIET => AWAKE.store(false, Ordering::SeqCst),
            _ => {
                while !AWAKE.load(Ordering::SeqCst) {
                    thread::park();
                }
                quiet = 0;
            }
        }
    }
}

/// What was seen in one round.
#[derive(Default)]
struct Round {
    /// Whether anything was called since the last one.
    is_busy: bool,
    /// The methods that hold a thread, and for how long they have.
    stuck: Vec<(u32, Duration)>,
    /// Those who have a thread that was not there for them since the last round.
    runtimes: Vec<Handle>,
}

fn round(now: Instant) -> Round {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut round = Round::default();
    threads.retain_mut(|thread| match thread.own.upgrade() {
        Some(own) => {
            thread.look(&own, &mut round, now);
            true
        }
        None => false,
    });
    round
}

impl Watched {
    fn look(&mut self, own: &Own, round: &mut Round, now: Instant) {
        let word = own.word.load(Ordering::Relaxed);
        let method = number_in(word);
        if word != self.seen {
            (self.seen, self.since) = (word, now);
            self.is_covered = false;
            round.is_busy = true;
        } else if method != 0 {
            round.is_busy = true;
            if !std::mem::replace(&mut self.is_covered, true) {
                round.runtimes.extend(own.runtime.clone());
            }
            let held = now.saturating_duration_since(self.since);
            if held >= STUCK {
                round.stuck.push((method, held));
            }
        }
    }
}

/// Marks a method that holds a thread, and names it in the log, unless that was done not long ago.
fn tell(told: &mut HashMap<u32, Instant>, (number, held): (u32, Duration), now: Instant) {
    let Some(conduct) = method(number) else {
        return;
    };
    conduct.has_blocked();
    let last = told.get(&number);
    if last.is_some_and(|last| now.saturating_duration_since(*last) < SILENCE) {
        return;
    }
    told.insert(number, now);
    // Whoever takes the line may panic, and the watch goes on.
    let _taken = catch_unwind(AssertUnwindSafe(|| {
        tracing::warn!(
            target: "remoting::call",
            interface = conduct.interface,
            method = conduct.method,
            held_ms = u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
            "held a thread without awaiting, and still does: mark the method `#[blocking]`, or await in between",
        );
    }));
}
