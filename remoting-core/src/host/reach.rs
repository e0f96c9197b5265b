//! Getting to the peer of a name: dialling, and dialling again for calls that wait.

use std::any::Any;
use std::sync::Arc;

use super::named::NamedEndpoint;
use super::peers::{Reaching, Waiting, host_is_gone};
use crate::clock;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::proxy::{CallState, ConnectPolicy, Flight, OnRuntime, is_spent};
use crate::url::ObjectUrl;

impl NamedEndpoint {
    /// Whether a call waits for a server that cannot be reached.
    pub(super) fn waits(&self, call: &CallState) -> bool {
        let policy = call.connect_policy().unwrap_or(self.connect_policy);
        policy == ConnectPolicy::Wait
    }

    /// Dials, or waits for somebody else's dialling, until the call's deadline; again and again if the call waits.
    ///
    /// - `failure`: why the call has to go out again, if it was out.
    pub(super) fn reach(&self, call: &CallState, failure: Option<Error>) -> Result<Flight, Fault> {
        let own = self.own.upgrade().ok_or_else(host_is_gone)?;
        let deadline = call.deadline.unwrap_or_else(clock::now);
        let waits = self.waits(call);
        Ok(Flight::Dialing(Box::pin(OnRuntime::new(async move {
            let mut last = failure;
            let dialling = own.dial_until_there(waits, &mut last);
            let reached = tokio::time::timeout_at(deadline.into(), dialling).await;
            reached.unwrap_or_else(|_| Err(too_late(&own.url, last)))
        }))))
    }

    /// - `last`: where the last failure goes.
    async fn dial_until_there(
        &self,
        waits: bool,
        last: &mut Option<Error>,
    ) -> Result<Arc<dyn Any + Send + Sync>, Error> {
        let _waiting = match waits {
            true => Some(self.wait_for()?),
            false => None,
        };
        loop {
            if waits {
                self.pause()?.await;
            }
            match self.dial()?.await {
                Err(error) if waits && may_pass(&error) => {
                    self.note_failure(&error);
                    *last = Some(error);
                }
                reached => return reached,
            }
        }
    }

    /// Dials once, or waits for the end of somebody else's dialling.
    fn dial(&self) -> Result<Reaching, Error> {
        let host = self.host.upgrade().ok_or_else(host_is_gone)?;
        let config = host.connection_config(&self.channel);
        let (own, runtime) = (self.host.clone(), host.runtime());
        let place = (&self.channel, &self.url);
        Ok(host.peers.dial(place, config, own, &runtime))
    }

    fn wait_for(&self) -> Result<Waiting, Error> {
        let host = self.host.upgrade().ok_or_else(host_is_gone)?;
        Ok(host.peers.wait_for(&self.channel, &self.url))
    }

    /// Lets a pause pass, if there is one; it ends early when the peer is there.
    fn pause(&self) -> Result<impl Future<Output = ()> + Send + use<>, Error> {
        // Nobody who waits keeps the host.
        let host = self.host.upgrade().ok_or_else(host_is_gone)?;
        Ok(host.peers.pause(&self.channel, &self.url))
    }

    /// Notes that the peer was there, and of no use.
    pub(super) fn note_failure(&self, error: &Error) {
        if let Some(host) = self.host.upgrade() {
            host.peers.failed((&self.channel, &self.url), error);
        }
    }

    /// Whether a call that has failed so may go out again.
    pub(super) fn goes_out_again(&self, call: &CallState, error: &Error) -> bool {
        let others = match error.kind() {
            // The connection had ended, or was ending, before the call was taken: once, in any case.
            ErrorKind::Disconnected => 1,
            // There may be room at the next address.
            ErrorKind::Overloaded => self.url.addresses().count().saturating_sub(1),
            _ => 0,
        };
        let wanted = may_pass(error) && (call.retries < others || self.waits(call));
        wanted && !is_spent(&call.payload) && self.host.strong_count() > 0
    }
}

/// Whether it may work later what has failed so, and nothing was executed.
///
/// `Overloaded` is what this side says where the peer lets nobody in; a peer that says so of one call is there.
pub(super) fn may_pass(error: &Error) -> bool {
    let passes = match error.kind() {
        ErrorKind::ConnectFailed | ErrorKind::Disconnected => true,
        ErrorKind::Overloaded => !error.is_remote(),
        _ => false,
    };
    passes && error.executed() == Executed::No
}

fn too_late(url: &ObjectUrl, last: Option<Error>) -> Error {
    let text = match &last {
        None => format!("the call's deadline passed while `{url}` was being dialled"),
        Some(last) => {
            format!("the call's deadline passed while `{url}` could not be reached: {last}")
        }
    };
    let error = Error::new(ErrorKind::DeadlineExceeded, text);
    match last {
        None => error,
        Some(last) => error.with_source(last),
    }
}
