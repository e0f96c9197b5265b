//! Making sure, before the first call, that a name is there and has the interface.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::named::{NamedEndpoint, into_error};
use super::peers::{Route, host_is_gone};
use crate::clock;
use crate::connection::{Connection, Deferred};
use crate::error::{Error, ErrorKind, Fault};
use crate::object::DESCRIBE;
use crate::proxy::{CallState, Endpoint, Flight, RequestKind, drive};

impl NamedEndpoint {
    /// Connects and makes sure that the name is there and has the interface.
    pub(super) async fn connect(&self) -> Result<(), Error> {
        let deadline = clock::now().checked_add(self.default_deadline);
        let (mut last, mut retries) = (None, 0_usize);
        loop {
            let mut call = CallState::probe(self.interface);
            call.deadline = deadline;
            // The connection, or the dialling, may have ended with somebody else's runtime.
            call.retries = retries;
            retries = retries.saturating_add(1);
            match self.connect_once(&mut call, last.take()).await {
                Err(error) if self.goes_out_again(&call, &error) => {
                    self.note_failure(&error);
                    last = Some(error);
                }
                other => return other,
            }
        }
    }

    /// - `failure`: why it has to be tried again.
    async fn connect_once(
        &self,
        call: &mut CallState,
        failure: Option<Error>,
    ) -> Result<(), Error> {
        let route = match self.route().map_err(into_error)? {
            Some(route) => route,
            None => {
                let reaching = self.reach(call, failure).map_err(into_error)?;
                let Flight::Dialing(dialling) = reaching else {
                    return Ok(());
                };
                let route = dialling.await?;
                route
                    .downcast_ref::<Route>()
                    .cloned()
                    .ok_or_else(host_is_gone)?
            }
        };
        let connection = match route {
            Route::Session(connection) => connection,
            Route::Exchange(_) => return self.ask(call.deadline).await,
        };
        std::future::poll_fn(|cx| {
            let mut deferred = Deferred::new();
            let polled = self.poll_found(&connection, call, cx, &mut deferred);
            deferred.settle(&connection);
            polled
        })
        .await
        .map_err(|fault| self.explain(fault))
        .map_err(into_error)
    }

    /// Asks the object whether it is there.
    async fn ask(&self, deadline: Option<Instant>) -> Result<(), Error> {
        let mut call = CallState::probe(self.interface);
        call.deadline = deadline;
        call.kind = RequestKind::Forwarded(DESCRIBE);
        call.formatter = self.formatter();
        let nothing = call.formatter.encode::<[(); 0]>(&[]);
        call.payload =
            nothing.map_err(|error| Error::new(ErrorKind::BadArguments, error.to_string()))?;
        let endpoint: Arc<dyn Endpoint> = self.own.upgrade().ok_or_else(host_is_gone)?;
        let found = drive(&endpoint, call).await;
        found.map(drop).map_err(into_error)
    }

    fn poll_found(
        &self,
        connection: &Arc<Connection>,
        call: &mut CallState,
        cx: &mut Context<'_>,
        deferred: &mut Deferred,
    ) -> Poll<Result<(), Fault>> {
        let mut held = self.binding.hold();
        let name = (self.url.name(), self.interface);
        if !held.is_bound_to(connection) {
            let target = held.target_on(connection, name, call, cx.waker(), cx, deferred)?;
            if target.is_none() {
                return Poll::Pending;
            }
        }
        held.poll_found(connection, cx.waker(), deferred)
    }
}
