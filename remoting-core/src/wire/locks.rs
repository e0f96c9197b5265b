//! The locks that the calls above a call hold.
//!
//! The list travels with each nested call, so that an object whose caller's
//! caller holds it is found out before anybody waits for ever.

use std::sync::Arc;

use super::varint::Reader;
use super::violation::Violation;
use crate::id::LockToken;

/// How many tokens a call carries at most.
pub const MAX_LOCKS: usize = 16;

/// The number of bytes of one token.
pub(super) const TOKEN_LENGTH: usize = 8;

/// A list of up to [`MAX_LOCKS`] tokens. The empty list, which almost every call
/// has, allocates nothing; a copy of any list is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockTokens(Option<Arc<[LockToken]>>);

impl LockTokens {
    /// The list without tokens.
    pub const EMPTY: Self = Self(None);

    /// The tokens, outermost call first.
    pub fn as_slice(&self) -> &[LockToken] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Tells whether there are no tokens.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Tells whether `token` is one of them.
    pub fn contains(&self, token: LockToken) -> bool {
        self.as_slice().contains(&token)
    }

    /// This list and `token` behind it, or `None` if the list is full.
    ///
    /// A token that is in the list already is not added again.
    pub fn with(&self, token: LockToken) -> Option<Self> {
        let held = self.as_slice();
        if held.contains(&token) {
            return Some(self.clone());
        }
        if held.len() >= MAX_LOCKS {
            return None;
        }
        Some(Self(Some(held.iter().copied().chain([token]).collect())))
    }

    /// Reads the value of header key 12.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Violation> {
        let count = bytes.len() / TOKEN_LENGTH;
        if !(1..=MAX_LOCKS).contains(&count) || bytes.len() % TOKEN_LENGTH != 0 {
            return Err(Violation::BadLockTokens);
        }
        let mut reader = Reader::new(bytes);
        let mut tokens = Vec::with_capacity(count);
        while !reader.is_empty() {
            tokens.push(LockToken(reader.array()?));
        }
        Ok(Self(Some(tokens.into())))
    }

    /// Appends the value of header key 12.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for token in self.as_slice() {
            out.extend_from_slice(&token.0);
        }
    }
}
