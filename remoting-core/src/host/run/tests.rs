//! How hosts stop: what still works meanwhile, and what users' code may do.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Drained;
use crate::channel::{
    Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, InProcessChannel, Listener,
};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, HostInner};
use crate::remote;
use crate::url::ObjectUrl;

#[remote]
trait Desk {
    async fn ask(&self) -> Result<u64>;
}

/// Knows the answer.
struct Back;

impl Desk for Back {
    async fn ask(&self) -> Result<u64> {
        Ok(42)
    }
}

/// Asks another one twice, and waits in between.
struct Front {
    back: DeskProxy,
    asked: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

impl Desk for Front {
    async fn ask(&self) -> Result<u64> {
        let first = self.back.ask().await?;
        self.asked.add_permits(1);
        self.go_on.acquire().await.unwrap().forget();
        Ok(first + self.back.ask().await?)
    }
}

async fn host(address: &str) -> Host {
    let host = Host::builder().channel(InProcessChannel::listen(address));
    host.start().await.unwrap()
}

#[tokio::test]
async fn a_call_that_is_drained_may_still_call_others_over_the_connection_it_has() {
    let (back, front, client) = (
        host("run-back").await,
        host("run-front").await,
        host("run-client").await,
    );
    back.marshal("desk", DeskDispatcher::new(Back)).unwrap();
    let (asked, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let desk = Front {
        back: front.get(&back.url("desk").unwrap()).unwrap(),
        asked: Arc::clone(&asked),
        go_on: Arc::clone(&go_on),
    };
    front.marshal("desk", DeskDispatcher::new(desk)).unwrap();
    let desk: DeskProxy = client.get(&front.url("desk").unwrap()).unwrap();
    let call = tokio::spawn(desk.ask());
    asked.acquire().await.unwrap().forget();

    let stopped = front
        .run_until(std::future::ready(()))
        .drain(Duration::from_secs(60));
    let stopped = tokio::spawn(stopped.into_future());
    while front.channels()[0].is_listening() {
        tokio::task::yield_now().await;
    }
    let dialled = front.0.peers.connections(None);
    assert!(dialled.iter().all(|connection| connection.can_call()));
    go_on.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap(), 84);
    assert_eq!(stopped.await.unwrap(), Drained { closed: 2, cut: 0 });
}

/// A channel that looks at its host whenever it can.
struct Curious {
    settings: ChannelSettings,
    host: Arc<OnceLock<Weak<HostInner>>>,
}

/// Looks at a host when it goes.
struct Look(Arc<OnceLock<Weak<HostInner>>>);

impl Drop for Look {
    fn drop(&mut self) {
        if let Some(host) = self.0.get().and_then(Weak::upgrade) {
            let _channels = host.channels().len();
            let _connections = host.peers.connections(None);
        }
    }
}

impl Channel for Curious {
    fn scheme(&self) -> &'static str {
        "curious"
    }

    fn settings(&self) -> &ChannelSettings {
        drop(Look(Arc::clone(&self.host)));
        &self.settings
    }

    fn listen(&self, _: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        let listener = Listener {
            address: "curious://here".to_owned(),
            guard: Box::new(Look(Arc::clone(&self.host))),
        };
        Box::pin(std::future::ready(Ok(Some(listener))))
    }

    fn dial<'a>(&'a self, _: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(std::future::ready(Err(Error::new(
            ErrorKind::ConnectFailed,
            "nobody is there",
        ))))
    }
}

#[tokio::test]
async fn channels_may_look_at_their_host_when_they_are_added_and_stopped() {
    let own = Arc::new(OnceLock::new());
    let curious = |name: &str| Curious {
        settings: ChannelSettings::new(name),
        host: Arc::clone(&own),
    };
    let host = Host::builder().start().await.unwrap();
    own.set(Arc::downgrade(&host.0)).unwrap();
    host.register_channel(curious("one")).await.unwrap();
    host.register_channel(curious("two")).await.unwrap();
    let taken = host.register_channel(curious("one")).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::ChannelTaken);
    assert_eq!(host.channels().len(), 2);

    let desk: DeskProxy = host.get("curious://here/desk").unwrap();
    let error = desk.ask().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed);
    assert_eq!(host.connections().len(), 0);

    let stopped = host.run_until(std::future::ready(())).await;
    assert_eq!(stopped, Drained { closed: 0, cut: 0 });
    host.channels()[0].start_listening().await.unwrap();
    host.shutdown();
    assert!(!host.channels()[0].is_listening());
}
