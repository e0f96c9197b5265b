//! Numbers, texts and a cursor over a peer's bytes.
//!
//! A number travels as LEB128: seven bits a byte, low ones first, and only in its
//! shortest form, so that every message has exactly one encoding.

use super::violation::Violation;
use crate::id::{CallId, Slot, StreamId};

/// Ids are below this, so that a kind fits beside them in one 32-bit number.
pub const ID_LIMIT: u32 = 1 << 30;

/// The longest form of a number: ten bytes for 64 bits.
const LONGEST: usize = 10;

/// One number as it travels, without an allocation.
#[derive(Debug, Clone, Copy)]
pub struct Varint {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Varint {
    /// Encodes `value`.
    pub const fn new(value: u64) -> Self {
        let mut bytes = [0; LONGEST];
        let mut left = value;
        let mut length = 0;
        while left >= 0x80 {
            bytes[length] = (left & 0x7f) as u8 | 0x80;
            left >>= 7;
            length += 1;
        }
        bytes[length] = left as u8;
        Self {
            bytes,
            length: length + 1,
        }
    }

    /// The bytes, one to ten.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Appends a number.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    match u8::try_from(value) {
        Ok(byte) if byte < 0x80 => out.push(byte),
        _ => put_long(out, value),
    }
}

#[cold]
fn put_long(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(Varint::new(value).as_slice());
}

/// Appends `bytes` behind their length.
pub fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Tells how many bytes a number takes.
pub const fn varint_length(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Cuts `text` to at most `limit` bytes, between characters.
pub fn cut_text(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A cursor over bytes from a peer. Every read is checked.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Reads one byte.
    ///
    /// # Errors
    ///
    /// [`Violation::FrameEndsEarly`] if none is left.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Violation> {
        let (first, rest) = self.left.split_first().ok_or(Violation::FrameEndsEarly)?;
        self.left = rest;
        Ok(*first)
    }

    /// Reads a number of at most 32 bits.
    ///
    /// # Errors
    ///
    /// If the bytes end, the form is not the shortest, or the number is larger.
    #[inline]
    pub fn varint32(&mut self) -> Result<u32, Violation> {
        u32::try_from(self.varint64()?).map_err(|_| Violation::NumberTooLarge)
    }

    /// Reads a number of at most 64 bits.
    ///
    /// # Errors
    ///
    /// If the bytes end, the form is not the shortest, or the number is larger.
    #[inline]
    pub fn varint64(&mut self) -> Result<u64, Violation> {
        match self.byte()? {
            first @ ..0x80 => Ok(u64::from(first)),
            first => self.rest_of_varint(first),
        }
    }

    fn rest_of_varint(&mut self, first: u8) -> Result<u64, Violation> {
        let mut value = u64::from(first & 0x7f);
        let mut last = first;
        let mut shift = 0;
        while last & 0x80 != 0 {
            shift += 7;
            last = self.byte()?;
            let bits = u64::from(last & 0x7f);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(Violation::NumberTooLarge);
            }
            value |= bits << shift;
        }
        if last == 0 {
            return Err(Violation::NumberNotShortest);
        }
        Ok(value)
    }

    /// Reads the id of a call.
    ///
    /// # Errors
    ///
    /// As [`varint32`](Self::varint32), and if it is not below [`ID_LIMIT`].
    #[inline]
    pub fn call(&mut self) -> Result<CallId, Violation> {
        Ok(CallId(self.id()?))
    }

    /// Reads the number of a slot.
    ///
    /// # Errors
    ///
    /// As [`varint32`](Self::varint32), and if it is not below [`ID_LIMIT`].
    #[inline]
    pub fn slot(&mut self) -> Result<Slot, Violation> {
        Ok(Slot(self.id()?))
    }

    /// Reads the number of a stream.
    ///
    /// # Errors
    ///
    /// Those of [`id`](Self::id).
    pub fn stream(&mut self) -> Result<StreamId, Violation> {
        Ok(StreamId(self.id()?))
    }

    /// Reads an id of any kind.
    ///
    /// # Errors
    ///
    /// As [`varint32`](Self::varint32), and if it is not below [`ID_LIMIT`].
    #[inline]
    pub fn id(&mut self) -> Result<u32, Violation> {
        let id = self.varint32()?;
        if id < ID_LIMIT {
            Ok(id)
        } else {
            Err(Violation::IdTooLarge)
        }
    }

    /// Reads four bytes, low one first.
    ///
    /// # Errors
    ///
    /// [`Violation::FrameEndsEarly`] if fewer are left.
    pub fn u32_le(&mut self) -> Result<u32, Violation> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads eight bytes, low one first.
    ///
    /// # Errors
    ///
    /// [`Violation::FrameEndsEarly`] if fewer are left.
    pub fn u64_le(&mut self) -> Result<u64, Violation> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads exactly `count` bytes.
    ///
    /// # Errors
    ///
    /// [`Violation::FrameEndsEarly`] if fewer are left.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self
            .left
            .split_at_checked(count)
            .ok_or(Violation::FrameEndsEarly)?;
        self.left = rest;
        Ok(taken)
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    ///
    /// As [`varint32`](Self::varint32) and [`bytes`](Self::bytes).
    pub fn prefixed(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.varint32()?;
        self.bytes(usize::try_from(length).map_err(|_| Violation::NumberTooLarge)?)
    }

    /// Reads a length and a text of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`prefixed`](Self::prefixed), if it is longer, and if it is not UTF-8.
    pub fn text(&mut self, limit: usize) -> Result<&'a str, Violation> {
        let bytes = self.prefixed()?;
        if bytes.len() > limit {
            return Err(Violation::TextTooLong);
        }
        std::str::from_utf8(bytes).map_err(|_| Violation::TextNotUtf8)
    }

    /// Takes all bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    /// The number of bytes that are left.
    pub const fn len(&self) -> usize {
        self.left.len()
    }

    /// Tells whether no bytes are left.
    pub const fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`Violation::TrailingBytes`] if bytes are left.
    pub const fn finish(&self) -> Result<(), Violation> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Violation::TrailingBytes)
        }
    }

    /// Reads exactly `N` bytes.
    ///
    /// # Errors
    ///
    /// [`Violation::FrameEndsEarly`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (taken, rest) = self
            .left
            .split_first_chunk()
            .ok_or(Violation::FrameEndsEarly)?;
        self.left = rest;
        Ok(*taken)
    }
}
