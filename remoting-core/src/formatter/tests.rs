//! What holds for each formatter, and what tells them apart.

mod arguments;
mod bytes;
mod hostile;
mod values;

use super::{FormatError, FormatterRef, Json, MessagePack, ScanError, ScanLimits};

/// The formatters that come with the crate.
fn both() -> [FormatterRef; 2] {
    [FormatterRef::from(MessagePack), FormatterRef::from(Json)]
}

/// Reads with the limits that are on by default.
fn read<'de, T: serde::Deserialize<'de>>(
    formatter: &FormatterRef,
    bytes: &'de [u8],
) -> Result<T, FormatError> {
    formatter.decode(bytes, ScanLimits::default())
}

/// Says why the bytes were refused before reading, if they were.
fn refused<T>(result: Result<T, FormatError>) -> Option<ScanError> {
    match result {
        Err(FormatError::Scan(reason)) => Some(reason),
        _ => None,
    }
}
