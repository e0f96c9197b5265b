//! What a caller may ask for, for one call or for all calls of a proxy.

use std::time::Duration;

use super::ConnectPolicy;
use crate::error::{Error, ErrorKind, Fault};
use crate::wire::header_block::HeaderBlock;

/// Options of calls, set by `Proxy::with` for all calls of a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CallOptions {
    /// How long to wait for a result, from the first poll of the call on. `None`: the
    /// default of 30 s. A call made inside a handler never waits longer than its caller.
    pub deadline: Option<Duration>,
    /// Pairs that the handler finds in `CallContext::headers`. At most 64 and 8 KiB in all.
    pub headers: Vec<(String, String)>,
    /// What to do where there is no connection. `None`: as the channel or the host says.
    pub connect_policy: Option<ConnectPolicy>,
}

impl CallOptions {
    /// Options that change nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes sure that the headers are not too large, wherever the call goes.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        Ok(check_headers(&self.headers)?)
    }

    /// Sets how long to wait for a result.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Says what to do where there is no connection, in the place of what the channel and the host say.
    #[must_use]
    pub fn connect_policy(mut self, policy: ConnectPolicy) -> Self {
        self.connect_policy = Some(policy);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Makes sure that headers are not too large.
///
/// # Errors
///
/// `TooLarge` if there are more than 64, or more than 8 KiB in all.
pub(crate) fn check_headers(headers: &[(String, String)]) -> Result<(), Error> {
    let mut block = HeaderBlock::new();
    for (name, value) in headers {
        let added = block.add_pair(name, value);
        added.map_err(|error| Error::new(ErrorKind::TooLarge, error.to_string()))?;
    }
    Ok(())
}
