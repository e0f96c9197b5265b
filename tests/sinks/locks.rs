//! A sink that still runs after its call has left the object, and is in nobody's way.

use std::sync::{Arc, OnceLock};

use remoting::prelude::*;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next};
use tokio::sync::Notify;

use crate::ground::*;

#[remote(name = "sinks.Room")]
trait Room {
    async fn enter(&mut self, stay: bool) -> remoting::Result<u64>;
}

#[derive(Clone, Default)]
struct Signals {
    inside: Arc<Notify>,
    leave: Arc<Notify>,
    /// The call is over, and its sink is not.
    over: Arc<Notify>,
    go_on: Arc<Notify>,
}

struct Visited(u64, Signals);

impl Room for Visited {
    async fn enter(&mut self, stay: bool) -> remoting::Result<u64> {
        if stay {
            self.1.inside.notify_one();
            self.1.leave.notified().await;
        }
        self.0 += 1;
        Ok(self.0)
    }
}

/// Goes in again by itself, when the call that it has passed on is over.
struct Again {
    signals: Signals,
    near: Arc<OnceLock<RoomProxy>>,
}

impl MessageSink for Again {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let is_meant = call.header("again").is_some();
        let reply = next.run(call).await;
        if is_meant {
            self.signals.over.notify_one();
            self.signals.go_on.notified().await;
            if let Err(error) = self.near.get().unwrap().enter(false).await {
                return error.into();
            }
        }
        reply
    }
}

#[tokio::test]
async fn a_sink_that_calls_the_object_after_its_call_waits_like_everybody_else() {
    let (signals, near) = (Signals::default(), Arc::<OnceLock<RoomProxy>>::default());
    let room = RoomDispatcher::new(Visited(0, signals.clone())).sink(Again {
        signals: signals.clone(),
        near: Arc::clone(&near),
    });
    near.set(room.proxy()).unwrap();
    let server = listening(Host::builder()).await;
    server.marshal("room", room).unwrap();
    let client = client(Host::builder());
    let room: RoomProxy = client.get(&Way::Tcp.url(&server, "room")).unwrap();

    let first = tokio::spawn(room.enter(false).header("again", "yes"));
    signals.over.notified().await;
    let second = tokio::spawn(room.enter(true));
    signals.inside.notified().await;
    signals.go_on.notify_one();
    // The sink gets to the object, in which somebody else is.
    settle().await;
    signals.leave.notify_one();
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(room.enter(false).await.unwrap(), 4);
}
