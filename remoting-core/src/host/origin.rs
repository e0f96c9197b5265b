//! The way back to whom a connection was dialled.

use std::sync::Weak;

use super::HostInner;
use super::channels::Registered;
use super::peers::{Route, host_is_gone};
use crate::authentication::Token;
use crate::channel::{BoxFuture, Dialed, Link};
use crate::connection::Origin;
use crate::error::{Error, ErrorKind};
use crate::proxy::OnRuntime;
use crate::url::ObjectUrl;

/// Where a connection was dialled to.
pub(super) struct Dialled {
    pub(super) host: Weak<HostInner>,
    pub(super) channel: Weak<Registered>,
    pub(super) url: ObjectUrl,
    /// The one of its addresses where the session is, if it has several.
    pub(super) address: Option<ObjectUrl>,
}

impl Origin for Dialled {
    fn incarnation(&self) -> BoxFuture<'static, Option<u64>> {
        let (Some(host), Some(channel)) = (self.host.upgrade(), self.channel.upgrade()) else {
            return Box::pin(std::future::ready(None));
        };
        let config = host.connection_config(&channel);
        let own = Weak::clone(&self.host);
        let place = (&channel, &self.url);
        let dialling = host.peers.dial(place, config, own, &host.runtime());
        let patience = channel.limits().handshake_time;
        let address = self.address.as_ref().map(ObjectUrl::base);
        Box::pin(OnRuntime::new(async move {
            let told = async {
                let route = dialling.await.ok()?;
                match route.downcast_ref::<Route>()? {
                    // Somebody else at another address tells nothing of the one here.
                    Route::Session(other) if address.is_some_and(|here| !other.is_at(&here)) => {
                        None
                    }
                    Route::Session(connection) => connection.incarnation().await,
                    Route::Exchange(_) => None,
                }
            };
            tokio::time::timeout(patience, told).await.ok().flatten()
        }))
    }

    fn dial(&self) -> BoxFuture<'_, Result<Link, Error>> {
        Box::pin(async move {
            let channel = self.channel.upgrade().ok_or_else(host_is_gone)?;
            let address = self.address.as_ref().unwrap_or(&self.url);
            let dialed = channel.channel().dial(address).await?;
            match dialed {
                Dialed::Link(link) => Ok(link),
                Dialed::Exchange(_) => {
                    let text = "the channel gives links no more";
                    Err(Error::new(ErrorKind::Unsupported, text))
                }
            }
        })
    }

    fn take_turn(&self) -> bool {
        let up = self.host.upgrade().zip(self.channel.upgrade());
        up.is_some_and(|(host, channel)| host.peers.take_turn(&channel, &self.url))
    }

    fn token(&self) -> Option<Token> {
        let channel = self.channel.upgrade()?;
        channel.channel().settings().token.clone()
    }
}
