//! Messages that need more than one frame.

use std::sync::{Arc, Mutex};

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, Limits};

use crate::pair::{Pair, statements, until};

statements! { every channel:
    large_arguments_and_results_arrive_as_they_were_sent,
    bytes_of_every_size_come_back_the_same,
    what_is_larger_than_a_server_takes_is_not_sent,
}

statements! { channels with references:
    a_large_message_holds_up_no_small_one,
    constructors_and_oneway_methods_take_large_arguments_too,
}

#[remote]
pub trait Shelf {
    #[constructor]
    async fn with(books: String) -> remoting::Result<Self>;

    async fn swap(&self, books: String) -> remoting::Result<String>;
    async fn size(&self) -> remoting::Result<usize>;
    async fn turn(&self, leaves: &[u8]) -> remoting::Result<Vec<u8>>;
    async fn keep(&self, leaves: Vec<u8>) -> remoting::Result<Vec<u8>>;
    #[oneway]
    async fn put(&self, books: String) -> remoting::Result<()>;
}

#[derive(Clone, Default)]
struct Wood(Arc<Mutex<String>>);

impl Shelf for Wood {
    async fn with(books: String) -> remoting::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(books))))
    }

    async fn swap(&self, books: String) -> remoting::Result<String> {
        Ok(std::mem::replace(&mut *self.0.lock().unwrap(), books))
    }

    async fn size(&self) -> remoting::Result<usize> {
        Ok(self.0.lock().unwrap().len())
    }

    async fn turn(&self, leaves: &[u8]) -> remoting::Result<Vec<u8>> {
        Ok(leaves.iter().rev().copied().collect())
    }

    async fn keep(&self, leaves: Vec<u8>) -> remoting::Result<Vec<u8>> {
        Ok(leaves)
    }

    async fn put(&self, books: String) -> remoting::Result<()> {
        *self.0.lock().unwrap() = books;
        Ok(())
    }
}

fn books(count: usize) -> String {
    let letters = ('a'..='z').cycle();
    letters.take(count).collect()
}

fn shelf(pair: &Pair) -> ShelfProxy {
    let publication = ShelfDispatcher::singleton(Wood::default);
    pair.server.publish("shelf", publication).unwrap();
    pair.get("shelf")
}

async fn large_arguments_and_results_arrive_as_they_were_sent(pair: &Pair) {
    let shelf = shelf(pair);
    let mut before = String::new();
    for count in [100_000, 300_000, 1_000_000] {
        assert_eq!(shelf.swap(books(count)).await.unwrap(), before);
        before = books(count);
    }
    assert_eq!(shelf.size().await.unwrap(), 1_000_000);
}

async fn what_is_larger_than_a_server_takes_is_not_sent(pair: &Pair) {
    let shelf = shelf(pair);
    let most = Limits::default().max_message;
    for _ in 0..2 {
        let error = shelf.swap(books(most + 1)).await.unwrap_err();
        let seen = (error.kind(), error.executed());
        assert_eq!(seen, (ErrorKind::TooLarge, Executed::No), "{error}");
    }
    assert_eq!(shelf.size().await.unwrap(), 0, "the connection goes on");
}

async fn a_large_message_holds_up_no_small_one(pair: &Pair) {
    let shelf = shelf(pair);
    let mut large = tokio::task::JoinSet::new();
    for _ in 0..4 {
        large.spawn(shelf.swap(books(1_000_000)));
    }
    for _ in 0..20 {
        shelf.size().await.unwrap();
    }
    assert!(
        large
            .join_all()
            .await
            .into_iter()
            .all(|swapped| swapped.is_ok())
    );
}

async fn constructors_and_oneway_methods_take_large_arguments_too(pair: &Pair) {
    let publication = ShelfDispatcher::<Wood>::activated();
    pair.server.publish("shelves", publication).unwrap();
    let shelves = pair.client.activate::<ShelfProxy>(&pair.url("shelves"));
    let shelf = shelves.with(books(700_000)).await.unwrap();
    assert_eq!(shelf.size().await.unwrap(), 700_000);
    shelf.put(books(600_000)).await.unwrap();
    let wood = shelf.clone();
    let swapped = tokio::spawn(async move {
        loop {
            if wood.size().await.unwrap() == 600_000 {
                return wood.swap(String::new()).await.unwrap();
            }
        }
    });
    until(|| swapped.is_finished()).await;
    assert_eq!(swapped.await.unwrap(), books(600_000));
}

/// Around the sizes at which bytes are shared instead of copied, are longer than 16 bits tell, and
/// need more than one frame.
async fn bytes_of_every_size_come_back_the_same(pair: &Pair) {
    let shelf = shelf(pair);
    for size in [0, 1, 60, 16 * 1024, 64 * 1024, 256 * 1024, 400_000] {
        for size in [size - size.min(20), size, size + 20] {
            let leaves: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let turned = shelf.turn(&leaves).await.unwrap();
            assert!(turned.iter().rev().eq(&leaves), "{size} bytes");
            let kept = shelf.keep(leaves.clone()).await.unwrap();
            assert!(kept == leaves, "{size} bytes");
        }
    }
    // Many at a time share what is read together.
    let leaves = vec![7; 40_000];
    let calls: Vec<_> = (0..20).map(|_| shelf.turn(&leaves)).collect();
    for call in calls.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
        assert!(call.await.unwrap().unwrap() == leaves);
    }
}
