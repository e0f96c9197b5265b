//! What the hosts make and pass on, and what the world can see of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{GoneReason, Result};
use crate::lifetime::LeaseInfo;
use crate::object::Sponsor;
use crate::remote;

#[remote]
pub(super) trait Thing {
    async fn number(&self) -> Result<usize>;
}

#[remote]
pub(super) trait Place {
    async fn make(&self) -> Result<ThingProxy>;
    async fn put(&self, thing: ThingProxy) -> Result<()>;
    /// What was put here last.
    async fn take(&self) -> Result<Option<ThingProxy>>;
}

/// What the world can see of each thing that was ever made.
#[derive(Default)]
pub(super) struct Register(Mutex<Vec<Fate>>);

impl Register {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Fate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    pub(super) home: usize,
    pub(super) dropped: usize,
    pub(super) released: Vec<GoneReason>,
}

struct Made {
    number: usize,
    register: Arc<Register>,
}

impl Thing for Made {
    async fn number(&self) -> Result<usize> {
        Ok(self.number)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.register.lock()[self.number].dropped += 1;
    }
}

#[derive(Clone)]
pub(super) struct Here {
    pub(super) home: usize,
    pub(super) register: Arc<Register>,
    /// What was put here since the world has looked.
    pub(super) shelf: Arc<Mutex<Vec<ThingProxy>>>,
}

impl Place for Here {
    async fn make(&self) -> Result<ThingProxy> {
        let register = Arc::clone(&self.register);
        let number = {
            let mut fates = register.lock();
            fates.push(Fate {
                home: self.home,
                ..Fate::default()
            });
            fates.len() - 1
        };
        let made = Made {
            number,
            register: Arc::clone(&register),
        };
        let dispatcher = ThingDispatcher::new(made).on_released(move |made: &Made, reason| {
            let fate = &mut register.lock()[made.number];
            fate.released.push(reason);
        });
        Ok(dispatcher.proxy())
    }

    async fn put(&self, thing: ThingProxy) -> Result<()> {
        self.shelf.lock().unwrap().push(thing);
        Ok(())
    }

    async fn take(&self) -> Result<Option<ThingProxy>> {
        Ok(self.shelf.lock().unwrap().pop())
    }
}

/// Says yes some times, then no, and must not be asked again.
pub(super) struct Patron {
    pub(super) left: AtomicUsize,
    pub(super) asked_too_often: Arc<AtomicUsize>,
}

impl Sponsor for Patron {
    async fn renewal(&self, _: LeaseInfo) -> Result<Duration> {
        match self.left.load(Ordering::Relaxed) {
            0 => {
                self.asked_too_often.fetch_add(1, Ordering::Relaxed);
                Ok(Duration::ZERO)
            }
            1 => {
                self.left.store(0, Ordering::Relaxed);
                Ok(Duration::ZERO)
            }
            left => {
                self.left.store(left - 1, Ordering::Relaxed);
                Ok(Duration::from_secs(2))
            }
        }
    }
}
