//! Streams: many values, one after the other, as the result or an argument of a call.
//!
//! A [`Streaming`] is a stream of values. In a payload stands only its number; its items travel beside the calls
//! of the session. `items` has them as bytes.

mod items;
mod produce;

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::de::{DeserializeOwned, Deserializer};
use serde::ser::{Error as _, Serialize, Serializer};

use self::items::{Decoding, Encoding};
use self::produce::Produced;
use crate::error::Error;
use crate::proxy::{CallError, alight_stream, block_on, board_stream};

pub use self::items::{Freight, Items};
pub use self::produce::Producer;

/// A stream of `T` that may end in an `E`, as the result or an argument of a remote method.
///
/// ```
/// use remoting_core::{Error, Result, Streaming};
///
/// async fn count_to(most: u64) -> Result<Streaming<u64>> {
///     Ok(Streaming::of(1..=most))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let mut numbers = count_to(3).await?;
/// let mut sum = 0;
/// while let Some(number) = numbers.next().await {
///     sum += number?;
/// }
/// assert_eq!(sum, 6);
/// # Ok(()) }
/// ```
///
/// Items go from the side that has made the stream to the side that reads it, as fast as it is read: a consumer that
/// does not read stops the producer when [`Limits::stream_items`](crate::Limits::stream_items) items, or
/// [`Limits::stream_bytes`](crate::Limits::stream_bytes), are on their way. One item may be as long as a frame,
/// [`Limits::max_frame`](crate::Limits::max_frame). Items may be, or hold, proxies.
///
/// A stream ends when its producer has, by an error of the producer's, which arrives as the same `E`, or by an error of
/// `remoting`'s, such as `SessionLost`; after an error nothing more comes. Whoever drops the `Streaming` ends it too:
/// the producer is dropped at its next await. The deadline of a call is over with its result: a stream takes as long as it takes. As
/// long as it goes on, the object whose method has returned it is kept, as by a running call.
///
/// It travels inside a call only, once, and over channels with sessions: TCP, WebSocket and in memory. Calls of proxies of `http://`
/// that have streams go over a WebSocket by themselves. Others who send requests, such as curl and browsers, take a result that is one
/// `Streaming` as lines of JSON or as events, and send an argument that is the only one as lines of JSON.
pub struct Streaming<T, E = Error>(Mutex<Option<ItemStream<T, E>>>);

/// The items of a stream.
type ItemStream<T, E> = Pin<Box<dyn Stream<Item = Result<T, E>> + Send>>;

impl<T, E> Streaming<T, E> {
    /// Streams what another stream gives; after its first error nothing more.
    pub fn new(items: impl Stream<Item = Result<T, E>> + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::pin(items))))
    }

    /// Streams the values of an iterator.
    pub fn of<I>(items: I) -> Self
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'static,
        T: 'static,
        E: 'static,
    {
        Self::new(Values(items.into_iter(), PhantomData))
    }

    /// Streams what a future sends. `Ok` is the end of the stream, an error its failure.
    ///
    /// The future runs only when items are wanted. When nobody reads the stream any more it is dropped, where it waits.
    ///
    /// ```
    /// use remoting_core::{Result, Streaming};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let squares: Streaming<u64> = Streaming::produce(|mut out| async move {
    ///     for number in 1..=3 {
    ///         out.send(number * number).await?;
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(squares.collect::<Vec<_>>().await?, [1, 4, 9]);
    /// # Ok(()) }
    /// ```
    pub fn produce<F>(produce: impl FnOnce(Producer<T>) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        Self::new(Produced::new(produce))
    }

    /// Gives the next item; `None` at the end, and after an error. A dropped future has taken nothing.
    pub async fn next(&mut self) -> Option<Result<T, E>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// Gives the next item on a thread that runs no async code: see [`Call::wait`](crate::Call::wait).
    ///
    /// # Panics
    ///
    /// Inside an `async fn`, where it would stop other tasks; use [`next`](Self::next) there.
    pub fn wait_next(&mut self) -> Option<Result<T, E>> {
        block_on(self.next())
    }

    /// Gives all items.
    ///
    /// # Errors
    ///
    /// What the stream has ended with; the items before it are lost.
    pub async fn collect<C: Default + Extend<T>>(mut self) -> Result<C, E> {
        let mut all = C::default();
        while let Some(item) = self.next().await {
            all.extend([item?]);
        }
        Ok(all)
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {
        let items = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = items else {
            return Poll::Ready(None);
        };
        let polled = open.as_mut().poll_next(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            *items = None;
        }
        polled
    }
}

impl<T, E> Stream for Streaming<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx)
    }
}

impl<T, E> Serialize for Streaming<T, E>
where
    T: Serialize + 'static,
    E: Serialize + 'static,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let items = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let items =
            items.ok_or_else(|| S::Error::custom("a stream that has ended, or was sent before"))?;
        board_stream(serializer, |style| {
            Freight::new(Encoding::new(items, style))
        })
    }
}

impl<'de, T, E> serde::Deserialize<'de> for Streaming<T, E>
where
    T: DeserializeOwned + 'static,
    E: CallError,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        alight_stream(deserializer, |items, formatter, limits| {
            Self::new(Decoding::new(items, formatter, limits))
        })
    }
}

impl<T, E> fmt::Debug for Streaming<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Streaming")
            .field("ended", &items.is_none())
            .finish()
    }
}

/// The values of an iterator, as a stream.
struct Values<I, E>(I, PhantomData<fn() -> E>);

impl<I, E> Unpin for Values<I, E> {}

impl<I: Iterator, E> Stream for Values<I, E> {
    type Item = Result<I::Item, E>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}
