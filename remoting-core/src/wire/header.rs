//! The header block of a call or an answer, as it is read.
//!
//! A block is its length and a row of entries `key, length, bytes`. An odd key is
//! critical: who does not know it must not execute the call. What is not there
//! has a meaning too: no key 2 is a deadline of 30 s, no key 11 is MessagePack.

use std::ops::Deref;

use super::locks::LockTokens;
use super::references::ReferenceTable;
use super::varint::Reader;
use super::violation::Violation;
use crate::trace::{TRACE_BYTES, TraceContext};

/// The keys of header blocks; those of HELLO are its own.
pub(super) mod key {
    pub(in crate::wire) const DEADLINE: u64 = 2;
    pub(in crate::wire) const REFERENCES: u64 = 3;
    pub(in crate::wire) const TRACE: u64 = 4;
    pub(in crate::wire) const IDEMPOTENCY: u64 = 5;
    pub(in crate::wire) const PAIR: u64 = 10;
    pub(in crate::wire) const CODEC: u64 = 11;
    pub(in crate::wire) const LOCKS: u64 = 12;
    pub(in crate::wire) const DEPTH: u64 = 16;
    pub(in crate::wire) const TRACE_STATE: u64 = 18;
    /// The keys up to here have meanings, and only [`PAIR`] may occur twice.
    pub(in crate::wire) const LAST: u64 = 18;
}

/// The deadline of a call that tells none: 30 s.
pub const DEFAULT_DEADLINE_MS: u64 = 30_000;

/// The codec of a call that tells none: MessagePack.
pub const DEFAULT_CODEC: u8 = 1;

/// How many user pairs a message carries at most.
pub const MAX_PAIRS: usize = 64;

/// How many bytes the names and values of all user pairs have at most.
pub const MAX_PAIR_BYTES: usize = 8 * 1024;

const MAX_IDEMPOTENCY_KEY: usize = 64;

/// A header block that was read. Most messages have none, and then this is one empty word.
#[derive(Debug, Clone, Default)]
pub struct Header<'a>(Option<Box<Entries<'a>>>);

/// What stands in a header block. Without a block it is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries<'a> {
    /// How the payload is encoded, if it was said (key 11).
    pub codec: Option<u8>,
    /// How many milliseconds are left, if it was said (key 2).
    pub deadline_ms: Option<u64>,
    /// The locks that the calls above hold (key 12).
    pub locks: LockTokens,
    /// How many calls stand above this one (key 16).
    pub depth: u32,
    /// What the user sends along (key 10).
    pub user: UserPairs<'a>,
    /// The place of the call in a trace, 25 bytes (key 4).
    pub trace: Option<&'a [u8]>,
    /// What tracers have noted there, as it was sent (key 18).
    pub trace_state: Option<&'a [u8]>,
    /// The key of a call that may be repeated, 1 to 64 bytes (key 5).
    pub idempotency_key: Option<&'a [u8]>,
    /// The objects that the payload refers to (key 3).
    pub references: ReferenceTable<'a>,
    /// The first critical key that is not known here: the call is `Unsupported`.
    pub unknown_critical: Option<u64>,
}

/// What stands in a block that is not there.
static NO_ENTRIES: Entries<'static> = Entries {
    codec: None,
    deadline_ms: None,
    locks: LockTokens::EMPTY,
    depth: 0,
    user: UserPairs { block: &[] },
    trace: None,
    trace_state: None,
    idempotency_key: None,
    references: ReferenceTable::EMPTY,
    unknown_critical: None,
};

impl<'a> Deref for Header<'a> {
    type Target = Entries<'a>;

    #[inline]
    fn deref(&self) -> &Entries<'a> {
        match &self.0 {
            Some(entries) => entries,
            None => &NO_ENTRIES,
        }
    }
}

impl<'a> From<Entries<'a>> for Header<'a> {
    fn from(entries: Entries<'a>) -> Self {
        Self(Some(Box::new(entries)))
    }
}

impl PartialEq for Header<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Header<'_> {}

impl<'a> Header<'a> {
    /// Reads the entries of a block, without its length.
    ///
    /// # Errors
    ///
    /// If an entry does not end inside the block, has a value that its key does
    /// not allow, or is there twice.
    #[inline]
    pub fn parse(block: &'a [u8]) -> Result<Self, Violation> {
        if block.is_empty() {
            return Ok(Self(None));
        }
        Entries::parse(block).map(Self::from)
    }
}

impl<'a> Entries<'a> {
    /// The codec of the payload, MessagePack if nothing was said.
    pub fn codec_or_default(&self) -> u8 {
        self.codec.unwrap_or(DEFAULT_CODEC)
    }

    /// The milliseconds that are left, 30,000 if nothing was said.
    pub fn deadline_ms_or_default(&self) -> u64 {
        self.deadline_ms.unwrap_or(DEFAULT_DEADLINE_MS)
    }

