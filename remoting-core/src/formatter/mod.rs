//! Formatters: values to bytes and back.
//!
//! A [`Formatter`] is what a user writes to bring a format of their own. The rest of
//! the crate holds a [`FormatterRef`], which knows MessagePack without indirection
//! and everything else through the trait.
//!
//! Bytes of a peer pass three gates, in this order: [`Formatter::scan`] counts depth
//! and elements on the raw bytes, serde builds the declared type, and bytes that are
//! left over are refused.

#[cfg(not(any(feature = "json", feature = "msgpack")))]
mod absent;
mod arguments;
mod borrowed;
mod error;
mod formatter_ref;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "msgpack")]
mod message_pack;
mod missing;
#[cfg(all(test, feature = "msgpack", feature = "json"))]
mod tests;

pub use erased_serde;

pub use self::arguments::{Arguments, DecodeArguments};
pub use self::borrowed::{Blob, ByteVec, Defaulted, Text};
pub use self::error::FormatError;
pub use self::formatter_ref::FormatterRef;
#[cfg(feature = "json")]
pub use self::json::Json;
#[cfg(feature = "msgpack")]
pub use self::message_pack::MessagePack;
pub use crate::budget::{ScanBudget, ScanError, ScanLimits};
pub use crate::payload::Payload;

/// The number by which peers name a formatter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Codec(pub u8);

impl Codec {
    /// JSON.
    pub const JSON: Self = Self(0);
    /// MessagePack: structs by field name, arguments by position.
    pub const MESSAGE_PACK: Self = Self(1);

    /// Tells whether the number is among those left to users, 128 to 255.
    pub const fn is_custom(self) -> bool {
        self.0 >= 128
    }
}

/// How the arguments of a call are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArgumentStyle {
    /// A list of values. Trailing ones that are missing become `None` or a default.
    #[default]
    ByPosition,
    /// A map from the names of the arguments. A list is understood too.
    ByName,
}

/// A format: turns any serde value into bytes and bytes into values.
///
/// Both ends of a connection must have it under the same [`Codec`]. Serde values
/// cross this trait erased, since it is used behind a pointer; [`erased_serde`] is
/// exported beside it for that reason.
///
/// # Examples
///
/// A formatter of one's own, here JSON with each bit flipped:
///
/// ```
/// # #[cfg(feature = "json")] {
/// use remoting_core::formatter::{
///     Codec, FormatError, Formatter, FormatterRef, Json, Payload, ScanBudget, ScanError, ScanLimits, erased_serde,
/// };
/// use serde::de::DeserializeOwned;
///
/// struct Flipped;
///
/// fn flip(bytes: &[u8]) -> Vec<u8> {
///     bytes.iter().map(|byte| !byte).collect()
/// }
///
/// impl Formatter for Flipped {
///     fn codec(&self) -> Codec {
///         Codec(200)
///     }
///
///     fn name(&self) -> &'static str {
///         "flipped"
///     }
///
///     fn content_type(&self) -> &'static str {
///         "application/x-flipped"
///     }
///
///     fn scan(&self, bytes: &[u8], budget: &mut ScanBudget) -> Result<(), ScanError> {
///         Json.scan(&flip(bytes), budget)
///     }
///
///     fn serialize(&self, value: &dyn erased_serde::Serialize, out: &mut Payload) -> Result<(), FormatError> {
///         let text = serde_json::to_vec(value).map_err(FormatError::encode)?;
///         out.extend_from_slice(&flip(&text));
///         Ok(())
///     }
///
///     fn deserialize<'de>(
///         &self,
///         bytes: &'de [u8],
///         read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'de>) -> Result<(), erased_serde::Error>,
///     ) -> Result<(), FormatError> {
///         let text = flip(bytes);
///         // Values cannot borrow from `text`, which ends here: read from a reader instead.
///         let mut json = serde_json::Deserializer::from_reader(text.as_slice());
///         read(&mut <dyn erased_serde::Deserializer>::erase(&mut json)).map_err(FormatError::decode)?;
///         json.end().map_err(FormatError::decode)
///     }
/// }
///
/// let formatter = FormatterRef::from(Flipped);
/// let bytes = formatter.encode(&("Ann", 30))?;
/// let back: (String, u32) = formatter.decode(bytes.as_slice(), ScanLimits::default())?;
/// assert_eq!(back, ("Ann".to_owned(), 30));
/// # }
/// # Ok::<(), remoting_core::formatter::FormatError>(())
/// ```
pub trait Formatter: Send + Sync + 'static {
    /// The number peers know the format by; 128 to 255 are free for users.
    fn codec(&self) -> Codec;

    /// A short name for configuration and logs, such as `json`.
    fn name(&self) -> &'static str;

    /// The media type for HTTP, such as `application/json`.
    fn content_type(&self) -> &'static str;

    /// How the arguments of a call are laid out.
    fn arguments(&self) -> ArgumentStyle {
        ArgumentStyle::ByPosition
    }

    /// Walks over `bytes` before anything is built from them and spends `budget`.
    ///
    /// Must not recurse, and must count what serde would skip as well. It need not
    /// find each mistake: [`deserialize`](Self::deserialize) comes after it.
    ///
    /// # Errors
    ///
    /// - Those of [`ScanBudget`], when it is spent.
    /// - [`ScanError::Malformed`]: the bytes are not of this format.
    fn scan(&self, bytes: &[u8], budget: &mut ScanBudget) -> Result<(), ScanError>;

    /// Appends `value` to `out`.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Encode`]: the format cannot express the value, or the value
    ///   refuses to be written.
    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Payload,
    ) -> Result<(), FormatError>;

    /// Makes a deserializer of `bytes`, hands it to `read` once, and refuses bytes
    /// that are left over afterwards.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Decode`]: `read` failed, or bytes were left over.
    fn deserialize<'de>(
        &self,
        bytes: &'de [u8],
        read: &mut dyn FnMut(
            &mut dyn erased_serde::Deserializer<'de>,
        ) -> Result<(), erased_serde::Error>,
    ) -> Result<(), FormatError>;
}
