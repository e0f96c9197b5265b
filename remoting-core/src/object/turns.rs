//! Turns at asking sponsors: so many at a time, and no peer has most of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The sponsors of one peer may have one in so many of all turns.
const SHARE: usize = 2;

/// Who may ask how many at a time.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    /// The turns of each peer that has any, or waits for one.
    peers: Mutex<HashMap<usize, Weak<Semaphore>>>,
    share: usize,
}

/// Leave to ask one sponsor; given back on drop.
pub(super) struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

impl Turns {
    /// - `count`: how many may be asked at the same time.
    pub(super) fn new(count: usize) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(count)),
            peers: Mutex::default(),
            share: (count / SHARE).max(1),
        }
    }

    /// Whether somebody has to wait.
    pub(super) fn is_full(&self) -> bool {
        self.all.available_permits() == 0
    }

    /// The turns of one peer.
    ///
    /// - `peer`: a number that no other peer has at the same time.
    fn of(&self, peer: usize) -> Arc<Semaphore> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = peers.get(&peer).and_then(Weak::upgrade) {
            return turns;
        }
        peers.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.share));
        peers.insert(peer, Arc::downgrade(&turns));
        turns
    }

    /// Waits for a turn. `None` is never given, but by a runtime that is shut down.
    ///
    /// - `peer`: whose sponsor is to be asked; none where it is one of this process.
    pub(super) async fn take(&self, peer: Option<usize>) -> Option<Turn> {
        let own = match peer {
            Some(peer) => Some(self.of(peer).acquire_owned().await.ok()?),
            None => None,
        };
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn {
            _own: own,
            _of_all: of_all,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ready) => Some(ready),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_peer_whose_sponsors_are_silent_leaves_turns_for_others() {
        let turns = Turns::new(5);
        let silent: Vec<_> = (0..2).map(|_| now(turns.take(Some(1)))).collect();
        assert!(silent.iter().all(Option::is_some));
        assert!(now(turns.take(Some(1))).is_none(), "it has its share");
        let others: Vec<_> = (2..5).map(|peer| now(turns.take(Some(peer)))).collect();
        assert!(others.iter().all(Option::is_some));
        drop(silent);
        assert!(now(turns.take(Some(1))).is_some());
        assert!(turns.peers.lock().unwrap().len() <= 4);
    }
}
