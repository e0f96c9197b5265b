//! What can go wrong between values and bytes.

use std::error;
use std::fmt;

use crate::budget::ScanError;

/// Why a value could not be written, or bytes not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The value cannot be written in this format; says why.
    Encode(Box<str>),
    /// The bytes are not a value of the type asked for; says what and where.
    Decode(Box<str>),
    /// The bytes were refused before anything was built from them.
    Scan(ScanError),
}

impl FormatError {
    /// Makes the error of a value that cannot be written.
    #[cold]
    pub fn encode(reason: impl fmt::Display) -> Self {
        Self::Encode(reason.to_string().into_boxed_str())
    }

    /// Makes the error of bytes that cannot be read.
    #[cold]
    pub fn decode(reason: impl fmt::Display) -> Self {
        Self::Decode(reason.to_string().into_boxed_str())
    }

    /// Tells whether the bytes were refused for what they hold, before their type
    /// mattered.
    pub fn is_scan(&self) -> bool {
        matches!(self, Self::Scan(_))
    }
}

impl From<ScanError> for FormatError {
    #[cold]
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(reason) => write!(f, "cannot write the value: {reason}"),
            Self::Decode(reason) => write!(f, "cannot read the value: {reason}"),
            Self::Scan(reason) => write!(f, "refused before reading: {reason}"),
        }
    }
}

impl error::Error for FormatError {}
