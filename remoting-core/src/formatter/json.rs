//! JSON: for people, browsers and `curl`.
//!
//! Arguments are written by name, and read by name or by position.

use super::{ArgumentStyle, Codec, FormatError, Formatter, ScanBudget, ScanError, erased_serde};
use crate::payload::Payload;

/// The JSON formatter: readable, understood everywhere, arguments by name.
///
/// Bytes become lists of numbers, which count as elements; numbers beyond 2^53 are
/// exact between Rust programs but not in a browser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json;

impl Formatter for Json {
    fn codec(&self) -> Codec {
        Codec::JSON
    }

    fn name(&self) -> &'static str {
        "json"
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn arguments(&self) -> ArgumentStyle {
        ArgumentStyle::ByName
    }

    fn scan(&self, bytes: &[u8], budget: &mut ScanBudget) -> Result<(), ScanError> {
        scan(bytes, budget)
    }

    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Payload,
    ) -> Result<(), FormatError> {
        serde_json::to_writer(out, value).map_err(FormatError::encode)
    }

    fn deserialize<'de>(
        &self,
        bytes: &'de [u8],
        read: &mut dyn FnMut(
            &mut dyn erased_serde::Deserializer<'de>,
        ) -> Result<(), erased_serde::Error>,
    ) -> Result<(), FormatError> {
        let mut source = serde_json::Deserializer::from_slice(bytes);
        read(&mut <dyn erased_serde::Deserializer>::erase(&mut source))
            .map_err(FormatError::decode)?;
        source.end().map_err(FormatError::decode)
    }
}

/// Counts values and depth by their first bytes alone.
///
/// It does not judge the grammar: serde_json does, right after, and tells line and
/// column. All that matters here is that both see the same brackets and strings.
fn scan(bytes: &[u8], budget: &mut ScanBudget) -> Result<(), ScanError> {
    let mut rest = bytes;
    let mut open: usize = 0;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => {}
            b'[' | b'{' => {
                budget.element()?;
                budget.enter()?;
                open += 1;
            }
            b']' | b'}' => {
                open = open
                    .checked_sub(1)
                    .ok_or(ScanError::Malformed("a bracket closes nothing"))?;
                budget.leave();
            }
            b'"' => {
                budget.element()?;
                rest = after_string(rest)?;
            }
            _ => {
                budget.element()?;
                rest = after_scalar(rest);
            }
        }
    }
    if open == 0 {
        Ok(())
    } else {
        Err(ScanError::Malformed(
            "the text ends inside a list or an object",
        ))
    }
}

/// Skips to behind the quote that ends a string.
fn after_string(mut rest: &[u8]) -> Result<&[u8], ScanError> {
    const CUT: ScanError = ScanError::Malformed("the text ends inside a string");
    loop {
        let stop = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\'))
            .ok_or(CUT)?;
        let (at, after) = rest.get(stop..).and_then(<[u8]>::split_first).ok_or(CUT)?;
        if *at == b'"' {
            return Ok(after);
        }
        // The byte behind a backslash ends nothing, even if it is a quote.
        rest = after.get(1..).ok_or(CUT)?;
    }
}

/// Skips the rest of a number or a word.
fn after_scalar(rest: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| {
        matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'[' | b'{' | b']' | b'}' | b'"'
        )
    };
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    rest.get(end..).unwrap_or_default()
}