    /// What handlers find beside the arguments: the place in a trace, if it can be one, as a `traceparent` and perhaps a
    /// `tracestate`, and then what the user sends along.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let Some(trace) = self.trace.and_then(TraceContext::from_bytes) else {
            return self.user_pairs();
        };
        let state = self.trace_state.unwrap_or_default();
        let trace = trace.with_state(std::str::from_utf8(state).unwrap_or_default());
        trace.headers().chain(self.user_pairs()).collect()
    }

    /// What the user sends along.
    pub fn user_pairs(&self) -> Vec<(String, String)> {
        let user = self.user.iter();
        user.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn parse(block: &'a [u8]) -> Result<Self, Violation> {
        let mut header = Self::default();
        let mut seen = SeenKeys::default();
        let mut pairs = PairCount::default();
        let mut reader = Reader::new(block);
        while !reader.is_empty() {
            let (key, value) = entry(&mut reader)?;
            if key == key::PAIR {
                pairs.add(value)?;
                continue;
            }
            if key <= key::LAST {
                seen.add(key)?;
            }
            header.take(key, value)?;
        }
        if pairs.count > 0 {
            header.user = UserPairs { block };
        }
        Ok(header)
    }

    fn take(&mut self, key: u64, value: &'a [u8]) -> Result<(), Violation> {
        match key {
            key::DEADLINE => self.deadline_ms = Some(whole(value, Reader::varint64)?),
            key::REFERENCES => self.references = ReferenceTable::parse(value)?,
            key::TRACE if value.len() != TRACE_BYTES => return Err(Violation::BadTrace),
            key::TRACE => self.trace = Some(value),
            key::IDEMPOTENCY if !(1..=MAX_IDEMPOTENCY_KEY).contains(&value.len()) => {
                return Err(Violation::BadIdempotencyKey);
            }
            key::IDEMPOTENCY => self.idempotency_key = Some(value),
            key::CODEC => self.codec = Some(whole(value, Reader::byte)?),
            key::LOCKS => self.locks = LockTokens::parse(value)?,
            key::DEPTH => self.depth = whole(value, Reader::varint32)?,
            key::TRACE_STATE => self.trace_state = Some(value),
            _ if key % 2 == 1 => {
                self.unknown_critical.get_or_insert(key);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads one entry of any header block.
pub(super) fn entry<'a>(reader: &mut Reader<'a>) -> Result<(u64, &'a [u8]), Violation> {
    Ok((reader.varint64()?, reader.prefixed()?))
}

/// Reads a value that takes up all of `bytes`.
pub(super) fn whole<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Violation>,
) -> Result<T, Violation> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// The keys below 64 that have occurred in a block.
#[derive(Default)]
pub(super) struct SeenKeys(u64);

impl SeenKeys {
    pub(super) fn add(&mut self, key: u64) -> Result<(), Violation> {
        let bit = u32::try_from(key)
            .ok()
            .and_then(|key| 1u64.checked_shl(key))
            .unwrap_or(0);
        if self.0 & bit != 0 {
            return Err(Violation::HeaderKeyTwice);
        }
        self.0 |= bit;
        Ok(())
    }
}

#[derive(Default)]
struct PairCount {
    count: usize,
    bytes: usize,
}

impl PairCount {
    fn add(&mut self, value: &[u8]) -> Result<(), Violation> {
        let (name, text) = pair(value)?;
        self.count = self.count.saturating_add(1);
        self.bytes = self
            .bytes
            .saturating_add(name.len())
            .saturating_add(text.len());
        if self.count > MAX_PAIRS || self.bytes > MAX_PAIR_BYTES {
            return Err(Violation::TooManyPairs);
        }
        Ok(())
    }
}

/// Reads the value of key 10: the name behind its length, then the value.
fn pair(value: &[u8]) -> Result<(&str, &str), Violation> {
    let mut reader = Reader::new(value);
    let name = reader.text(MAX_PAIR_BYTES)?;
    let text = std::str::from_utf8(reader.rest()).map_err(|_| Violation::TextNotUtf8)?;
    Ok((name, text))
}

/// What the user sends along: names and values, in the order of the sender.
#[derive(Debug, Clone, Default)]
pub struct UserPairs<'a> {
    /// Entries that [`Header::parse`] has accepted, and other keys between them.
    block: &'a [u8],
}

impl<'a> UserPairs<'a> {
    /// Tells whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// The pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut reader = Reader::new(self.block);
        // A malformed entry would end the iteration, but `parse` let none through.
        std::iter::from_fn(move || entry(&mut reader).ok())
            .filter(|(key, _)| *key == key::PAIR)
            .filter_map(|(_, value)| pair(value).ok())
    }
}

impl PartialEq for UserPairs<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UserPairs<'_> {}
