//! MessagePack: the formatter that is used unless a channel says otherwise.
//!
//! Structs are written by field name, so that they may gain and lose fields;
//! arguments by position. Extension types are refused.

use std::io;

use serde::Serialize;
use serde::de::DeserializeSeed;

use super::{Codec, FormatError, Formatter, ScanBudget, ScanError, ScanLimits, erased_serde};
use crate::payload::{LARGE, Payload};

/// The MessagePack formatter: small, fast, and structs may evolve.
///
/// A field of type `Vec<u8>` is a list of numbers here as everywhere in serde; put
/// `#[serde(with = "serde_bytes")]` on large ones. `Some(None)` of an option in an
/// option comes back as `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessagePack;

impl Formatter for MessagePack {
    fn codec(&self) -> Codec {
        Codec::MESSAGE_PACK
    }

    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn content_type(&self) -> &'static str {
        "application/msgpack"
    }

    fn scan(&self, bytes: &[u8], budget: &mut ScanBudget) -> Result<(), ScanError> {
        scan(bytes, budget)
    }

    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Payload,
    ) -> Result<(), FormatError> {
        encode(value, out)
    }

    fn deserialize<'de>(
        &self,
        bytes: &'de [u8],
        read: &mut dyn FnMut(
            &mut dyn erased_serde::Deserializer<'de>,
        ) -> Result<(), erased_serde::Error>,
    ) -> Result<(), FormatError> {
        let limits = ScanLimits::default();
        // The deserializer does not tell where it stopped; the scan does.
        scan(bytes, &mut ScanBudget::new(limits))?;
        let mut source = deserializer(bytes, limits);
        read(&mut <dyn erased_serde::Deserializer>::erase(&mut source)).map_err(FormatError::decode)
    }
}

/// Appends `value` to `out`, without indirection.
#[inline]
pub(super) fn encode<T: Serialize + ?Sized>(
    value: &T,
    out: &mut impl io::Write,
) -> Result<(), FormatError> {
    let mut serializer = rmp_serde::Serializer::new(out).with_struct_map();
    value
        .serialize(&mut serializer)
        .map_err(FormatError::encode)
}

/// Whether so many bytes are worth more than a copy.
pub(super) const fn is_large(length: usize) -> bool {
    length >= LARGE
}

/// The same for bytes that are not needed any more: they go along without being copied.
pub(super) fn encode_bytes(bytes: Vec<u8>) -> Result<Payload, FormatError> {
    let head = match (u16::try_from(bytes.len()), u32::try_from(bytes.len())) {
        (Ok(length), _) => [&[0xc5], length.to_be_bytes().as_slice()].concat(),
        (Err(_), Ok(length)) => [&[0xc6], length.to_be_bytes().as_slice()].concat(),
        (Err(_), Err(_)) => return Err(FormatError::encode("more than 4 GiB of bytes")),
    };
    Ok(Payload::joined(head, bytes))
}

/// Where the bytes begin in a payload that is nothing but one long row of bytes.
pub(super) fn bytes_begin(payload: &Payload) -> Option<usize> {
    let (mut first, whole) = (payload.first(), payload.len());
    let before = first.len();
    let (0xc5 | 0xc6) = *first.first()? else {
        return None;
    };
    let Ok(Head::Plain(length)) = read_head(&mut first) else {
        return None;
    };
    let begin = before.saturating_sub(first.len());
    (begin.checked_add(length) == Some(whole)).then_some(begin)
}

/// Scans `bytes` and reads what `seed` asks for, without indirection.
#[inline]
pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
    limits: ScanLimits,
) -> Result<S::Value, FormatError> {
    // The scan finds exactly one value, so what serde reads whole leaves nothing over.
    if !is_scalar(bytes) || limits.elements == 0 {
        scan(bytes, &mut ScanBudget::new(limits))?;
    }
    seed.deserialize(&mut deserializer(bytes, limits))
        .map_err(FormatError::decode)
}

type SliceDeserializer<'de> = rmp_serde::Deserializer<rmp_serde::decode::ReadRefReader<'de, [u8]>>;

fn deserializer(bytes: &[u8], limits: ScanLimits) -> SliceDeserializer<'_> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    // It refuses the level that brings its counter to zero.
    deserializer.set_max_depth(limits.depth.saturating_add(1));
    deserializer
}

