//! The formatter that a channel chose, as the rest of the crate holds it.
//!
//! MessagePack is called directly, so that the compiler sees the value's type and
//! the bytes together; another formatter is called through its trait. The second
//! costs about a microsecond a value, which is why the first exists.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{self, Deserialize, DeserializeSeed};
use serde::ser::Serialize;

use super::arguments::{Named, NamedSeed, Positional, PositionalSeed};
#[cfg(feature = "msgpack")]
use super::message_pack::{self, MessagePack};
use super::{
    ArgumentStyle, Arguments, ByteVec, Codec, DecodeArguments, FormatError, Formatter, ScanBudget,
    ScanLimits,
};
use crate::payload::Payload;

/// A formatter in use; cheap to clone, equal by [`Codec`].
#[derive(Clone)]
pub struct FormatterRef(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "msgpack")]
    MessagePack,
    Other(Arc<dyn Formatter>),
}

impl FormatterRef {
    /// The number peers know the format by.
    pub fn codec(&self) -> Codec {
        self.formatter().codec()
    }

    /// A short name, such as `msgpack`.
    pub fn name(&self) -> &'static str {
        self.formatter().name()
    }

    /// The media type, such as `application/msgpack`.
    pub fn content_type(&self) -> &'static str {
        self.formatter().content_type()
    }

    /// How the arguments of a call are laid out.
    pub fn arguments(&self) -> ArgumentStyle {
        self.formatter().arguments()
    }

    /// Writes `value`.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Encode`]: the format cannot express the value, or the value
    ///   refuses to be written.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Payload, FormatError> {
        let mut payload = Payload::new();
        match &self.0 {
            #[cfg(feature = "msgpack")]
            Kind::MessagePack => message_pack::encode(value, &mut payload)?,
            Kind::Other(formatter) => formatter.serialize(&value, &mut payload)?,
        }
        Ok(payload)
    }

    /// Writes `value` behind other bytes. After an error, or a panic of the value's, there may be a part of it.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode).
    #[inline]
    pub(crate) fn encode_into<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        match &self.0 {
            #[cfg(feature = "msgpack")]
            Kind::MessagePack => message_pack::encode(value, out),
            Kind::Other(_) => {
                out.extend_from_slice(self.encode(value)?.as_slice());
                Ok(())
            }
        }
    }

    /// Writes a value that is not needed any more. Many bytes are not copied.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode).
    pub(crate) fn encode_owned<T: Serialize + 'static>(
        &self,
        mut value: T,
    ) -> Result<Payload, FormatError> {
        let bytes = (&mut value as &mut dyn Any).downcast_mut::<ByteVec>();
        match (bytes, &self.0) {
            #[cfg(feature = "msgpack")]
            (Some(ByteVec(bytes)), Kind::MessagePack) if message_pack::is_large(bytes.len()) => {
                message_pack::encode_bytes(std::mem::take(bytes))
            }
            _ => self.encode(&value),
        }
    }

    /// Reads bytes out of a payload that is nothing else, in the room that they have there.
    ///
    /// # Errors
    ///
    /// Those of [`decode`](Self::decode).
    pub(crate) fn decode_bytes(&self, payload: Payload) -> Result<Vec<u8>, FormatError> {
        #[cfg(feature = "msgpack")]
        if let (Kind::MessagePack, true) = (&self.0, message_pack::is_large(payload.len())) {
            if let Some(begin) = message_pack::bytes_begin(&payload) {
                return Ok(payload.into_vec(begin));
            }
        }
        let bytes = self.decode::<ByteVec>(payload.as_slice(), ScanLimits::default());
        bytes.map(|bytes| bytes.0)
    }

    /// Reads a value which may borrow from `bytes`.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Scan`]: the bytes nest or hold more than `limits` allows, or
    ///   are not one whole value.
    /// - [`FormatError::Decode`]: they are not a `T`, or bytes are left over.
    pub fn decode<'de, T: Deserialize<'de>>(
        &self,
        bytes: &'de [u8],
        limits: ScanLimits,
    ) -> Result<T, FormatError> {
        self.decode_seed(PhantomData::<T>, bytes, limits)
    }

    /// Writes the arguments of a call, `names` being theirs in order.
    ///
    /// A call without arguments has no bytes at all.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode).
    pub fn encode_arguments<A: Arguments>(
        &self,
        names: &'static [&'static str],
        arguments: &A,
    ) -> Result<Payload, FormatError> {
        if A::COUNT == 0 {
            return Ok(Payload::new());
        }
        match &self.0 {
            #[cfg(feature = "msgpack")]
            Kind::MessagePack => self.encode(&Positional(arguments)),
            Kind::Other(formatter) => match formatter.arguments() {
                ArgumentStyle::ByPosition => self.encode(&Positional(arguments)),
                ArgumentStyle::ByName => self.encode(&Named { names, arguments }),
            },
        }
    }

    /// Reads the arguments of a call, `names` being theirs in order.
    ///
    /// Missing trailing arguments (by name: any) become `None` or a default where
    /// their type allows it.
    ///
    /// # Errors
    ///
    /// Those of [`decode`](Self::decode). [`FormatError::Decode`] names the argument
    /// that is wrong, missing, or not among `names`.
    pub fn decode_arguments<'de, A: DecodeArguments<'de>>(
        &self,
        names: &'static [&'static str],
        bytes: &'de [u8],
        limits: ScanLimits,
    ) -> Result<A, FormatError> {
        if bytes.is_empty() {
            return A::from_nothing(names)
                .map_err(|error: de::value::Error| FormatError::decode(error));
        }
        match &self.0 {
            #[cfg(feature = "msgpack")]
            Kind::MessagePack => message_pack::decode(PositionalSeed::new(names), bytes, limits),
            Kind::Other(formatter) => match formatter.arguments() {
                ArgumentStyle::ByPosition => {
                    self.decode_seed(PositionalSeed::new(names), bytes, limits)
                }
                ArgumentStyle::ByName => self.decode_seed(NamedSeed::new(names), bytes, limits),
            },
        }
    }

    fn decode_seed<'de, S: DeserializeSeed<'de>>(
        &self,
        seed: S,
        bytes: &'de [u8],
        limits: ScanLimits,
    ) -> Result<S::Value, FormatError> {
        match &self.0 {
            #[cfg(feature = "msgpack")]
            Kind::MessagePack => message_pack::decode(seed, bytes, limits),
            Kind::Other(formatter) => decode_erased(&**formatter, seed, bytes, limits),
        }
    }

    fn formatter(&self) -> &dyn Formatter {
        match &self.0 {
            #[cfg(feature = "msgpack")]
            Kind::MessagePack => &MessagePack,
            Kind::Other(formatter) => &**formatter,
        }
    }
}

