//! How whoever has dialled logs in: with its HELLO, before anything else of it is looked at.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

use super::Connection;
use crate::authentication::{Authenticator, Credentials, Denied};
use crate::log::Rate;
use crate::object::Pinned;
use crate::peer::Peer;
use crate::secret::Secret;
use crate::session::End;

/// How far the peer has come.
pub(super) enum Login {
    /// Its HELLO is awaited.
    Expected,
    /// Its HELLO has come, and is being judged.
    UnderWay(Pinned<'static, Result<Arc<Peer>, Denied>>),
    /// It is known, or need not be.
    Done,
}

impl Login {
    pub(super) fn is_expected(&self) -> bool {
        matches!(self, Self::Expected)
    }

    /// Waits until it is known whether the peer may come in.
    pub(super) fn poll(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End>> {
        let Self::UnderWay(judging) = self else {
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
    /// Begins to judge a peer whose HELLO has come.
    pub(super) fn log_in(&self) -> Login {
        let peer = Arc::clone(self.peer());
        // The request that the session began with may have told already.
        if peer.is_logged_in() {
            return Login::Done;
        }
        let Some(authenticator) = self.service.authenticator().cloned() else {
            return Login::Done;
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
    let judging = authenticator.authenticate(Credentials::new(token, peer));
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
