//! The bytes of one call's arguments or result.
//!
//! Most calls are small, and a small payload lives inside the value that carries
//! it: no allocation. A larger one moves to the heap once and stays there, and one that is
//! large is shared rather than copied on its way. Objects that go along by reference are
//! attached, and so are the headers of a reply; what the objects are only the layers above know.

mod attached;
mod batch;

use std::fmt;
use std::io;
use std::sync::OnceLock;

use bytes::Bytes;

use attached::Attached;
pub(crate) use attached::{Headers, header_of, pairs, unless_empty};
pub use batch::Batch;
pub(crate) use batch::{Entry, REFERRING};

/// How many bytes fit without an allocation.
const INLINE: usize = 54;

/// A payload of fewer bytes is copied rather than shared: to write it on its own would cost more.
pub(crate) const LARGE: usize = 16 * 1024;

/// Encoded arguments or an encoded result, with the objects that they refer to.
#[derive(Clone)]
pub struct Payload {
    bytes: Repr,
    attached: Option<Box<Attached>>,
}

#[derive(Clone)]
enum Repr {
    Inline { length: u8, bytes: [u8; INLINE] },
    Heap(Vec<u8>),
    Shared(Bytes),
    Joined(Box<Joined>),
}

/// Bytes behind others, that become one only if somebody asks for them as one.
#[derive(Clone)]
struct Joined {
    head: Vec<u8>,
    tail: Bytes,
    whole: OnceLock<Vec<u8>>,
}

impl Joined {
    fn whole(&self) -> &[u8] {
        self.whole
            .get_or_init(|| [&self.head, &*self.tail].concat())
    }
}

/// A payload on its way into the output: bytes, and behind them some that can be shared.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) tail: Option<&'a Bytes>,
    /// The headers of a reply.
    pub(crate) headers: &'a [(String, String)],
}

impl Content<'_> {
    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        let tail = self.tail.map_or(0, |tail| tail.len());
        self.head.len().saturating_add(tail)
    }
}

impl<'a> From<&'a [u8]> for Content<'a> {
    fn from(head: &'a [u8]) -> Self {
        Self {
            head,
            tail: None,
            headers: &[],
        }
    }
}

impl<'a> From<&'a Payload> for Content<'a> {
    fn from(payload: &'a Payload) -> Self {
        let headers = payload.headers();
        match &payload.bytes {
            Repr::Shared(bytes) => Self {
                head: &[],
                tail: Some(bytes),
                headers,
            },
            Repr::Joined(joined) => Self {
                head: &joined.head,
                tail: Some(&joined.tail),
                headers,
            },
            Repr::Inline { .. } | Repr::Heap(_) => Self {
                head: payload.as_slice(),
                tail: None,
                headers,
            },
        }
    }
}

impl Payload {
    /// Makes an empty payload.
    pub const fn new() -> Self {
        Self {
            bytes: Repr::Inline {
                length: 0,
                bytes: [0; INLINE],
            },
            attached: None,
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.bytes {
            Repr::Inline { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Repr::Heap(bytes) => bytes,
            Repr::Shared(bytes) => bytes,
            Repr::Joined(joined) => joined.whole(),
        }
    }

    /// Bytes in front of others, without copying those.
    #[cfg_attr(
        not(feature = "msgpack"),
        expect(dead_code, reason = "other formats have no row of bytes as it is")
    )]
    pub(crate) fn joined(head: Vec<u8>, tail: Vec<u8>) -> Self {
        let joined = Joined {
            head,
            tail: snug(tail).into(),
            whole: OnceLock::new(),
        };
        Self {
            bytes: Repr::Joined(Box::new(joined)),
            attached: None,
        }
    }

    /// Makes it cheap to clone, if it is large.
    pub(crate) fn share(&mut self) {
        if let Repr::Heap(bytes) = &mut self.bytes {
            if bytes.len() >= LARGE {
                self.bytes = Repr::Shared(snug(std::mem::take(bytes)).into());
            }
        }
    }