fn decode_erased<'de, S: DeserializeSeed<'de>>(
    formatter: &dyn Formatter,
    seed: S,
    bytes: &'de [u8],
    limits: ScanLimits,
) -> Result<S::Value, FormatError> {
    formatter.scan(bytes, &mut ScanBudget::new(limits))?;
    let mut seed = Some(seed);
    let mut value = None;
    formatter.deserialize(bytes, &mut |deserializer| {
        if let Some(seed) = seed.take() {
            value = Some(seed.deserialize(deserializer)?);
        }
        Ok(())
    })?;
    value.ok_or_else(|| FormatError::decode("the formatter read no value"))
}

impl<F: Formatter> From<F> for FormatterRef {
    fn from(formatter: F) -> Self {
        #[cfg(feature = "msgpack")]
        if std::any::TypeId::of::<F>() == std::any::TypeId::of::<MessagePack>() {
            return Self(Kind::MessagePack);
        }
        Self(Kind::Other(Arc::new(formatter)))
    }
}

/// MessagePack, or JSON where MessagePack is not compiled in. Where neither is, one that
/// refuses everything: a crate that only declares interfaces needs no formatter.
impl Default for FormatterRef {
    fn default() -> Self {
        #[cfg(feature = "msgpack")]
        return Self(Kind::MessagePack);
        #[cfg(all(feature = "json", not(feature = "msgpack")))]
        return Self::from(super::Json);
        #[cfg(not(any(feature = "json", feature = "msgpack")))]
        return Self::from(super::absent::Absent);
    }
}

impl PartialEq for FormatterRef {
    fn eq(&self, other: &Self) -> bool {
        self.codec() == other.codec()
    }
}

impl Eq for FormatterRef {}

impl fmt::Debug for FormatterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FormatterRef({})", self.name())
    }
}
