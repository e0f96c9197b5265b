//! Answers that are kept for a while, so that a request which is sent again is not run again
//! (PROTOCOL.md, rule H19).

use std::collections::VecDeque;
use std::collections::hash_map::{HashMap, RandomState};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remoting_core::{Error, ErrorKind, Executed};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Answer;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(600);

/// How many bytes the bodies and own headers of all kept answers may have.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The longest key, in bytes.
pub(crate) const LONGEST_KEY: usize = 64;

/// An answer that has come, or will.
pub(crate) type Outcome = watch::Receiver<Option<Answer>>;

/// The answers of a channel that are kept. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Replays {
    table: Arc<Mutex<Table>>,
    /// How many there may be.
    most: usize,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<String, Entry>,
    /// The keys, those first that were used first.
    order: VecDeque<(Instant, String)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    /// Stands for the request that the key was used with.
    request: u64,
    outcome: Outcome,
    begun: Instant,
    /// How long the body of its answer is, once that is kept.
    bytes: usize,
}

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Known {
    /// Nothing: the request is to be run.
    Nothing(Keeping),
    /// The same request was sent before: this is its answer.
    Same(Outcome),
}

/// Why a request with a key is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The key is empty, or too long.
    BadKey,
    /// Another request was sent with it.
    Reused,
    /// Too many requests with keys are under way.
    Full,
}

/// Takes the answer of a request that is run. Dropped without one, the key is forgotten.
#[derive(Debug)]
pub(crate) struct Keeping {
    table: Arc<Mutex<Table>>,
    key: String,
    outcome: watch::Sender<Option<Answer>>,
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Replays {
    /// - `most`: how many answers are kept at most.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            table: Arc::default(),
            most,
            hasher: RandomState::new(),
        }
    }

    /// Looks a key up.
    ///
    /// - `owner`: whom the host takes its sender for; keys of others are none of its business.
    /// - `request`: all that makes the request what it is.
    pub(crate) fn find(
        &self,
        (owner, key): (&str, &str),
        request: &[&[u8]],
    ) -> Result<Known, Refused> {
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(Refused::BadKey);
        }
        // No header has a NUL, so nobody's key begins with another's name.
        let key = &format!("{owner}\0{key}");
        let request = self.hasher.hash_one(request);
        let now = Instant::now();
        let mut table = lock(&self.table);
        table.forget_old(now);
        if let Some(entry) = table.entries.get(key) {
            return match entry.request == request {
                true => Ok(Known::Same(entry.outcome.clone())),
                false => Err(Refused::Reused),
            };
        }
        while table.entries.len() >= self.most {
            if !table.forget_oldest() {
                return Err(Refused::Full);
            }
        }
        let (sender, outcome) = watch::channel(None);
        let entry = Entry {
            request,
            outcome,
            begun: now,
            bytes: 0,
        };
        table.entries.insert(key.to_owned(), entry);
        if table.order.len() >= self.most.saturating_mul(2) {
            table.drop_spent();
        }
        table.order.push_back((now, key.to_owned()));
        drop(table);
        Ok(Known::Nothing(Keeping {
            table: Arc::clone(&self.table),
            key: key.to_owned(),
            outcome: sender,
        }))
    }
}

impl Table {
    fn forget_old(&mut self, now: Instant) {
        while let Some((begun, _)) = self.order.front() {
            if now.saturating_duration_since(*begun) < KEPT || !self.forget_first() {
                return;
            }
        }
    }

    /// Forgets the oldest answer, or the place of a key that was forgotten. Tells whether there was one; requests under
    /// way stay.
    fn forget_oldest(&mut self) -> bool {
        for _ in 0..self.order.len() {
            if self.forget_first() {
                return true;
            }
        }
        false
    }

    /// Forgets the first key, unless its request is under way: it then comes last.
    fn forget_first(&mut self) -> bool {
        let Some((begun, key)) = self.order.pop_front() else {
            return false;
        };
        let entry = self.entries.get(&key).filter(|entry| entry.begun == begun);
        match entry {
            // It was forgotten before.
            None => true,
            Some(entry) if entry.outcome.borrow().is_none() => {
                self.order.push_back((begun, key));
                false
            }
            Some(_) => {
                self.remove(&key);
                true
            }
        }
    }

    /// Drops the places of keys that were forgotten out of turn.
    fn drop_spent(&mut self) {
        let Self { entries, order, .. } = self;
        order.retain(|(begun, key)| {
            let entry = entries.get(key);
            entry.is_some_and(|entry| entry.begun == *begun)
        });
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
    }
}

impl Keeping {
    /// Keeps an answer for those who send the request again, and gives it to those who wait. One of a
    /// request that was not executed is not kept: it may be tried again. In the place of one that is longer than
    /// all may be together an error is kept, since the request has run.
    pub(crate) fn keep(self, answer: &Answer) {
        let ran = answer.executed != Some(Executed::No);
        let answer = match answer.size() <= MOST_BYTES {
            true => answer.clone(),
            false => too_large(answer.executed),
        };
        let bytes = answer.size();
        let mut table = lock(&self.table);
        if ran {
            if let Some(entry) = table.entries.get_mut(&self.key) {
                entry.bytes = bytes;
            }
            table.bytes = table.bytes.saturating_add(bytes);
        }
        self.outcome.send_replace(Some(answer));
        if !ran {
            table.remove(&self.key);
        }
        while table.bytes > MOST_BYTES && table.forget_oldest() {}
    }
}

