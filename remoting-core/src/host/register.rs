//! How channels come to a host, and go.

use std::sync::Arc;

use tokio::time::sleep;

use super::Host;
use super::channels::{ChannelHandle, Registered};
use super::drain::dismiss;
use crate::channel::Channel;
use crate::error::{Error, ErrorKind, Result};

impl Host {
    /// The channels, those of higher priority first.
    pub fn channels(&self) -> Vec<ChannelHandle> {
        let mut channels = self.0.channels().clone();
        channels.sort_by_key(|channel| std::cmp::Reverse(channel.channel().settings().priority));
        channels
            .into_iter()
            .map(|registered| ChannelHandle {
                registered,
                host: Arc::downgrade(&self.0),
            })
            .collect()
    }

    /// The channel of a name.
    pub fn channel(&self, name: &str) -> Option<ChannelHandle> {
        self.channels()
            .into_iter()
            .find(|channel| channel.name() == name)
    }

    /// Adds a channel, and listens if it does. A failure leaves nothing registered and nothing bound.
    ///
    /// # Errors
    ///
    /// - `ChannelTaken`: a channel of that name is registered, or the address is in use.
    ///   Channels without a name never clash.
    /// - `Config`: the channel may not listen there, or its token, key or
    ///   certificate cannot be used.
    pub async fn register_channel(&self, channel: impl Channel) -> Result<ChannelHandle> {
        self.register_boxed(Box::new(channel)).await
    }

    pub(super) async fn register_boxed(&self, channel: Box<dyn Channel>) -> Result<ChannelHandle> {
        let mut pending = Pending {
            host: self,
            registered: Some(self.add_channel(channel)?),
        };
        if let Some(registered) = &pending.registered {
            registered.listen(&self.0).await?;
        }
        let registered = pending.registered.take();
        let handle = registered.map(|registered| ChannelHandle {
            registered,
            host: Arc::downgrade(&self.0),
        });
        handle.ok_or_else(|| Error::new(ErrorKind::Config, "the channel was not registered"))
    }

    pub(super) fn add_channel(&self, channel: Box<dyn Channel>) -> Result<Arc<Registered>> {
        channel.settings().check()?;
        channel.validate()?;
        let registered = Arc::new(Registered::new(channel, self.limits()));
        let name = registered.name();
        loop {
            // Names come from the channels' own code, so they are compared while nothing is locked.
            let known = self.0.channels().clone();
            if !name.is_empty() && known.iter().any(|known| known.name() == name) {
                let text = format!(
                    "a channel named `{name}` is registered already; give this one another name with `.named(..)`"
                );
                return Err(Error::new(ErrorKind::ChannelTaken, text));
            }
            let mut channels = self.0.channels();
            let same = channels.len() == known.len()
                && channels.iter().zip(&known).all(|(a, b)| Arc::ptr_eq(a, b));
            if same {
                channels.push(Arc::clone(&registered));
                break;
            }
        }
        Ok(registered)
    }

    fn remove_channel(&self, registered: &Arc<Registered>) {
        self.0
            .channels()
            .retain(|known| !Arc::ptr_eq(known, registered));
    }

    /// Takes a channel away: stops to listen, and closes its connections when the calls under
    /// way have ended.
    ///
    /// # Errors
    ///
    /// `NotRegistered` if there is no channel of that name.
    pub async fn unregister_channel(&self, name: &str) -> Result<()> {
        let found = self
            .0
            .channels()
            .iter()
            .find(|known| known.name() == name)
            .cloned();
        let Some(registered) = found else {
            return Err(Error::new(
                ErrorKind::NotRegistered,
                format!("no channel named `{name}` is registered"),
            ));
        };
        self.remove_channel(&registered);
        let drain = registered.limits().max_deadline;
        let dialled = self.0.peers.connections(Some(registered.number()));
        let reason = "the channel was unregistered";
        for connection in &dialled {
            connection.go_away(drain, reason);
        }
        registered.stop(drain).await;
        dismiss(dialled, (drain, reason), sleep(drain)).await;
        Ok(())
    }
}

/// A channel that is registered but not known to work; removed again on drop.
struct Pending<'a> {
    host: &'a Host,
    registered: Option<Arc<Registered>>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(registered) = &self.registered {
            self.host.remove_channel(registered);
            registered.stop_at_once();
        }
    }
}
