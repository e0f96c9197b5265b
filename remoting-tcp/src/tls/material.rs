//! What was made of keys and certificates, until they change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use remoting_core::Error;

use super::Pem;
use super::pem::Stamp;

/// Something that is made of files, kept, and made anew when they have changed.
#[derive(Debug)]
pub(super) struct Material<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    made: Option<Arc<T>>,
    /// What tells the files from those that were used, and when they were looked at last.
    stamps: Vec<Option<Stamp>>,
    looked: Option<Instant>,
    /// Those that could not be used, so that each is told of once.
    told: Vec<Option<Stamp>>,
}

impl<T> Default for Material<T> {
    fn default() -> Self {
        Self(Mutex::new(State {
            made: None,
            stamps: Vec::new(),
            looked: None,
            told: Vec::new(),
        }))
    }
}

impl<T> Material<T> {
    /// Gives what was made, making it if nothing was.
    ///
    /// - `every`: after how much time it is looked whether the files have changed; never without it.
    ///   When they cannot be used, what there is stays, and a line in the log says so.
    ///
    /// # Errors
    ///
    /// Those of `make`, where there is nothing yet.
    pub(super) fn get(
        &self,
        files: &[&Pem],
        every: Option<Duration>,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Result<Arc<T>, Error> {
        let mut state = self.lock();
        let Some(made) = state.made.clone() else {
            return state.renew(files, make);
        };
        if !state.is_due(every) {
            return Ok(made);
        }
        state.looked = Some(Instant::now());
        if stamps(files) == state.stamps {
            return Ok(made);
        }
        match state.renew(files, make) {
            Ok(renewed) => {
                tracing::info!(target: "remoting::tls", "certificates have changed, and are used");
                Ok(renewed)
            }
            Err(error) => {
                let seen = stamps(files);
                if std::mem::replace(&mut state.told, seen.clone()) != seen {
                    tracing::warn!(target: "remoting::tls", %error, "certificates have changed and cannot be used; the old ones stay");
                }
                Ok(made)
            }
        }
    }

    /// Makes it anew, for all who get it from now on.
    ///
    /// # Errors
    ///
    /// Those of `make`; what there is stays then.
    pub(super) fn reload(
        &self,
        files: &[&Pem],
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(), Error> {
        self.lock().renew(files, make).map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn is_due(&self, every: Option<Duration>) -> bool {
        let since = self.looked.map(|looked| looked.elapsed());
        every.is_some_and(|every| since.is_none_or(|since| since >= every))
    }

    fn renew(
        &mut self,
        files: &[&Pem],
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Result<Arc<T>, Error> {
        // Taken before the files are read: what changes meanwhile is seen the next time.
        let before = stamps(files);
        self.looked = Some(Instant::now());
        let made = Arc::new(make()?);
        self.stamps = before;
        self.made = Some(Arc::clone(&made));
        Ok(made)
    }
}

fn stamps(files: &[&Pem]) -> Vec<Option<Stamp>> {
    files.iter().map(|pem| pem.changed()).collect()
}
