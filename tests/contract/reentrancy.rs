//! Calls that come back to an object that their own callers hold.
//!
//! Each statement runs twice: the object calls itself through a proxy in the same
//! process, and through a proxy that goes over the channel and back.

use std::sync::{Arc, OnceLock};

use remoting::prelude::*;
use tokio::sync::Semaphore;

use crate::objects::{Hall, RoomDispatcher, RoomProxy, take};
use crate::pair::{Pair, send, statements};

statements! { channels in order:
    a_shared_call_below_a_shared_one_passes_a_writer_that_queues,
}

statements! { every channel:
    an_exclusive_method_that_calls_back_is_told_at_once,
    a_shared_method_may_call_shared_ones_and_no_exclusive_ones,
    siblings_take_turns_at_another_object,
    strangers_wait,
}

/// Calls itself.
#[remote]
pub trait Mirror {
    async fn look(&self) -> remoting::Result<u64>;
    async fn touch(&mut self) -> remoting::Result<u64>;

    /// What `look` and `touch` of the same object say to a shared method.
    async fn seen_shared(&self) -> remoting::Result<(String, String)>;
    /// The same, to an exclusive method.
    async fn seen_exclusive(&mut self) -> remoting::Result<(String, String)>;
    /// Waits until it may look again.
    async fn look_twice(&self) -> remoting::Result<u64>;
    /// Touches another mirror twice at once, while nobody else touches this one.
    async fn touch_other_twice(&mut self) -> remoting::Result<(u64, u64)>;
}

#[derive(Default)]
struct Glass {
    touches: u64,
    own: Arc<OnceLock<MirrorProxy>>,
    other: Option<MirrorProxy>,
    pause: Option<Arc<(Semaphore, Semaphore)>>,
}

impl Glass {
    async fn both(&self) -> (String, String) {
        let own = self.own.get().unwrap();
        (told(own.look().await), told(own.touch().await))
    }
}

fn told(result: remoting::Result<u64>) -> String {
    match result {
        Ok(number) => number.to_string(),
        Err(error) => format!("{:?}, executed {:?}", error.kind(), error.executed()),
    }
}

impl Mirror for Glass {
    async fn look(&self) -> remoting::Result<u64> {
        Ok(self.touches)
    }

    async fn touch(&mut self) -> remoting::Result<u64> {
        tokio::task::yield_now().await;
        self.touches += 1;
        Ok(self.touches)
    }

    async fn seen_shared(&self) -> remoting::Result<(String, String)> {
        Ok(self.both().await)
    }

    async fn seen_exclusive(&mut self) -> remoting::Result<(String, String)> {
        Ok(self.both().await)
    }

    async fn look_twice(&self) -> remoting::Result<u64> {
        let (entered, go_on) = self.pause.as_deref().unwrap();
        entered.add_permits(1);
        take(go_on, 1).await;
        self.own.get().unwrap().look().await
    }

    async fn touch_other_twice(&mut self) -> remoting::Result<(u64, u64)> {
        let other = self.other.as_ref().unwrap();
        let (first, second) = tokio::join!(other.touch(), other.touch());
        Ok((first?, second?))
    }
}

/// Publishes a mirror twice: one sees itself in the same process, one through the channel.
/// Gives the client's proxies.
fn mirrors(pair: &Pair, glass: impl Fn() -> Glass) -> [MirrorProxy; 2] {
    ["near", "far"].map(|name| {
        let glass = glass();
        let own = Arc::clone(&glass.own);
        let dispatcher = MirrorDispatcher::new(glass);
        pair.server.marshal(name, dispatcher.clone()).unwrap();
        let proxy: MirrorProxy = pair.get(name);
        let seen = if name == "near" {
            dispatcher.proxy()
        } else {
            proxy.clone()
        };
        own.set(seen).unwrap();
        proxy
    })
}

const REFUSED: &str = "Reentrant, executed No";

async fn an_exclusive_method_that_calls_back_is_told_at_once(pair: &Pair) {
    for mirror in mirrors(pair, Glass::default) {
        let (look, touch) = mirror.seen_exclusive().await.unwrap();
        assert_eq!((&*look, &*touch), (REFUSED, REFUSED));
        assert_eq!(mirror.touch().await.unwrap(), 1);
    }
}

async fn a_shared_method_may_call_shared_ones_and_no_exclusive_ones(pair: &Pair) {
    for mirror in mirrors(pair, Glass::default) {
        let (look, touch) = mirror.seen_shared().await.unwrap();
        assert_eq!((&*look, &*touch), ("0", REFUSED));
        assert_eq!(mirror.touch().await.unwrap(), 1);
    }
}

async fn a_shared_call_below_a_shared_one_passes_a_writer_that_queues(pair: &Pair) {
    let pause = Arc::new((Semaphore::new(0), Semaphore::new(0)));
    let glass = || Glass {
        pause: Some(Arc::clone(&pause)),
        ..Glass::default()
    };
    pair.server
        .marshal("room", RoomDispatcher::new(Hall::new().room()))
        .unwrap();
    let room: RoomProxy = pair.get("room");
    for mirror in mirrors(pair, glass) {
        let looks = tokio::spawn(mirror.look_twice());
        take(&pause.0, 1).await;
        let touches = send(mirror.touch()).await;
        // A stranger queues behind the writer; the mirror's own call does not.
        let stranger = send(mirror.look()).await;
        assert_eq!(room.add(1, 2).await.unwrap(), 3, "both have arrived");
        pause.1.add_permits(1);
        assert_eq!(looks.await.unwrap().unwrap(), 0);
        assert_eq!(touches.await.unwrap().unwrap(), 1);
        assert_eq!(stranger.await.unwrap().unwrap(), 1);
    }
}

async fn siblings_take_turns_at_another_object(pair: &Pair) {
    let other = MirrorDispatcher::new(Glass::default());
    pair.server.marshal("other", other.clone()).unwrap();
    let others = [other.proxy(), pair.get("other")];
    for (number, other) in others.into_iter().enumerate() {
        let glass = Glass {
            other: Some(other),
            ..Glass::default()
        };
        let name = format!("mirror-{number}");
        pair.server
            .marshal(&name, MirrorDispatcher::new(glass))
            .unwrap();
        let mirror: MirrorProxy = pair.get(&name);
        let (first, second) = mirror.touch_other_twice().await.unwrap();
        assert_eq!(first.abs_diff(second), 1);
    }
}

async fn strangers_wait(pair: &Pair) {
    let hall = Hall::new();
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    let room: RoomProxy = pair.get("room");
    let first = tokio::spawn(room.borrow());
    take(&hall.entered, 1).await;
    let second = tokio::spawn(room.borrow());
    hall.door.add_permits(2);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
}
