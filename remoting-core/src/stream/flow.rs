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
use crate::payload::Payload;
use crate::proxy::{CallError, Style, decode, decode_error, encode_owned};

/// The items of a stream, encoded. After an error, or the end, nothing more comes.
pub(crate) trait Flow: Send {
    /// Gives the next item.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, Fault>>>;
}

/// A stream beside the payload that names it. Whoever needs it first has it.
#[derive(Clone)]
pub(crate) struct Freight(Arc<Mutex<Option<Box<dyn Flow>>>>);

impl Freight {
    pub(crate) fn new(flow: impl Flow + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(flow)))))
    }

    /// Whether somebody has it.
    pub(crate) fn is_taken(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }

    pub(crate) fn take(&self) -> Option<Box<dyn Flow>> {
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
    items: Option<ItemStream<T, E>>,
    style: Style,
}

impl<T, E> Encoding<T, E> {
    pub(super) fn new(items: ItemStream<T, E>, formatter: FormatterRef) -> Self {
        Self {
            items: Some(items),
            style: Style::by_number(formatter),
        }
    }
}

impl<T, E> Flow for Encoding<T, E>
where
    T: Serialize + 'static,
    E: Serialize + 'static,
{
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, Fault>>> {
        let Some(items) = &mut self.items else {
            return Poll::Ready(None);
        };
        let written = match ready!(items.as_mut().poll_next(cx)) {
            None => None,
            Some(Ok(item)) => Some(encode_item(&self.style, item).map_err(|error| {
                let text = format!("an item of the stream could not be written: {error}");
                Fault::executed(ErrorKind::BadResult, text)
            })),
            Some(Err(error)) => Some(Err(app_fault("a stream", &self.style, &error))),
        };
        if !matches!(written, Some(Ok(_))) {
            self.items = None;
        }
        Poll::Ready(written)
    }
}

/// Reads the items of a stream.
pub(super) struct Decoding<T, E> {
    flow: Option<Box<dyn Flow>>,
    formatter: FormatterRef,
    limits: ScanLimits,
    of: PhantomData<fn() -> Result<T, E>>,
}

impl<T, E> Decoding<T, E> {
    pub(super) fn new(flow: Box<dyn Flow>, formatter: FormatterRef, limits: ScanLimits) -> Self {
        Self {
            flow: Some(flow),
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
        let Some(flow) = &mut this.flow else {
            return Poll::Ready(None);
        };
        let read = ready!(flow.poll_next(cx)).map(|item| match item {
            Ok(item) => decode_item(&this.formatter, item, this.limits).map_err(|error| {
                let text = format!("an item of the stream could not be read: {error}");
                let error = Error::new(ErrorKind::BadResult, text);
                E::from(error.with_executed(Executed::Yes))
            }),
            Err(fault) => Err(decode_error(&this.formatter, fault)),
        });
        if !matches!(read, Some(Ok(_))) {
            this.flow = None;
        }
        Poll::Ready(read)
    }
}

/// Writes an item; bytes as bytes, and not as a list of numbers.
fn encode_item<T: Serialize + 'static>(style: &Style, mut item: T) -> Result<Payload, FormatError> {
    match (&mut item as &mut dyn Any).downcast_mut::<Vec<u8>>() {
        Some(bytes) => encode_owned(style, ByteVec(std::mem::take(bytes))),
        None => encode_owned(style, item),
    }
}

/// Reads what [`encode_item`] has written.
fn decode_item<T: DeserializeOwned + 'static>(
    formatter: &FormatterRef,
    item: Payload,
    limits: ScanLimits,
) -> Result<T, FormatError> {
    let mut read: Option<T> = None;
    if let Some(bytes) = (&mut read as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
        *bytes = Some(formatter.decode_bytes(item)?);
    } else {
        read = Some(decode(formatter, &item, limits)?);
    }
    read.ok_or_else(|| FormatError::decode("an item is missing"))
}