/// Walks over exactly one value.
fn scan(bytes: &[u8], budget: &mut ScanBudget) -> Result<(), ScanError> {
    let mut rest = bytes;
    let mut parents = Parents::default();
    let mut left: usize = 1;
    budget.element()?;
    loop {
        while left == 0 {
            match parents.pop() {
                Some(parent) => left = parent,
                None if rest.is_empty() => return Ok(()),
                None => return Err(ScanError::Malformed("bytes are left over after the value")),
            }
            budget.leave();
        }
        left -= 1;
        match read_head(&mut rest)? {
            Head::Plain(length) => rest = rest.get(length..).ok_or(CUT)?,
            Head::Holds(count) => {
                budget.elements(count)?;
                budget.enter()?;
                parents.push(left);
                // Each element takes a byte at least.
                left = usize::try_from(count)
                    .ok()
                    .filter(|count| *count <= rest.len())
                    .ok_or(CUT)?;
            }
        }
    }
}

/// Whether there is one number, or another value of fixed length: there is nothing to scan then.
#[inline]
fn is_scalar(bytes: &[u8]) -> bool {
    matches!(
        (bytes.first(), bytes.len()),
        (Some(0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3), 1)
            | (Some(0xcc | 0xd0), 2)
            | (Some(0xcd | 0xd1), 3)
            | (Some(0xca | 0xce | 0xd2), 5)
            | (Some(0xcb | 0xcf | 0xd3), 9)
    )
}

const CUT: ScanError = ScanError::Malformed("the bytes end inside a value");

/// What stands behind a marker.
enum Head {
    /// So many bytes that are not looked into.
    Plain(usize),
    /// So many values.
    Holds(u64),
}

#[inline]
fn read_head(rest: &mut &[u8]) -> Result<Head, ScanError> {
    let [marker] = take(rest)?;
    Ok(match marker {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Head::Plain(0),
        0x80..=0x8f => Head::Holds(2 * u64::from(marker & 0x0f)),
        0x90..=0x9f => Head::Holds(u64::from(marker & 0x0f)),
        0xa0..=0xbf => Head::Plain(usize::from(marker & 0x1f)),
        0xcc | 0xd0 => Head::Plain(1),
        0xcd | 0xd1 => Head::Plain(2),
        0xca | 0xce | 0xd2 => Head::Plain(4),
        0xcb | 0xcf | 0xd3 => Head::Plain(8),
        0xc4 | 0xd9 => Head::Plain(usize::from(u8::from_be_bytes(take(rest)?))),
        0xc5 | 0xda => Head::Plain(usize::from(u16::from_be_bytes(take(rest)?))),
        0xc6 | 0xdb => {
            Head::Plain(usize::try_from(u32::from_be_bytes(take(rest)?)).map_err(|_| CUT)?)
        }
        0xdc => Head::Holds(u64::from(u16::from_be_bytes(take(rest)?))),
        0xdd => Head::Holds(u64::from(u32::from_be_bytes(take(rest)?))),
        0xde => Head::Holds(2 * u64::from(u16::from_be_bytes(take(rest)?))),
        0xdf => Head::Holds(2 * u64::from(u32::from_be_bytes(take(rest)?))),
        0xc1 => return Err(ScanError::Malformed("the byte c1 begins no value")),
        0xc7..=0xc9 | 0xd4..=0xd8 => {
            return Err(ScanError::Malformed("extension types are not used"));
        }
    })
}

#[inline]
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ScanError> {
    let (taken, after) = rest.split_first_chunk().ok_or(CUT)?;
    *rest = after;
    Ok(*taken)
}

/// How many values each open list or map still waits for; the first few without an
/// allocation, since most values are flat.
#[derive(Default)]
struct Parents {
    depth: usize,
    near: [usize; 8],
    far: Vec<usize>,
}

impl Parents {
    #[inline]
    fn push(&mut self, left: usize) {
        match self.near.get_mut(self.depth) {
            Some(place) => *place = left,
            None => self.far.push(left),
        }
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<usize> {
        self.depth = self.depth.checked_sub(1)?;
        match self.near.get(self.depth) {
            Some(left) => Some(*left),
            None => self.far.pop(),
        }
    }
}
