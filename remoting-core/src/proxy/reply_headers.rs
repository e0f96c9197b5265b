//! Headers that come back with a reply.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::check_headers;
use crate::error::Error;
use crate::payload::header_of;

/// The headers that have come back with a reply: given to [`Call::reply_headers`](crate::Call::reply_headers), it has them when the call has
/// ended, with a value, an error of the user's or any other.
///
/// Clones are the same headers. One that is given to several calls has those of the call that has ended last.
/// Values that flow back ([`Flow`](crate::Flow)) are among them, under names that begin with `flow.`. A call that is dropped leaves
/// them as they are.
#[derive(Clone, Default)]
pub struct ReplyHeaders(Arc<Mutex<Vec<(String, String)>>>);

impl ReplyHeaders {
    /// No headers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the first header of a name.
    pub fn get(&self, name: &str) -> Option<String> {
        header_of(&self.lock(), name).map(str::to_owned)
    }

    /// All of them, in the order of the server.
    pub fn all(&self) -> Vec<(String, String)> {
        self.lock().clone()
    }

    /// Puts others in their place.
    pub(crate) fn replace(&self, headers: &[(String, String)]) {
        *self.lock() = headers.to_vec();
    }

    /// Sets one, in the place of all of its name.
    ///
    /// # Errors
    ///
    /// `TooLarge` if these were too many; nothing is changed then.
    pub(crate) fn set(&self, name: String, value: String) -> Result<(), Error> {
        let mut headers = self.lock();
        *headers = with_header(&headers, name, value)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ReplyHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.lock();
        let names = headers.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

/// The headers with one more, in the place of all of its name.
///
/// # Errors
///
/// `TooLarge` if these are too many.
pub(crate) fn with_header(
    headers: &[(String, String)],
    name: String,
    value: String,
) -> Result<Vec<(String, String)>, Error> {
    let others = headers.iter().filter(|(known, _)| *known != name).cloned();
    let mut headers: Vec<_> = others.collect();
    headers.push((name, value));
    check_headers(&headers)?;
    Ok(headers)
}
