//! What stands in where no formatter is compiled in.

use super::{Codec, FormatError, Formatter, ScanBudget, ScanError, erased_serde};
use crate::payload::Payload;

/// Refuses everything, and says which features to enable.
pub(super) struct Absent;

const WHAT_TO_DO: &str = "no formatter is compiled in; enable the feature `msgpack` or `json`";

impl Formatter for Absent {
    fn codec(&self) -> Codec {
        Codec(u8::MAX)
    }

    fn name(&self) -> &'static str {
        "absent"
    }

    fn content_type(&self) -> &'static str {
        "application/octet-stream"
    }

    fn scan(&self, _bytes: &[u8], _budget: &mut ScanBudget) -> Result<(), ScanError> {
        Err(ScanError::Malformed(WHAT_TO_DO))
    }

    fn serialize(
        &self,
        _value: &dyn erased_serde::Serialize,
        _out: &mut Payload,
    ) -> Result<(), FormatError> {
        Err(FormatError::encode(WHAT_TO_DO))
    }

    fn deserialize<'de>(
        &self,
        _bytes: &'de [u8],
        _read: &mut dyn FnMut(
            &mut dyn erased_serde::Deserializer<'de>,
        ) -> Result<(), erased_serde::Error>,
    ) -> Result<(), FormatError> {
        Err(FormatError::decode(WHAT_TO_DO))
    }
}
