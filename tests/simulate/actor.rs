//! What a client does, step by step, each drawn.

use std::time::Duration;

use remoting::prelude::*;
use remoting::{Call, Error};
use tokio::time::{sleep, timeout};

use crate::book::{Book, End};
use crate::chance::Chance;
use crate::contract::*;
use crate::network::url;
use crate::server::{DEADLINE, Ear, LONG, counting};

/// One who makes calls, one after the other.
pub struct Actor {
    pub host: Host,
    pub book: Book,
    pub chance: Chance,
    /// What is published, and what the client has made.
    pub ledgers: Vec<LedgerProxy>,
}

impl Actor {
    pub async fn act(mut self, steps: u64) {
        for _ in 0..steps {
            let longest = self.chance.of(&[1, 50, 1500]);
            sleep(self.chance.millis(0..longest)).await;
            self.step().await;
        }
    }

    async fn step(&mut self) {
        match self.chance.within(0..100) {
            0..=21 => self.add().await,
            22..=33 => self.put().await,
            34..=39 => self.note().await,
            40..=47 => self.open().await,
            48..=57 => self.tell().await,
            58..=68 => self.count().await,
            69..=77 => self.send().await,
            78..=84 => self.chain().await,
            85..=89 => self.lease().await,
            _ => self.crowd().await,
        }
    }

    fn ledger(&mut self) -> LedgerProxy {
        let number = self.chance.within(0..self.ledgers.len() as u64);
        self.ledgers[number as usize].clone()
    }

    /// Makes a call with a deadline and patience that are drawn.
    async fn make<T, E>(&mut self, id: u64, call: Call<T, E>) -> Option<T>
    where
        T: Send + 'static,
        E: Into<Declined> + From<Error> + Send + 'static,
        Call<T, E>: Future<Output = Result<T, E>>,
    {
        let (call, deadline) = match self.chance.percent(15) {
            true => {
                let deadline = self.chance.millis(1..3000);
                (call.deadline(deadline), deadline)
            }
            false => (call, DEADLINE),
        };
        let patience = match self.chance.percent(12) {
            true => Duration::from_millis(self.chance.magnitude(1..5000)),
            false => Duration::MAX,
        };
        let call = self.book.watch(id, deadline, call);
        let ended = timeout(patience, call).await;
        if ended.is_err() {
            self.book.ended(id, End::Dropped);
        }
        ended.ok().flatten()
    }

    async fn add(&mut self) {
        let id = self.book.call("add");
        let millis = self.chance.of(&[0, 0, 3, 200, 4000]);
        let most = self.chance.of(&[1, 20, 2000, 40_000]);
        let bytes = vec![id as u8; self.chance.within(0..most) as usize];
        let call = self.ledger().add(id, millis, bytes.clone());
        if let Some(answer) = self.make(id, call).await {
            self.book.expect(answer == (id, bytes), || {
                format!("{id} got the answer of {}", answer.0)
            });
        }
    }

    async fn put(&mut self) {
        let id = self.book.call("put");
        let millis = self.chance.of(&[0, 0, 3, 200]);
        let call = self.ledger().put(id, millis);
        self.make(id, call).await;
    }

    async fn note(&mut self) {
        let id = self.book.call("note");
        // With all the time there is: a message that comes too late does not run, and nobody is told.
        let call = self.ledger().note(id).deadline(LONG);
        self.book.watch(id, LONG, call).await;
    }

    /// Makes an object, uses it, and lets it go.
    async fn open(&mut self) {
        let id = self.book.call("open");
        let ledgers = self.host.activate::<LedgerProxy>(&url("ledgers"));
        let Some(ledger) = self.make(id, ledgers.open(id)).await else {
            return;
        };
        let id = self.book.call("put");
        if let Some(before) = self.make(id, ledger.put(id, 0)).await {
            let first = || format!("{id} is not the first of a new object");
            self.book.expect(before == 0, first);
        }
        if self.chance.percent(40) {
            self.ledgers.push(ledger);
        }
    }

    async fn tell(&mut self) {
        let id = self.book.call("tell");
        let times = self.chance.within(1..5);
        let ear = ListenerProxy::local(Ear::new(&self.book));
        let call = self.ledger().tell(id, ear, times);
        if let Some(told) = self.make(id, call).await {
            self.book
                .expect(told == times, || format!("{id} told {told}"));
        }
    }

    /// Reads a stream, to its end or not.
    async fn count(&mut self) {
        let id = self.book.call("count_to");
        let most = self.chance.magnitude(1..300);
        let wanted = match self.chance.percent(25) {
            true => self.chance.within(0..most + 1),
            false => u64::MAX,
        };
        let call = self.ledger().count_to(id, most);
        let Some(mut numbers) = self.make(id, call).await else {
            return;
        };
        let mut last = 0;
        while last < wanted {
            let item = numbers.next().await;
            let what = item.as_ref().map(|item| item.as_ref().map_err(Error::kind));
            self.book.note(format_args!("{id} reads {what:?}"));
            match item {
                Some(Ok(number)) => {
                    self.book.expect(number == last + 1, || {
                        format!("{id} got {number} after {last}")
                    });
                    last = number;
                }
                Some(Err(error)) => {
                    self.book.broke(id, &error);
                    break;
                }
                None => {
                    let whole = || format!("the stream of {id} ended after {last} of {most}");
                    self.book.expect(last == most, whole);
                    break;
                }
            }
        }
    }

    async fn send(&mut self) {
        let id = self.book.call("read");
        let most = self.chance.magnitude(1..300);
        let numbers = counting(&self.book, most, self.chance.within(0..3));
        let call = self.ledger().read(id, numbers);
        if let Some(read) = self.make(id, call).await {
            let whole = || format!("{id} read {read} of {most}");
            self.book.expect(read == most, whole);
        }
    }

    /// Calls what another call gives, without waiting for that.
    async fn chain(&mut self) {
        let first = self.book.unwatched("child");
        let id = self.book.call("put");
        let child = self.ledger().child(first).pipelined();
        self.make(id, child.put(id, 0)).await;
        if self.chance.percent(50) {
            let id = self.book.call("put");
            self.make(id, child.put(id, 0)).await;
        }
    }

    async fn lease(&mut self) {
        let ledger = self.ledger();
        let time = self.chance.millis(1..100_000);
        let id = self.book.unwatched("lease");
        if self.chance.percent(50) {
            self.make(id, ledger.lease().info()).await;
        } else {
            self.make(id, ledger.lease().renew(time)).await;
        }
    }

    /// Makes some calls at once.
    async fn crowd(&mut self) {
        let crowd: Vec<_> = (0..self.chance.within(2..7))
            .map(|_| {
                let (id, millis) = (self.book.call("add"), self.chance.of(&[0, 1, 30]));
                let call = self.ledger().add(id, millis, Vec::new());
                let book = self.book.clone();
                tokio::spawn(async move {
                    book.watch(id, DEADLINE, call).await;
                })
            })
            .collect();
        for call in crowd {
            call.await.unwrap();
        }
    }
}
