//! What tests of single parts need of a host.

use std::sync::Mutex;

use remoting_core::channel::{Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Listener};
use remoting_core::{Error, ErrorKind, Host, ObjectUrl};
use tokio::sync::oneshot;

/// A channel that listens nowhere, and hands out what it would listen with.
struct Handing(ChannelSettings, Mutex<Option<oneshot::Sender<Acceptor>>>);

impl Channel for Handing {
    fn scheme(&self) -> &'static str {
        "planted"
    }

    fn settings(&self) -> &ChannelSettings {
        &self.0
    }

    fn listen(&self, acceptor: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        let taker = self.1.lock().unwrap().take();
        let _taken = taker.map(|taker| taker.send(acceptor));
        Box::pin(async { Ok(None) })
    }

    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move { Err(Error::new(ErrorKind::ConnectFailed, url.to_string())) })
    }
}

/// A host, and its open door.
pub(crate) async fn acceptor() -> (Host, Acceptor) {
    let (give, take) = oneshot::channel();
    let channel = Handing(ChannelSettings::new("planted"), Mutex::new(Some(give)));
    let host = Host::builder().channel(channel).start().await.unwrap();
    (host, take.await.unwrap())
}