    /// The bytes from `begin` on as their own, in the room that they have where nobody else has them.
    #[cfg_attr(
        not(feature = "msgpack"),
        expect(dead_code, reason = "other formats have no row of bytes as it is")
    )]
    pub(crate) fn into_vec(self, begin: usize) -> Vec<u8> {
        match self.bytes {
            Repr::Heap(mut bytes) => {
                bytes.drain(..begin.min(bytes.len()));
                bytes
            }
            Repr::Shared(mut bytes) => {
                drop(bytes.split_to(begin.min(bytes.len())));
                bytes.into()
            }
            Repr::Joined(joined) if joined.head.len() == begin => joined.tail.into(),
            Repr::Inline { .. } | Repr::Joined(_) => {
                let bytes = self.as_slice().get(begin..);
                bytes.unwrap_or_default().to_vec()
            }
        }
    }

    /// The first bytes, if not all of them.
    #[cfg_attr(
        not(feature = "msgpack"),
        expect(dead_code, reason = "other formats have no row of bytes as it is")
    )]
    pub(crate) fn first(&self) -> &[u8] {
        match &self.bytes {
            Repr::Joined(joined) => &joined.head,
            Repr::Inline { .. } | Repr::Heap(_) | Repr::Shared(_) => self.as_slice(),
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        Content::from(self).len()
    }

    /// Tells whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends `more`.
    #[inline]
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        match &mut self.bytes {
            Repr::Heap(bytes) => bytes.extend_from_slice(more),
            Repr::Inline { length, bytes } => {
                let free = bytes.get_mut(usize::from(*length)..).unwrap_or_default();
                match free.get_mut(..more.len()) {
                    Some(place) => {
                        place.copy_from_slice(more);
                        // No more than `INLINE`, since there was room.
                        *length += more.len() as u8;
                    }
                    None => self.spill(more),
                }
            }
            Repr::Shared(_) | Repr::Joined(_) => self.spill(more),
        }
    }

    /// Moves to the heap and appends `more`.
    #[cold]
    fn spill(&mut self, more: &[u8]) {
        let total = self.len().saturating_add(more.len());
        let mut heap = Vec::with_capacity(total.max(4 * INLINE));
        heap.extend_from_slice(self.as_slice());
        heap.extend_from_slice(more);
        self.bytes = Repr::Heap(heap);
    }
}

/// The same bytes in at most twice the room: they may be kept for long.
fn snug(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.capacity() / 2 > bytes.len() {
        bytes.shrink_to_fit();
    }
    bytes
}

impl Default for Payload {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        let mut payload = Self::new();
        payload.extend_from_slice(bytes);
        payload
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self {
            bytes: Repr::Shared(bytes),
            attached: None,
        }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Repr::Heap(bytes),
            attached: None,
        }
    }
}

impl From<Payload> for Bytes {
    /// The bytes, in the room that they have; what is attached is lost, headers too.
    fn from(payload: Payload) -> Self {
        match payload.bytes {
            Repr::Heap(bytes) => snug(bytes).into(),
            Repr::Shared(bytes) => bytes,
            Repr::Inline { .. } => Self::copy_from_slice(payload.as_slice()),
            Repr::Joined(joined) => {
                let Joined { head, tail, whole } = *joined;
                let whole = whole.into_inner();
                whole.unwrap_or_else(|| [&head, &*tail].concat()).into()
            }
        }
    }
}

impl io::Write for Payload {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_the_same_bytes_whether_it_is_shared_or_joined() {
        let bytes: Vec<u8> = (0..2 * LARGE).map(|n| n as u8).collect();
        let (head, tail) = bytes.split_at(5);
        let mut shared = Payload::from(bytes.clone());
        shared.share();
        for payload in [
            Payload::joined(head.to_vec(), tail.to_vec()),
            Payload::from(bytes.clone()),
            shared,
        ] {
            assert_eq!(payload.len(), bytes.len());
            assert!(payload.as_slice() == bytes);
            assert!(payload.clone().into_vec(7) == bytes[7..]);
            assert!(Bytes::from(payload.clone()) == bytes);
            let content = Content::from(&payload);
            let tail = content.tail.map_or(&[] as &[u8], |tail| tail);
            assert!([content.head, tail].concat() == bytes);
            let mut longer = payload;
            longer.extend_from_slice(b"more");
            assert!(longer.as_slice() == [&bytes, &b"more"[..]].concat());
        }
    }

    #[test]
    fn what_is_shared_takes_at_most_twice_its_room() {
        let roomy = || {
            let mut bytes = Vec::with_capacity(100 * LARGE);
            bytes.resize(LARGE, 1);
            bytes
        };
        let mut shared = Payload::from(roomy());
        shared.share();
        let joined = Payload::joined(Vec::new(), roomy());
        for payload in [shared, joined] {
            let tail = Content::from(&payload).tail.cloned().unwrap();
            drop(payload);
            assert!(Vec::from(tail).capacity() <= 2 * LARGE);
        }
    }

    #[test]
    fn a_payload_keeps_its_bytes_when_it_outgrows_its_inline_place() {
        for total in [0, 1, INLINE - 1, INLINE, INLINE + 1, 1000] {
            let bytes: Vec<u8> = (0..total).map(|n| n as u8).collect();
            for step in [1, 7, total.max(1)] {
                let mut payload = Payload::new();
                for chunk in bytes.chunks(step) {
                    payload.extend_from_slice(chunk);
                }
                assert_eq!(
                    payload.as_slice(),
                    bytes,
                    "{total} bytes in steps of {step}"
                );
            }
        }
    }
}
