//! Objects that several statements are about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use remoting::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};

/// The errors of these objects.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum AppError {
    #[error("only {available} left")]
    Insufficient { available: u64 },
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

impl AppError {
    /// The library's error, where it is one.
    pub fn remoting(&self) -> &remoting::Error {
        match self {
            Self::Remoting(error) => error,
            Self::Insufficient { .. } => panic!("the user's own error: {self}"),
        }
    }
}

/// Counts.
#[remote]
pub trait Counter {
    #[constructor]
    async fn starting_at(first: u64) -> Result<Self, AppError>;

    async fn next(&self) -> remoting::Result<u64>;

    /// A number that each object has of its own.
    async fn number(&self) -> remoting::Result<usize>;
}

/// A counter that knows how many of its kind there have been, and are.
pub struct Tally {
    next: AtomicU64,
    number: usize,
    census: Arc<Census>,
}

/// What is known of the tallies of one test.
#[derive(Default)]
pub struct Census {
    pub born: AtomicUsize,
    pub died: AtomicUsize,
    /// Told of each death.
    pub death: Notify,
}

impl Census {
    pub fn born(&self) -> usize {
        self.born.load(Ordering::SeqCst)
    }

    pub fn died(&self) -> usize {
        self.died.load(Ordering::SeqCst)
    }

    pub fn tally(self: &Arc<Self>, first: u64) -> Tally {
        Tally {
            next: AtomicU64::new(first),
            number: self.born.fetch_add(1, Ordering::SeqCst),
            census: Arc::clone(self),
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.census.died.fetch_add(1, Ordering::SeqCst);
        self.census.death.notify_one();
    }
}

impl Counter for Tally {
    async fn starting_at(first: u64) -> Result<Self, AppError> {
        match first {
            0 => Err(AppError::Insufficient { available: 1 }),
            _ => Ok(Arc::<Census>::default().tally(first)),
        }
    }

    async fn next(&self) -> remoting::Result<u64> {
        Ok(self.next.fetch_add(1, Ordering::SeqCst))
    }

    async fn number(&self) -> remoting::Result<usize> {
        Ok(self.number)
    }
}

/// Makes tallies for clients.
pub struct TallyFactory(pub Arc<Census>);

impl CounterFactory for TallyFactory {
    type Object = Tally;

    async fn starting_at(&self, first: u64) -> Result<Tally, AppError> {
        let tally = self.0.tally(first);
        match first {
            0 => Err(AppError::Insufficient { available: 1 }),
            _ => Ok(tally),
        }
    }
}

/// Keeps its callers inside until the test lets them go.
#[remote]
pub trait Room {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64>;

    /// Comes in, and leaves when the door opens.
    async fn visit(&self) -> remoting::Result<()>;

    #[oneway]
    async fn drop_in(&self) -> remoting::Result<()>;

    /// Like `visit`, but nobody else is in meanwhile.
    async fn occupy(&mut self) -> remoting::Result<()>;

    /// Like `occupy`, and may be cut.
    #[cancel_safe]
    async fn borrow(&mut self) -> remoting::Result<()>;

    /// Like `visit`, and goes on when nobody waits.
    #[detached]
    async fn stay(&self) -> remoting::Result<()>;
}

/// The server's side of a room, which the test looks at.
pub struct Hall {
    /// One permit for each visitor that came in.
    pub entered: Semaphore,
    /// One permit for each visitor that may leave.
    pub door: Semaphore,
    /// One permit for each visitor that left by the door.
    pub left: Semaphore,
    /// One permit for each visitor that was thrown out.
    pub dropped: Semaphore,
    /// One permit for each visitor that was told that nobody waits for it.
    pub told: Semaphore,
}

impl Hall {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            entered: Semaphore::new(0),
            door: Semaphore::new(0),
            left: Semaphore::new(0),
            dropped: Semaphore::new(0),
            told: Semaphore::new(0),
        })
    }

    pub fn room(self: &Arc<Self>) -> Visited {
        Visited(Arc::clone(self))
    }

    async fn visit(&self) {
        let visit = Visit(self);
        self.entered.add_permits(1);
        take(&self.door, 1).await;
        std::mem::forget(visit);
        self.left.add_permits(1);
    }
}

/// Has a visit end at its deadline while it is inside.
pub async fn overstay(hall: &Hall, room: &RoomProxy) {
    let mut time = Duration::from_millis(50);
    loop {
        let error = room.visit().deadline(time).await.unwrap_err();
        assert_eq!(error.kind(), remoting::ErrorKind::DeadlineExceeded);
        let was_sent = error.executed() != remoting::Executed::No;
        if let (true, Ok(inside)) = (was_sent, hall.entered.try_acquire()) {
            return inside.forget();
        }
        // A machine that is busy did not come so far in that time.
        time *= 2;
    }
}

/// Waits for so many permits, and uses them up.
pub async fn take(permits: &Semaphore, count: u32) {
    permits.acquire_many(count).await.unwrap().forget();
}

/// A visitor inside; dropped, it was thrown out.
struct Visit<'a>(&'a Hall);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.dropped.add_permits(1);
    }
}

/// The object behind a [`RoomProxy`].
pub struct Visited(Arc<Hall>);

impl Room for Visited {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64> {
        Ok(a + b)
    }

    async fn visit(&self) -> remoting::Result<()> {
        self.0.visit().await;
        Ok(())
    }

    async fn drop_in(&self) -> remoting::Result<()> {
        self.0.visit().await;
        Err(remoting::Error::new(
            remoting::ErrorKind::Internal,
            "nobody hears of this",
        ))
    }

    async fn occupy(&mut self) -> remoting::Result<()> {
        let visit = Visit(&self.0);
        self.0.entered.add_permits(1);
        CallContext::current().unwrap().cancelled().await;
        self.0.told.add_permits(1);
        take(&self.0.door, 1).await;
        std::mem::forget(visit);
        self.0.left.add_permits(1);
        Ok(())
    }

    async fn borrow(&mut self) -> remoting::Result<()> {
        self.0.visit().await;
        Ok(())
    }

    async fn stay(&self) -> remoting::Result<()> {
        self.0.visit().await;
        Ok(())
    }
}

/// Panics without a line on the terminal.
pub fn panic_quietly(text: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(text))
}
