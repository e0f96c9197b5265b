//! RELEASE: references that are held no more, and answers that may be forgotten.
//!
//! Both lists are checked when the frame is read and then walked where they lie.

use super::varint::Reader;
use super::violation::Violation;
use crate::id::{CallId, Slot};

/// What a RELEASE gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release<'a> {
    /// The slots and how many of the references to each.
    pub slots: ReleasedSlots<'a>,
    /// The calls whose kept answers may be forgotten.
    pub calls: ForgottenCalls<'a>,
}

/// A checked list of slots, each with a count of at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleasedSlots<'a>(&'a [u8]);

/// A checked list of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForgottenCalls<'a>(&'a [u8]);

impl<'a> ReleasedSlots<'a> {
    /// The slots and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, u32)> + use<'a> {
        let mut reader = Reader::new(self.0);
        // The list was checked: an error is its end.
        std::iter::from_fn(move || slot_and_count(&mut reader).ok())
    }
}

impl<'a> ForgottenCalls<'a> {
    /// The calls.
    pub fn iter(&self) -> impl Iterator<Item = CallId> + use<'a> {
        let mut reader = Reader::new(self.0);
        // The list was checked: an error is its end.
        std::iter::from_fn(move || reader.call().ok())
    }
}

impl<'a> Release<'a> {
    pub(super) fn parse(reader: &mut Reader<'a>) -> Result<Self, Violation> {
        let slots = list(reader, slot_and_count)?;
        let calls = list(reader, Reader::call)?;
        Ok(Self {
            slots: ReleasedSlots(slots),
            calls: ForgottenCalls(calls),
        })
    }
}

fn slot_and_count(reader: &mut Reader<'_>) -> Result<(Slot, u32), Violation> {
    let slot = reader.slot()?;
    match reader.varint32()? {
        0 => Err(Violation::ReleaseOfNothing),
        count => Ok((slot, count)),
    }
}

/// Checks a count and that many elements; gives the bytes of the elements.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    element: impl Fn(&mut Reader<'a>) -> Result<T, Violation>,
) -> Result<&'a [u8], Violation> {
    let count = reader.varint32()?;
    let mut ahead = reader.clone();
    // Each element takes at least a byte: a false count ends with the frame.
    for _ in 0..count {
        element(&mut ahead)?;
    }
    reader.bytes(reader.len().saturating_sub(ahead.len()))
}
