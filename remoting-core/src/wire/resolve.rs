//! RESOLVE: how a caller comes by the slot of an object it can name.

use super::header::{Header, whole};
use super::varint::{Reader, Varint};
use super::violation::Violation;
use crate::id::{CallId, InterfaceId, MethodId, Slot};
use crate::payload::Payload;

/// How long a key is at most.
pub const MAX_KEY: usize = 256;

/// A request for the slot of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve<'a> {
    /// The call that the answer names.
    pub call: CallId,
    /// What is wanted.
    pub request: ResolveRequest<'a>,
    /// The payload goes on in a CONT.
    pub more: bool,
    /// The header block.
    pub header: Header<'a>,
    /// The constructor's arguments; empty unless something is activated.
    pub payload: &'a [u8],
}

/// Which object is wanted, and seen through which interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolveRequest<'a> {
    /// How the key is to be understood.
    pub what: ResolveWhat,
    /// The interface that the caller knows the object by.
    pub interface: InterfaceId,
    /// The hash of the interface's signatures as the caller knows them.
    pub signature: u64,
    /// A name, a ticket, or the slot of a cast; at most 256 bytes.
    pub key: &'a [u8],
}

/// How the key of a RESOLVE is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolveWhat {
    /// The name of a publication.
    Name,
    /// The name of a publication of which this constructor makes an object.
    Activate(MethodId),
    /// A ticket.
    Ticket,
    /// A slot, which is wanted through another interface.
    Cast,
}

impl ResolveWhat {
    /// The slot that the key of a cast names.
    pub fn slot(key: &[u8]) -> Option<Slot> {
        whole(key, Reader::slot).ok()
    }

    /// The number that stands for it in a frame.
    pub const fn number(self) -> u8 {
        match self {
            Self::Name => 0,
            Self::Activate(_) => 1,
            Self::Ticket => 2,
            Self::Cast => 3,
        }
    }
}

impl ResolveRequest<'_> {
    /// The slot that a cast names.
    ///
    /// # Errors
    ///
    /// [`Violation::BadResolveKey`] if the key is not one slot, which
    /// [`Message::parse`](super::Message::parse) lets through for no cast.
    pub fn slot(&self) -> Result<Slot, Violation> {
        whole(self.key, Reader::slot).map_err(|_| Violation::BadResolveKey)
    }

    /// Reads what lies between the call and the header block.
    pub(super) fn parse<'a>(reader: &mut Reader<'a>) -> Result<ResolveRequest<'a>, Violation> {
        let number = reader.byte()?;
        if number > ResolveWhat::Cast.number() {
            return Err(Violation::UnknownResolve);
        }
        let interface = InterfaceId(reader.u64_le()?);
        let signature = reader.u64_le()?;
        let key = reader.prefixed()?;
        if key.len() > MAX_KEY {
            return Err(Violation::BadResolveKey);
        }
        let what = match number {
            0 => ResolveWhat::Name,
            1 => ResolveWhat::Activate(MethodId(reader.u32_le()?)),
            2 => ResolveWhat::Ticket,
            _ => ResolveWhat::Cast,
        };
        let request = ResolveRequest {
            what,
            interface,
            signature,
            key,
        };
        if what == ResolveWhat::Cast {
            request.slot()?;
        }
        Ok(request)
    }
}

/// What the RETURN of a RESOLVE carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolveAnswer {
    /// The object's slot.
    pub slot: Slot,
    /// The hash of the interface's signatures as the object's side knows them.
    pub signature: u64,
}

impl ResolveAnswer {
    /// Appends the answer to a payload.
    pub fn write(self, out: &mut Payload) {
        out.extend_from_slice(Varint::new(u64::from(self.slot.0)).as_slice());
        out.extend_from_slice(&self.signature.to_le_bytes());
    }

    /// Reads an answer that takes up all of `payload`.
    ///
    /// # Errors
    ///
    /// [`Violation::BadResolveAnswer`] if it is anything else.
    pub fn parse(payload: &[u8]) -> Result<Self, Violation> {
        whole(payload, |reader| {
            Ok(Self {
                slot: reader.slot()?,
                signature: reader.u64_le()?,
            })
        })
        .map_err(|_| Violation::BadResolveAnswer)
    }
}
