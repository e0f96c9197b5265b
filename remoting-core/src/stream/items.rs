//! Streams while they travel: items as bytes, and what stands for a stream beside its payload.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ItemStream;
use crate::budget::ScanLimits;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::formatter::{ByteVec, FormatError, FormatterRef};
use crate::object::app_fault;
use crate::payload::{Batch, Entry, Payload};
use crate::proxy::{CallError, Pen, Style, decode, decode_error, decode_plain};

/// The items of a stream, encoded. After an error, or the end, nothing more comes.
pub trait Items: Send {
    /// Gives the next items, one at least: as many as there are for now, until the batch is full. What has been made
    /// already comes also if there is more of it.
    ///
    /// - `into`: gets them behind what it holds, and is not full.
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Batch,
    ) -> Poll<Option<Result<(), Fault>>>;

    /// What was given last has been read, all of it.
    fn used(&mut self) {}

    /// The error of whoever reads the stream, when the item that came last makes no sense. No other is asked for then.
    ///
    /// - `why`: what was wrong with it.
    fn unreadable(&mut self, why: &str) -> Error {
        let text = format!("an item of the stream could not be read: {why}");
        Error::new(ErrorKind::BadResult, text).with_executed(Executed::Yes)
    }
}

/// A stream beside the payload that names it. Whoever needs it first has it.
#[derive(Clone)]
pub struct Freight(Arc<Mutex<Option<Box<dyn Items>>>>);

impl Freight {
    /// Makes a stream of its items.
    pub fn new(items: impl Items + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(items)))))
    }

    /// The stream that an answer is, if it is one: of a call that takes such
    /// ([`takes_stream`](crate::CallMessage::takes_stream)).
    pub fn of_answer(payload: &Payload) -> Option<Self> {
        payload.attached::<Self>().cloned()
    }

    /// Whether somebody has it.
    pub(crate) fn is_taken(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }

    /// Takes the items; nothing if somebody has them.
    pub fn take(&self) -> Option<Box<dyn Items>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Freight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Freight")
    }
}

/// Writes the items of a stream.
pub(super) struct Encoding<T, E> {
    /// Gone when it has ended.
    items: Option<ItemStream<T, E>>,
    /// How it has ended, until that is told.
    fault: Option<Fault>,
    style: Style,
}

impl<T, E> Encoding<T, E> {
    pub(super) fn new(items: ItemStream<T, E>, style: Style) -> Self {
        Self {
            items: Some(items),
            fault: None,
            style,
        }
    }
}

impl<T, E> Items for Encoding<T, E>
where
    T: Serialize + 'static,
    E: Serialize + 'static,
{
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Batch,
    ) -> Poll<Option<Result<(), Fault>>> {
        let before = into.len();
        let mut pen = Pen::new(&self.style);
        let mut ended = None;
        if let Some(items) = &mut self.items {
            loop {
                match items.as_mut().poll_next(cx) {
                    Poll::Pending if into.len() == before => return Poll::Pending,
                    Poll::Pending => break,
                    Poll::Ready(Some(Ok(item))) => match write_item(&mut pen, item, into) {
                        Ok(()) if into.is_full() => break,
                        Ok(()) => continue,
                        Err(fault) => ended = Some(Some(fault)),
                    },
                    Poll::Ready(Some(Err(error))) => {
                        ended = Some(Some(app_fault("a stream", &self.style, &error)));
                    }
                    Poll::Ready(None) => ended = Some(None),
                }
                break;
            }
        }
        drop(pen);
        if let Some(fault) = ended {
            (self.items, self.fault) = (None, fault);
        }
        Poll::Ready(match into.len() > before {
            true => Some(Ok(())),
            false => self.fault.take().map(Err),
        })
    }
}

/// Reads the items of a stream.
pub(super) struct Decoding<T, E> {
    items: Box<dyn Items>,
    /// What has come, and waits to be read.
    batch: Batch,
    formatter: FormatterRef,
    limits: ScanLimits,
    of: PhantomData<fn() -> Result<T, E>>,
}

impl<T, E> Decoding<T, E> {
    pub(super) fn new(items: Box<dyn Items>, formatter: FormatterRef, limits: ScanLimits) -> Self {
        Self {
            items,
            batch: Batch::one(),
            formatter,
            limits,
            of: PhantomData,
        }
    }
}

impl<T: DeserializeOwned + 'static, E: CallError> Stream for Decoding<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(item) = this.batch.take_first() {
                let read = decode_item(&this.formatter, item, this.limits);
                let read = read.map_err(|error| this.items.unreadable(&error.to_string()).into());
                if this.batch.is_empty() {
                    this.items.used();
                }
                return Poll::Ready(Some(read));
            }
            match ready!(this.items.poll_batch(cx, &mut this.batch)) {
                Some(Ok(())) => {}
                Some(Err(fault)) => {
                    return Poll::Ready(Some(Err(decode_error(&this.formatter, fault))));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Writes an item; bytes as bytes, and not as a list of numbers.
fn write_item<T: Serialize + 'static>(
    pen: &mut Pen<'_>,
    mut item: T,
    into: &mut Batch,
) -> Result<(), Fault> {
    let written = match (&mut item as &mut dyn Any).downcast_mut::<Vec<u8>>() {
        Some(bytes) => pen.write_bytes(std::mem::take(bytes), into),
        None => pen.write(&item, into),
    };
    written.map_err(|error| {
        let text = format!("an item of the stream could not be written: {error}");
        Fault::executed(ErrorKind::BadResult, text)
    })
}

/// Reads what [`write_item`] has written.
fn decode_item<T: DeserializeOwned + 'static>(
    formatter: &FormatterRef,
    item: Entry<'_, Payload>,
    limits: ScanLimits,
) -> Result<T, FormatError> {
    let mut read: Option<T> = None;
    let Some(bytes) = (&mut read as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() else {
        return match item {
            Entry::Plain(bytes) => decode_plain(formatter, bytes, limits),
            Entry::Other(payload) => decode(formatter, &payload, limits),
        };
    };
    *bytes = Some(match item {
        Entry::Plain(bytes) => formatter.decode::<ByteVec>(bytes, ScanLimits::default())?.0,
        Entry::Other(payload) => formatter.decode_bytes(payload)?,
    });
    read.ok_or_else(|| FormatError::decode("an item is missing"))
}
