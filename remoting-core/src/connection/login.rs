//! How whoever has dialled logs in: with its HELLO, before anything else of it is looked at.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

use super::Connection;
use crate::authentication::{Authenticator, Credentials, Denied};
use crate::error::{ErrorKind, Fault};
use crate::log::Rate;
use crate::object::Pinned;
use crate::peer::{Peer, Principal};
use crate::secret::Secret;
use crate::session::End;

/// How far the peer has come.
pub(super) enum Login {
    /// Its HELLO is awaited.
    Expected,
    /// Its HELLO has come, and is being judged.
    UnderWay(Pinned<'static, Result<Arc<Peer>, Denied>>),
    /// It is known, or need not be, and comes in next.
    Known,
    /// It has come in.
    Done,
}

impl Login {
    pub(super) fn is_expected(&self) -> bool {
        matches!(self, Self::Expected)
    }

    pub(super) fn is_under_way(&self) -> bool {
        matches!(self, Self::UnderWay(_) | Self::Known)
    }

    /// Waits until it is known whether the peer may come in.
    pub(super) fn poll(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End>> {
        let Self::UnderWay(judging) = self else {
            *self = Self::Done;
            return Poll::Ready(Ok(()));
        };
        let judged = std::task::ready!(judging.as_mut().poll(cx));
        *self = Self::Done;
        Poll::Ready(match judged {
            Ok(peer) => {
                let _once = connection.known.set(peer);
                Ok(())
            }
            Err(_denied) => Err(End::Unauthenticated),
        })
    }
}

impl Connection {
    /// Refuses a peer that has not logged in although others have to: one that this side has dialled. It may use
    /// what it was lent, and ask for nothing by name.
    ///
    /// # Errors
    ///
    /// `Unauthenticated`.
    pub(super) fn check_login(&self) -> Result<(), Fault> {
        match self.origin.is_some() && self.service.authenticator().is_some() {
            true => Err(Fault::of(ErrorKind::Unauthenticated)),
            false => Ok(()),
        }
    }

    /// Begins to judge a peer whose HELLO has come.
    pub(super) fn log_in(&self) -> Login {
        let peer = Arc::clone(self.peer());
        // The request that the session began with may have told already.
        if peer.is_logged_in() {
            return Login::Known;
        }
        let Some(authenticator) = self.service.authenticator().cloned() else {
            return Login::Known;
        };
        let token = self.lock().session.take_token();
        let patience = self.limits.handshake_time;
        Login::UnderWay(Box::pin(async move {
            judge(&authenticator, token.as_ref(), &peer, patience).await
        }))
    }
}

/// Finds out whom the host takes a peer for, and tells the operator of those who are not let in.
///
/// - `patience`: how long that may take.
///
/// # Errors
///
/// The peer is not let in.
pub(crate) async fn judge(
    authenticator: &Arc<dyn Authenticator>,
    token: Option<&Secret>,
    peer: &Peer,
    patience: Duration,
) -> Result<Arc<Peer>, Denied> {
    static LINES: Rate = Rate::new();
    let judging = guarded(authenticator, Credentials::new(token, peer));
    let late = |_| {
        Err(Denied::new(
            "the authenticator took longer than a handshake may",
        ))
    };
    match timeout(patience, judging).await.unwrap_or_else(late) {
        Ok(principal) => Ok(Arc::new(peer.clone().logged_in(principal))),
        Err(denied) => {
            if LINES.line().is_some() {
                let why = crate::log::clean(&denied.to_string());
                tracing::warn!(target: "remoting::login", %peer, "a peer was not let in: {why}");
            }
            Err(denied)
        }
    }
}

/// Asks an authenticator. One that panics has denied.
async fn guarded(
    authenticator: &Arc<dyn Authenticator>,
    shown: Credentials<'_>,
) -> Result<Option<Principal>, Denied> {
    let panicked = |_| Denied::new("the authenticator panicked");
    let begin = AssertUnwindSafe(|| authenticator.authenticate(shown));
    let mut judging = catch_unwind(begin).map_err(panicked)?;
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| judging.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic))))
    })
    .await
}
