//! The header block of a call or an answer, as it is written.
//!
//! Entries leave in the order of their keys and a value that is the default does
//! not leave at all, so the same header always makes the same bytes.

use std::fmt;

use super::header::{DEFAULT_CODEC, DEFAULT_DEADLINE_MS, MAX_PAIR_BYTES, MAX_PAIRS, key};
use super::locks::{LockTokens, TOKEN_LENGTH};
use super::references::Referred;
use super::varint::{put_prefixed, put_varint, varint_length};
use crate::trace::{TRACE_BYTES, TraceContext, is_state};

/// A header block to be written. The empty one allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct HeaderBlock {
    codec: Option<u8>,
    deadline_ms: Option<u64>,
    depth: u32,
    rare: Option<Box<Rare>>,
}

/// What few calls carry.
#[derive(Debug, Clone, Default)]
struct Rare {
    locks: LockTokens,
    /// The entries of key 3, ready to leave.
    references: Vec<u8>,
    trace: Option<[u8; TRACE_BYTES]>,
    /// Empty for none.
    trace_state: Box<str>,
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
        self.codec.is_none() && self.deadline_ms.is_none() && self.depth == 0 && self.rare.is_none()
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
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
        if !locks.is_empty() {
            self.rare().locks = locks.clone();
        }
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
        let mut references = Vec::new();
        for referred in referred {
            referred.write(&mut references);
        }
        if !references.is_empty() || block.rare.is_some() {
            block.rare().references = references;
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
        let known = self.rare.as_ref().map(|rare| &rare.pairs);
        let (count, bytes) = known.map_or((0, 0), |pairs| (pairs.count, pairs.bytes));
        let bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        if count >= MAX_PAIRS || bytes > MAX_PAIR_BYTES {
            return Err(PairsTooLarge);
        }
        let pairs = &mut self.rare().pairs;
        pairs.count += 1;
        pairs.bytes = bytes;
        let length = varint_length(name.len() as u64) + name.len() + value.len();
        put_varint(&mut pairs.encoded, key::PAIR);
        put_varint(&mut pairs.encoded, length as u64);
        put_prefixed(&mut pairs.encoded, name.as_bytes());
        pairs.encoded.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// Adds what handlers find beside the arguments: the first `traceparent` as the place in a trace, if it can be
    /// one, the first `tracestate` behind it as its state, if it can be one, and all else as what the user sends along.
    ///
    /// # Errors
    ///
    /// As of [`Self::add_pair`].
    pub fn add_header(&mut self, name: &str, value: &str) -> Result<(), PairsTooLarge> {
        let rare = self.rare.as_deref();
        let place = rare.and_then(|rare| rare.trace.as_ref());
        match name {
            TraceContext::HEADER if place.is_none() => {
                if let Some(trace) = TraceContext::parse(value) {
                    self.rare().trace = Some(trace.to_bytes());
                    return Ok(());
                }
            }
            TraceContext::STATE_HEADER if place.is_some() => {
                let is_first = rare.is_some_and(|rare| rare.trace_state.is_empty());
                if is_first && is_state(value) {
                    self.rare().trace_state = value.into();
                    return Ok(());
                }
            }
            _ => {}
        }
        self.add_pair(name, value)
    }

    /// Appends the block: its length and its entries. An empty block is one byte.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.length() as u64);
        if let Some(deadline_ms) = self.deadline_ms {
            put_varint(out, key::DEADLINE);
            put_varint(out, varint_length(deadline_ms) as u64);
            put_varint(out, deadline_ms);
        }
        let rare = self.rare.as_deref();
        if let Some(rare) = rare {
            if !rare.references.is_empty() {
                put_varint(out, key::REFERENCES);
                put_prefixed(out, &rare.references);
            }
            if let Some(trace) = &rare.trace {
                put_varint(out, key::TRACE);
                put_prefixed(out, trace);
            }
            out.extend_from_slice(&rare.pairs.encoded);
        }
        if let Some(codec) = self.codec {
            put_varint(out, key::CODEC);
            put_prefixed(out, &[codec]);
        }
        if let Some(rare) = rare.filter(|rare| !rare.locks.is_empty()) {
            put_varint(out, key::LOCKS);
            put_varint(out, rare.locks_length() as u64);
            rare.locks.write(out);
        }
        if self.depth > 0 {
            let depth = u64::from(self.depth);
            put_varint(out, key::DEPTH);
            put_varint(out, varint_length(depth) as u64);
            put_varint(out, depth);
        }
        if let Some(rare) = rare.filter(|rare| !rare.trace_state.is_empty()) {
            put_varint(out, key::TRACE_STATE);
            put_prefixed(out, rare.trace_state.as_bytes());
        }
    }

    /// The number of bytes of all entries.
    fn length(&self) -> usize {
        let deadline = self.deadline_ms.map_or(0, |left| 2 + varint_length(left));
        let codec = self.codec.map_or(0, |_| 3);
        let depth = match u64::from(self.depth) {
            0 => 0,
            depth => 2 + varint_length(depth),
        };
        let rare = self.rare.as_ref().map_or(0, |rare| rare.length());
        deadline + depth + codec + rare
    }
}

impl Rare {
    /// The number of bytes of its entries.
    fn length(&self) -> usize {
        let entry = |length: usize| match length {
            0 => 0,
            length => 1 + varint_length(length as u64) + length,
        };
        let trace = self.trace.map_or(0, |trace| trace.len());
        let trace = entry(trace) + entry(self.trace_state.len());
        let own = entry(self.references.len()) + trace + entry(self.locks_length());
        own + self.pairs.encoded.len()
    }

    fn locks_length(&self) -> usize {
        self.locks.as_slice().len() * TOKEN_LENGTH
    }
}
