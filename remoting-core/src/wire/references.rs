//! The reference table: the objects and streams that a payload names by their index in it.
//!
//! It is checked when the header is read and then walked where it lies.

use super::varint::{Reader, put_varint};
use super::violation::Violation;
use crate::id::{CallId, InterfaceId, Slot, StreamId};

/// How many objects one message refers to at most.
pub const MAX_REFERENCES: usize = 1024;

/// Two sides' words for whose object is meant.
mod whose {
    pub(super) const SENDERS: u8 = 0;
    pub(super) const RECEIVERS: u8 = 1;
    pub(super) const ANSWER: u8 = 2;
    pub(super) const STREAM: u8 = 4;
}

/// An object that a message refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referred {
    /// One that the sender has exported, and that the receiver holds once more from now on.
    Senders {
        /// The sender's slot.
        slot: Slot,
        /// The interface that the slot is seen through.
        interface: InterfaceId,
    },
    /// One that the receiver has exported: it comes home.
    Receivers(Slot),
    /// The one that an earlier call of the sender answers with.
    Answer(CallId),
    /// Not an object but a stream, whose items the sender is going to send.
    Stream(StreamId),
}

/// A checked reference table, perhaps an empty one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReferenceTable<'a>(&'a [u8]);

impl<'a> ReferenceTable<'a> {
    /// The table without entries.
    pub(super) const EMPTY: Self = Self(&[]);

    /// Checks the value of header key 3.
    pub(super) fn parse(value: &'a [u8]) -> Result<Self, Violation> {
        let mut reader = Reader::new(value);
        let mut count = 0_usize;
        while !reader.is_empty() {
            referred(&mut reader)?;
            count = count.saturating_add(1);
        }
        match count {
            1..=MAX_REFERENCES => Ok(Self(value)),
            _ => Err(Violation::BadReferences),
        }
    }

    /// Whether nothing is referred to.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it refers to answers.
    pub fn has_answers(&self) -> bool {
        self.iter()
            .any(|referred| matches!(referred, Referred::Answer(_)))
    }

    /// The objects, in the order of their indexes.
    pub fn iter(&self) -> impl Iterator<Item = Referred> + use<'a> {
        let mut reader = Reader::new(self.0);
        // The table was checked: an error is its end.
        std::iter::from_fn(move || referred(&mut reader).ok())
    }
}

impl Referred {
    /// Appends the entry.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Senders { slot, interface } => {
                out.push(whose::SENDERS);
                put_varint(out, u64::from(slot.0));
                out.extend_from_slice(&interface.0.to_le_bytes());
            }
            Self::Receivers(slot) => {
                out.push(whose::RECEIVERS);
                put_varint(out, u64::from(slot.0));
            }
            Self::Answer(call) => {
                out.push(whose::ANSWER);
                put_varint(out, u64::from(call.0));
            }
            Self::Stream(stream) => {
                out.push(whose::STREAM);
                put_varint(out, u64::from(stream.0));
            }
        }
    }
}

fn referred(reader: &mut Reader<'_>) -> Result<Referred, Violation> {
    match reader.byte()? {
        whose::SENDERS => Ok(Referred::Senders {
            slot: reader.slot()?,
            interface: InterfaceId(reader.u64_le()?),
        }),
        whose::RECEIVERS => reader.slot().map(Referred::Receivers),
        whose::ANSWER => reader.call().map(Referred::Answer),
        whose::STREAM => reader.stream().map(Referred::Stream),
        _ => Err(Violation::BadReferences),
    }
}
