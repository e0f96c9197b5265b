//! Requests that say by a key that they may be sent again: each runs once.

use std::future::Future;

use hyper::http::request::Parts;
use remoting_core::{CallMessage, ErrorKind, Executed, Fault, Peer};

use crate::answer::Answer;
use crate::codes::KEY_REUSED;
use crate::replay::{Keeping, Known, Outcome, Refused, Replays};
use crate::serve::{Service, refused, unreadable_header};

/// The answers of requests that may be sent again, as long as the channel is there: it may stop to listen meanwhile, and
/// listen again. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    known: Replays,
    /// Those of callers that the host does not know: they cannot make it forget those of others.
    strangers: Replays,
}

impl Kept {
    /// - `most`: how many answers of either kind there may be.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            known: Replays::new(most),
            strangers: Replays::new(most),
        }
    }
}

/// What becomes of a call.
pub(crate) enum Turn {
    /// It runs; nobody can send it again.
    Once,
    /// It runs, and its answer is kept. It does so in a task: whoever sends it again gets
    /// the answer even if nobody waited for it.
    First(Keeping),
    /// It was sent before.
    Again(Outcome),
}

impl Service {
    /// Looks whether a call was sent before.
    ///
    /// - `key`: what it is known by, if it may be sent again.
    ///
    /// # Errors
    ///
    /// The answer to one whose key cannot be read, or was used for another call.
    pub(crate) fn turn(
        &self,
        key: Option<&str>,
        head: &Parts,
        call: &CallMessage,
        peer: &Peer,
    ) -> Result<Turn, Answer> {
        let Some(key) = key else {
            return Ok(Turn::Once);
        };
        let owner = caller_of(peer);
        let replays = match peer.principal() {
            Some(_) => &self.kept.known,
            None => &self.kept.strangers,
        };
        let request = [
            head.uri.path().as_bytes(),
            &[call.formatter.codec().0],
            &call.interface.0.to_le_bytes(),
            call.payload.as_slice(),
        ];
        match replays.find((&owner, key), &request) {
            Ok(Known::Nothing(keeping)) => Ok(Turn::First(keeping)),
            Ok(Known::Same(outcome)) => Ok(Turn::Again(outcome)),
            Err(Refused::BadKey) => Err(unreadable_header("Idempotency-Key")),
            Err(Refused::Reused) => {
                let text =
                    "another request was sent with this Idempotency-Key; make a new one for each";
                let (code, status) = KEY_REUSED;
                Err(Answer::refused(status, code, text))
            }
            Err(Refused::Full) => {
                self.counters().kept_answers.add();
                let text = "too many requests with an Idempotency-Key are under way";
                Err(refused(Fault::refused(ErrorKind::Overloaded, text)))
            }
        }
    }
}

impl Turn {
    /// Gives the answer of the call, by running it or from before.
    ///
    /// - `work`: makes the answer, if it is to be made.
    pub(crate) async fn take(self, work: impl Future<Output = Answer> + Send + 'static) -> Answer {
        match self {
            Self::Once => work.await,
            Self::First(keeping) => kept(keeping, work).await,
            Self::Again(mut outcome) => match outcome.wait_for(Option::is_some).await {
                Ok(answer) => answer.as_ref().map_or_else(cut_off, Answer::again),
                Err(_) => cut_off(),
            },
        }
    }
}

/// Whom the host takes a caller for; empty if it does not know.
///
/// With other roles than before, it is as if somebody else asked.
pub(crate) fn caller_of(peer: &Peer) -> String {
    peer.principal().map_or_else(String::new, |own| {
        let roles: Vec<&str> = own.roles().collect();
        format!("{}\0{}", own.name(), roles.join("\0"))
    })
}

/// Runs a call whose answer is kept, whoever waits for it.
async fn kept(keeping: Keeping, work: impl Future<Output = Answer> + Send + 'static) -> Answer {
    let running = tokio::spawn(async move {
        let answer = work.await;
        keeping.keep(&answer);
        answer
    });
    running.await.unwrap_or_else(|_| cut_off())
}

/// The answer of a call that was ended before it had one.
fn cut_off() -> Answer {
    let text = "the call was ended before it had an answer";
    let error = remoting_core::Error::new(ErrorKind::Cancelled, text);
    Answer::of_error(&error.with_executed(Executed::Unknown))
}
