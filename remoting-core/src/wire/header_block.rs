//! The header block of a call or an answer, as it is written.
//!
//! Entries leave in the order of their keys and a value that is the default does
//! not leave at all, so the same header always makes the same bytes.

use std::fmt;

use super::header::{DEFAULT_CODEC, DEFAULT_DEADLINE_MS, MAX_PAIR_BYTES, MAX_PAIRS, key};
use super::locks::{LockTokens, TOKEN_LENGTH};
use super::references::Referred;
use super::varint::{put_prefixed, put_varint, varint_length};

/// A header block to be written. The empty one allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct HeaderBlock {
    codec: Option<u8>,
    deadline_ms: Option<u64>,
    locks: LockTokens,
    depth: u32,
    /// The entries of key 3, ready to leave.
    references: Vec<u8>,
    pairs: Pairs,
}

/// The entries of key 10, ready to leave.
#[derive(Debug, Clone, Default)]
struct Pairs {
    encoded: Vec<u8>,
    count: usize,
    bytes: usize,
}

/// The user pairs of a message exceed 64 in number or 8 KiB in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairsTooLarge;

impl fmt::Display for PairsTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a call carries at most {MAX_PAIRS} headers of {MAX_PAIR_BYTES} bytes in all"
        )
    }
}

impl std::error::Error for PairsTooLarge {}

impl HeaderBlock {
    /// Makes a block without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells whether nothing needs to be written.
    pub fn is_empty(&self) -> bool {
        self.codec.is_none()
            && self.deadline_ms.is_none()
            && self.locks.is_empty()
            && self.references.is_empty()
            && self.depth == 0
            && self.pairs.count == 0
    }

    /// Tells how the payload is encoded.
    pub fn set_codec(&mut self, codec: u8) {
        self.codec = Some(codec).filter(|codec| *codec != DEFAULT_CODEC);
    }

    /// Tells how many milliseconds are left.
    pub fn set_deadline_ms(&mut self, deadline_ms: u64) {
        self.deadline_ms = Some(deadline_ms).filter(|left| *left != DEFAULT_DEADLINE_MS);
    }

    /// Tells which locks the calls above hold.
    pub fn set_locks(&mut self, locks: &LockTokens) {
        self.locks = locks.clone();
    }

    /// Tells how many calls stand above this one.
    pub fn set_depth(&mut self, depth: u32) {
        self.depth = depth;
    }

    /// The same block, with the objects that the payload refers to. There are at most
    /// [`MAX_REFERENCES`](super::MAX_REFERENCES).
    #[must_use]
    pub fn with_references(&self, referred: impl IntoIterator<Item = Referred>) -> Self {
        let mut block = self.clone();
        block.references.clear();
        for referred in referred {
            referred.write(&mut block.references);
        }
        block
    }

    /// Adds what the user sends along.
    ///
    /// # Errors
    ///
    /// [`PairsTooLarge`] if there are 64 pairs, or names and values would have more
    /// than 8 KiB; the block is then unchanged.
    pub fn add_pair(&mut self, name: &str, value: &str) -> Result<(), PairsTooLarge> {
        let pairs = &mut self.pairs;
        let bytes = pairs
            .bytes
            .saturating_add(name.len())
            .saturating_add(value.len());
        if pairs.count >= MAX_PAIRS || bytes > MAX_PAIR_BYTES {
            return Err(PairsTooLarge);
        }
        pairs.count += 1;
        pairs.bytes = bytes;
        let length = varint_length(name.len() as u64) + name.len() + value.len();
        put_varint(&mut pairs.encoded, key::PAIR);
        put_varint(&mut pairs.encoded, length as u64);
        put_prefixed(&mut pairs.encoded, name.as_bytes());
        pairs.encoded.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// Appends the block: its length and its entries. An empty block is one byte.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.length() as u64);
        if let Some(deadline_ms) = self.deadline_ms {
            put_varint(out, key::DEADLINE);
            put_varint(out, varint_length(deadline_ms) as u64);
            put_varint(out, deadline_ms);
        }
        if !self.references.is_empty() {
            put_varint(out, key::REFERENCES);
            put_prefixed(out, &self.references);
        }
        out.extend_from_slice(&self.pairs.encoded);
        if let Some(codec) = self.codec {
            put_varint(out, key::CODEC);
            put_prefixed(out, &[codec]);
        }
        if !self.locks.is_empty() {
            put_varint(out, key::LOCKS);
            put_varint(out, self.locks_length() as u64);
            self.locks.write(out);
        }
        if self.depth > 0 {
            let depth = u64::from(self.depth);
            put_varint(out, key::DEPTH);
            put_varint(out, varint_length(depth) as u64);
            put_varint(out, depth);
        }
    }

    /// The number of bytes of all entries.
    fn length(&self) -> usize {
        let deadline = self.deadline_ms.map_or(0, |left| 2 + varint_length(left));
        let codec = self.codec.map_or(0, |_| 3);
        let locks = match self.locks_length() {
            0 => 0,
            length => 1 + varint_length(length as u64) + length,
        };
        let references = match self.references.len() {
            0 => 0,
            length => 1 + varint_length(length as u64) + length,
        };
        let depth = match u64::from(self.depth) {
            0 => 0,
            depth => 2 + varint_length(depth),
        };
        deadline + depth + references + self.pairs.encoded.len() + codec + locks
    }

    fn locks_length(&self) -> usize {
        self.locks.as_slice().len() * TOKEN_LENGTH
    }
}
