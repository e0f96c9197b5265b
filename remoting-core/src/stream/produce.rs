//! Streams that are made by a future: it sends item after item, each when the consumer is ready for it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::error::{Error, ErrorKind, Executed};

/// Where the items of a stream are put by what produces them: see [`Streaming::produce`](super::Streaming::produce).
pub struct Producer<T>(Arc<Slot<T>>);

/// Room for one item between a producer and its stream.
struct Slot<T>(Mutex<Shared<T>>);

struct Shared<T> {
    item: Option<T>,
    /// The producer is there.
    is_open: bool,
    /// The stream is there.
    is_read: bool,
    producer: Option<Waker>,
    stream: Option<Waker>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Producer<T> {
    /// Sends an item: waits until it has been taken, by the consumer or to be sent on.
    ///
    /// A future that is dropped before has sent nothing.
    ///
    /// # Errors
    ///
    /// `Cancelled`: nobody reads the stream any more. Only who has taken the producer out of its future sees
    /// that: the future itself is dropped with the stream.
    pub async fn send(&mut self, item: T) -> Result<(), Error> {
        let mut sending = Sending {
            slot: &self.0,
            item: Some(item),
            is_there: false,
        };
        poll_fn(|cx| sending.poll(cx)).await
    }
}

/// An item on its way into the slot and out of it. Dropped, it takes it back.
struct Sending<'a, T> {
    slot: &'a Arc<Slot<T>>,
    item: Option<T>,
    /// It may be in the slot.
    is_there: bool,
}

impl<T> Sending<'_, T> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut shared = self.slot.lock();
        if !shared.is_read {
            let text = "nobody reads the stream any more";
            let error = Error::new(ErrorKind::Cancelled, text);
            return Poll::Ready(Err(error.with_executed(Executed::Yes)));
        }
        if let Some(item) = self.item.take() {
            shared.item = Some(item);
            self.is_there = true;
        } else if shared.item.is_none() {
            self.is_there = false;
            return Poll::Ready(Ok(()));
        }
        if Turn::of(self.slot, cx).is_now() {
            // The stream looks next, and comes back for more.
            return Poll::Pending;
        }
        shared.producer = Some(cx.waker().clone());
        let stream = shared.stream.take();
        drop(shared);
        stream.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl<T> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        if self.is_there {
            let item = self.slot.lock().item.take();
            drop(item);
        }
    }
}

/// Names the slot whose stream lets its future go on, and whom that wakes: a producer that waits in there needs no
/// other waker.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Turn([usize; 3]);

thread_local! {
    static NOW: Cell<Option<Turn>> = const { Cell::new(None) };
}

impl Turn {
    fn of<T>(slot: &Arc<Slot<T>>, cx: &Context<'_>) -> Self {
        let waker = cx.waker();
        Self([
            Arc::as_ptr(slot).addr(),
            waker.data().addr(),
            std::ptr::from_ref(waker.vtable()).addr(),
        ])
    }

    fn is_now(self) -> bool {
        NOW.get() == Some(self)
    }

    fn begin(self) -> Interrupted {
        Interrupted(NOW.replace(Some(self)))
    }
}

/// The turn that goes on behind this one.
struct Interrupted(Option<Turn>);

impl Drop for Interrupted {
    fn drop(&mut self) {
        NOW.set(self.0);
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        let mut shared = self.0.lock();
        shared.is_open = false;
        let stream = shared.stream.take();
        drop(shared);
        stream.into_iter().for_each(Waker::wake);
    }
}

impl<T> std::fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

/// The stream of a producer, with the future that uses it.
pub(super) struct Produced<T, E, F> {
    slot: Arc<Slot<T>>,
    /// Gone when it has ended.
    future: Option<Pin<Box<F>>>,
    failure: Option<E>,
}

impl<T, E, F> Produced<T, E, F> {
    pub(super) fn new(produce: impl FnOnce(Producer<T>) -> F) -> Self {
        let slot = Arc::new(Slot(Mutex::new(Shared {
            item: None,
            is_open: true,
            is_read: true,
            producer: None,
            stream: None,
        })));
        let future = produce(Producer(Arc::clone(&slot)));
        Self {
            slot,
            future: Some(Box::pin(future)),
            failure: None,
        }
    }
}

impl<T, E, F: Future<Output = Result<(), E>>> Produced<T, E, F> {
    /// Lets the producer go on.
    fn run(&mut self, cx: &mut Context<'_>) {
        let Some(future) = &mut self.future else {
            return;
        };
        let turn = Turn::of(&self.slot, cx).begin();
        let polled = future.as_mut().poll(cx);
        drop(turn);
        if let Poll::Ready(ended) = polled {
            self.failure = ended.err();
            self.future = None;
        }
    }

    /// What is there by now: an item, the end, or nothing yet.
    fn poll_slot(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, E>>> {
        let mut shared = self.slot.lock();
        if let Some(item) = shared.item.take() {
            let producer = shared.producer.take();
            drop(shared);
            producer.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(item)));
        }
        if self.future.is_none() && (!shared.is_open || self.failure.is_some()) {
            drop(shared);
            return Poll::Ready(self.failure.take().map(Err));
        }
        shared.stream = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T, E, F> Unpin for Produced<T, E, F> {}

impl<T, E, F: Future<Output = Result<(), E>>> Stream for Produced<T, E, F> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.run(cx);
        self.poll_slot(cx)
    }
}

impl<T, E, F> Drop for Produced<T, E, F> {
    fn drop(&mut self) {
        let mut shared = self.slot.lock();
        shared.is_read = false;
        let left = (shared.item.take(), shared.producer.take());
        drop(shared);
        left.1.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Streaming;
    use crate::error::{ErrorKind, Result};

    #[tokio::test]
    async fn a_producer_outside_of_its_future_is_woken_for_each_item() {
        let (give, got) = tokio::sync::oneshot::channel();
        let mut numbers: Streaming<u64> = Streaming::produce(|out| {
            let given = give.send(out);
            async move {
                assert!(given.is_ok());
                std::future::pending().await
            }
        });
        let mut out = got.await.unwrap();
        let send = async {
            for number in 0..100 {
                out.send(number).await.unwrap();
            }
            out
        };
        let read = async {
            for number in 0..100 {
                assert_eq!(numbers.next().await.unwrap().unwrap(), number);
            }
        };
        // Both in one task, with one waker.
        let (mut out, ()) = tokio::join!(send, read);
        drop(numbers);
        let error = out.send(100).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[tokio::test]
    async fn an_item_whose_sending_is_dropped_is_not_sent() -> Result<()> {
        let numbers: Streaming<u64> = Streaming::produce(|mut out| async move {
            out.send(1).await?;
            tokio::select! {
                biased;
                sent = out.send(2) => sent?,
                () = std::future::ready(()) => {}
            }
            out.send(3).await
        });
        assert_eq!(numbers.collect::<Vec<_>>().await?, [1, 3]);
        Ok(())
    }
}
