//! In which order the calls of one proxy begin, and what calls that block leave to others.

use std::time::{Duration, Instant};

use remoting::prelude::*;
use tokio::sync::Semaphore;

use crate::pair::{Pair, statements};

#[remote]
pub trait Diary {
    /// Writes an entry; the first one takes its time without waiting for anything.
    #[oneway]
    async fn write(&mut self, entry: u32) -> remoting::Result<()>;
    #[blocking]
    async fn carve(&mut self, entry: u32) -> remoting::Result<()>;
    async fn read(&mut self) -> remoting::Result<Vec<u32>>;
}

#[derive(Default)]
struct Pages(Vec<u32>);

impl Diary for Pages {
    async fn write(&mut self, entry: u32) -> remoting::Result<()> {
        let slow = if entry == 0 { 5 } else { 0 };
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(slow) {
            std::hint::spin_loop();
        }
        self.0.push(entry);
        Ok(())
    }

    async fn carve(&mut self, entry: u32) -> remoting::Result<()> {
        self.0.push(entry);
        Ok(())
    }

    async fn read(&mut self) -> remoting::Result<Vec<u32>> {
        Ok(self.0.clone())
    }
}

async fn oneway_calls_begin_in_their_order_though_the_first_was_slow(pair: &Pair) {
    // The very first call of a method is waited for, but not for ever: a busy machine may take longer to begin it.
    // That happens once.
    let in_order =
        entries_are_in_order(pair, "diary").await || entries_are_in_order(pair, "another").await;
    assert!(in_order);
}

async fn entries_are_in_order(pair: &Pair, name: &str) -> bool {
    let publication = DiaryDispatcher::singleton(Pages::default);
    pair.server.publish(name, publication).unwrap();
    let diary: DiaryProxy = pair.get(name);
    for entry in 0..20 {
        diary.write(entry).await.unwrap();
    }
    diary.read().await.unwrap().into_iter().eq(0..20)
}

async fn calls_that_block_begin_in_their_order(pair: &Pair) {
    let publication = DiaryDispatcher::singleton(Pages::default);
    pair.server.publish("diary", publication).unwrap();
    let diary: DiaryProxy = pair.get("diary");
    assert_eq!(diary.read().await.unwrap(), [0; 0], "connected");
    let mut calls = Vec::new();
    for entry in 0..20 {
        let mut call = Box::pin(diary.carve(entry));
        // Sent, in this order.
        assert!(once(&mut call).await.is_pending());
        calls.push(call);
    }
    for call in calls {
        call.await.unwrap();
    }
    let expected: Vec<u32> = (0..20).collect();
    assert_eq!(diary.read().await.unwrap(), expected);
}

async fn once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx)))
        .await
}

#[remote]
pub trait Cellar {
    /// Holds the object until the test says so, then asks the other one.
    async fn fetch(&mut self) -> remoting::Result<u32>;
    #[blocking]
    async fn look(&self) -> remoting::Result<u32>;
}

#[remote]
pub trait Kitchen {
    #[blocking]
    async fn cook(&self) -> remoting::Result<u32>;
    async fn smell(&self) -> remoting::Result<u32>;
}

struct Vault {
    kitchen: KitchenProxy,
    inside: &'static Semaphore,
    door: &'static Semaphore,
}

impl Cellar for Vault {
    async fn fetch(&mut self) -> remoting::Result<u32> {
        self.inside.add_permits(1);
        self.door.acquire().await.unwrap().forget();
        self.kitchen.cook().await
    }

    async fn look(&self) -> remoting::Result<u32> {
        Ok(1)
    }
}

struct Stove;

impl Kitchen for Stove {
    async fn cook(&self) -> remoting::Result<u32> {
        Ok(7)
    }

    async fn smell(&self) -> remoting::Result<u32> {
        Ok(3)
    }
}

async fn calls_that_wait_for_an_object_take_no_thread_from_those_that_block(pair: &Pair) {
    let [inside, door] = [(); 2].map(|()| &*Box::leak(Box::new(Semaphore::new(0))));
    let publication = KitchenDispatcher::singleton(|| Stove);
    pair.server.publish("kitchen", publication).unwrap();
    let kitchen: KitchenProxy = pair.get("kitchen");
    let vault = Vault {
        kitchen: kitchen.clone(),
        inside,
        door,
    };
    pair.server
        .marshal("cellar", CellarDispatcher::new(vault))
        .unwrap();
    let cellar: CellarProxy = pair.get("cellar");
    // The server's greeting has come: from now on a hundred calls have places.
    assert_eq!(kitchen.smell().await.unwrap(), 3);
    let fetch = tokio::spawn(cellar.fetch());
    inside.acquire().await.unwrap().forget();
    let mut looks = Vec::new();
    for _ in 0..100 {
        let mut look = Box::pin(cellar.look());
        assert!(once(&mut look).await.is_pending());
        looks.push(look);
    }
    // Behind them on the same connection: when it is answered, they have all arrived.
    assert_eq!(kitchen.smell().await.unwrap(), 3);
    door.add_permits(1);
    assert_eq!(fetch.await.unwrap().unwrap(), 7);
    for look in looks {
        assert_eq!(look.await.unwrap(), 1);
    }
}

statements!(channels with references:
    oneway_calls_begin_in_their_order_though_the_first_was_slow,
    calls_that_block_begin_in_their_order,
    calls_that_wait_for_an_object_take_no_thread_from_those_that_block,
);
