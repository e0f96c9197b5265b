//! The server, its objects, and the listeners of the clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use remoting::LeasePolicy;
use remoting::prelude::*;
use tokio::time::sleep;

use crate::book::{Alive, Book, End};
use crate::contract::*;
use crate::network::Network;
use crate::plan::Plan;
use crate::sinks;

/// How many objects a server keeps that nobody uses.
pub const PUBLISHED: usize = 1;

/// How long calls have unless they say otherwise.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What those have that are to succeed, whoever holds the object when they come.
pub const LONG: Duration = Duration::from_secs(200);

pub async fn serve(plan: &Plan, network: &Network, book: &Book) -> Host {
    let host = sinks::of_server(plan, Host::builder())
        .limits(plan.limits())
        .channel(network.listen())
        .start()
        .await
        .unwrap();
    let account = Account::new(book);
    let ledger = LedgerDispatcher::new(account).lease(LeasePolicy::infinite());
    host.marshal("ledger", ledger).unwrap();
    let made = LedgerDispatcher::<Account>::activated_with(Makes(book.clone()));
    host.publish("ledgers", made).unwrap();
    host
}

pub struct Account {
    book: Book,
    puts: AtomicU64,
    _alive: Alive,
}

impl Account {
    fn new(book: &Book) -> Self {
        Self {
            book: book.clone(),
            puts: AtomicU64::new(0),
            _alive: book.alive("an object"),
        }
    }
}

/// Makes objects for clients.
struct Makes(Book);

impl LedgerFactory for Makes {
    type Object = Account;

    async fn open(&self, id: u64) -> remoting::Result<Account> {
        let run = self.0.begin(id);
        pause(id % 3).await;
        run.finish();
        Ok(Account::new(&self.0))
    }
}

async fn pause(millis: u64) {
    if millis > 0 {
        sleep(Duration::from_millis(millis)).await;
    }
}

impl Ledger for Account {
    async fn add(&self, id: u64, millis: u64, bytes: Vec<u8>) -> Result<(u64, Vec<u8>), Declined> {
        let run = self.book.begin(id);
        pause(millis).await;
        run.finish();
        match id % 5 {
            0 => Err(Declined::Number(id)),
            _ => Ok((id, bytes)),
        }
    }

    async fn put(&mut self, id: u64, millis: u64) -> remoting::Result<u64> {
        let run = self.book.begin(id);
        let before = self.puts.load(Ordering::Relaxed);
        pause(millis).await;
        let after = self.puts.fetch_add(1, Ordering::Relaxed);
        let both = || format!("{id} was not alone");
        self.book.expect(before == after, both);
        run.finish();
        Ok(before)
    }

    async fn note(&self, id: u64) -> remoting::Result<()> {
        self.book.begin(id).finish();
        Ok(())
    }

    async fn tell(&self, id: u64, listener: ListenerProxy, times: u64) -> remoting::Result<u64> {
        let run = self.book.begin(id);
        for number in 1..=times {
            let own = self.book.call("hear");
            let watched = Watched(Some(&self.book), own);
            watched.ended(listener.hear(own, number).await)?;
        }
        run.finish();
        Ok(times)
    }

    async fn count_to(&self, id: u64, most: u64) -> remoting::Result<Streaming<u64>> {
        let run = self.book.begin(id);
        run.finish();
        Ok(counting(&self.book, most, id % 4))
    }

    async fn read(&self, id: u64, mut numbers: Streaming<u64>) -> remoting::Result<u64> {
        let run = self.book.begin(id);
        let mut last = 0;
        while let Some(number) = numbers.next().await {
            let number = number?;
            let book = &self.book;
            book.expect(number == last + 1, || {
                format!("{id} read {number} after {last}")
            });
            last = number;
        }
        run.finish();
        Ok(last)
    }

    async fn child(&self, id: u64) -> remoting::Result<LedgerProxy> {
        let run = self.book.begin(id);
        run.finish();
        Ok(LedgerProxy::local(Self::new(&self.book)))
    }
}

/// A stream that counts from 1, with pauses.
pub fn counting(book: &Book, most: u64, millis: u64) -> Streaming<u64> {
    let alive = book.alive("a stream");
    Streaming::produce(async move |mut producer| {
        let _alive = alive;
        for number in 1..=most {
            if number % 16 == 0 {
                pause(millis).await;
            }
            producer.send(number).await?;
        }
        Ok(())
    })
}

/// A call that is dropped with who makes it, unless it has ended.
struct Watched<'a>(Option<&'a Book>, u64);

impl Watched<'_> {
    fn ended(mut self, result: remoting::Result<()>) -> remoting::Result<()> {
        if let Some(book) = self.0.take() {
            let end = match &result {
                Ok(()) => End::Ok,
                Err(error) => End::Failed(Failure::of(error)),
            };
            book.ended(self.1, end);
        }
        result
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if let Some(book) = self.0 {
            book.ended(self.1, End::Dropped);
        }
    }
}

/// Hears numbers, and minds their order.
pub struct Ear {
    book: Book,
    last: Arc<AtomicU64>,
    _alive: Alive,
}

impl Ear {
    pub fn new(book: &Book) -> Self {
        Self {
            book: book.clone(),
            last: Arc::default(),
            _alive: book.alive("a listener"),
        }
    }
}

impl Listener for Ear {
    async fn hear(&self, id: u64, number: u64) -> remoting::Result<()> {
        let run = self.book.begin(id);
        let last = self.last.swap(number, Ordering::Relaxed);
        self.book.expect(number == last + 1, || {
            format!("{id} heard {number} after {last}")
        });
        run.finish();
        Ok(())
    }
}