/// What is kept instead of an answer that is too large.
fn too_large(executed: Option<Executed>) -> Answer {
    let text = "the answer was too large to be kept for those who send the request again";
    let error = Error::new(ErrorKind::TooLarge, text);
    Answer::of_error(&error.with_executed(executed.unwrap_or(Executed::Unknown)))
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            lock(&self.table).remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    fn fresh(replays: &Replays, key: &str, request: &[u8]) -> Keeping {
        match replays.find(("", key), &[request]) {
            Ok(Known::Nothing(keeping)) => keeping,
            other => panic!("{key} was to be new: {other:?}"),
        }
    }

    fn is_known(replays: &Replays, key: &str, request: &[u8]) -> bool {
        matches!(replays.find(("", key), &[request]), Ok(Known::Same(_)))
    }

    #[tokio::test]
    async fn the_same_request_gets_the_same_answer_and_another_is_refused() {
        let replays = Replays::new(10);
        let keeping = fresh(&replays, "k", b"a");
        let Ok(Known::Same(mut waiting)) = replays.find(("", "k"), &[b"a"]) else {
            panic!("it is under way");
        };
        keeping.keep(&Answer::taken());
        let answer = waiting.wait_for(Option::is_some).await.unwrap();
        assert_eq!(answer.as_ref().unwrap().status, StatusCode::ACCEPTED);
        drop(answer);
        assert!(is_known(&replays, "k", b"a"));
        assert_eq!(
            replays.find(("", "k"), &[b"b"]).unwrap_err(),
            Refused::Reused
        );
        for bad in ["", &"x".repeat(65)] {
            assert_eq!(
                replays.find(("", bad), &[b"a"]).unwrap_err(),
                Refused::BadKey
            );
        }
    }

    #[tokio::test]
    async fn what_did_not_run_or_has_no_answer_may_be_tried_again() {
        let replays = Replays::new(10);
        fresh(&replays, "k", b"a").keep(&Answer::refused(503, "overloaded", "later"));
        let given_up = fresh(&replays, "k", b"b");
        drop(given_up);
        let _new = fresh(&replays, "k", b"c");
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_kept_for_a_while_and_not_too_many() {
        let replays = Replays::new(2);
        fresh(&replays, "a", b"a").keep(&Answer::taken());
        tokio::time::advance(Duration::from_secs(300)).await;
        fresh(&replays, "b", b"b").keep(&Answer::taken());
        tokio::time::advance(Duration::from_secs(300)).await;
        assert!(is_known(&replays, "b", b"b"));
        let under_way = fresh(&replays, "a", b"new");
        // The oldest that has an answer makes room.
        let second = fresh(&replays, "c", b"c");
        assert_eq!(replays.find(("", "d"), &[b"d"]).unwrap_err(), Refused::Full);
        drop(under_way);
        let _d = fresh(&replays, "d", b"d");
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_are_forgotten_out_of_turn_leave_nothing() {
        let replays = Replays::new(2);
        for number in 0..100 {
            drop(fresh(&replays, &number.to_string(), b"a"));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let table = lock(&replays.table);
        assert!(table.entries.is_empty());
        assert!(table.order.len() <= 4, "{}", table.order.len());
    }

    #[tokio::test]
    async fn large_answers_make_room_for_each_other() {
        let replays = Replays::new(10);
        let large = || {
            let mut answer = Answer::taken();
            answer.body = vec![0; MOST_BYTES / 2 + 1].into();
            answer
        };
        fresh(&replays, "a", b"a").keep(&large());
        fresh(&replays, "b", b"b").keep(&large());
        assert!(is_known(&replays, "b", b"b"));
        let _again = fresh(&replays, "a", b"a");
        assert_eq!(lock(&replays.table).bytes, MOST_BYTES / 2 + 1);
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_is_not_kept_and_its_request_does_not_run_again() {
        let replays = Replays::new(10);
        let mut answer = Answer::empty(StatusCode::OK);
        answer.executed = Some(Executed::Yes);
        answer.body = vec![0; MOST_BYTES + 1].into();
        for key in ["a", "b", "c"] {
            fresh(&replays, key, b"a").keep(&answer);
            let Ok(Known::Same(outcome)) = replays.find(("", key), &[b"a"]) else {
                panic!("{key} has run");
            };
            let again = outcome.borrow().clone().unwrap();
            assert_eq!(again.status, StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(again.executed, Some(Executed::Yes));
        }
        let table = lock(&replays.table);
        let outcomes = table.entries.values().map(|entry| entry.outcome.borrow());
        let kept: usize = outcomes
            .map(|answer| answer.as_ref().map_or(0, Answer::size))
            .sum();
        assert!(kept < 10_000, "{kept}");
        assert_eq!(table.bytes, kept);
    }

    #[tokio::test]
    async fn a_key_that_was_forgotten_out_of_turn_makes_no_room() {
        let replays = Replays::new(2);
        drop(fresh(&replays, "given up", b"a"));
        fresh(&replays, "a", b"a").keep(&Answer::taken());
        fresh(&replays, "b", b"a").keep(&Answer::taken());
        let _c = fresh(&replays, "c", b"a");
        assert_eq!(lock(&replays.table).entries.len(), 2);
        assert!(!lock(&replays.table).entries.contains_key("\0a"));
    }
}
