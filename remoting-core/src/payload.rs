//! The bytes of one call's arguments or result.
//!
//! Most calls are small, and a small payload lives inside the value that carries
//! it: no allocation. A larger one moves to the heap once and stays there. Objects that
//! go along by reference are attached; what they are only the layers above know.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;

/// How many bytes fit without an allocation.
const INLINE: usize = 54;

/// Encoded arguments or an encoded result, with the objects that they refer to.
#[derive(Clone)]
pub struct Payload {
    bytes: Repr,
    attached: Option<Arc<Attached>>,
}

/// Behind one thin pointer, so that payloads without references stay small.
struct Attached(Box<dyn Any + Send + Sync>);

#[derive(Clone)]
enum Repr {
    Inline { length: u8, bytes: [u8; INLINE] },
    Heap(Vec<u8>),
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
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.as_slice().len()
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

    /// Attaches the objects that the bytes refer to, in place of others.
    pub(crate) fn attach(&mut self, attachment: impl Any + Send + Sync) {
        self.attached = Some(Arc::new(Attached(Box::new(attachment))));
    }

    /// What is attached, if it is an `A`.
    pub(crate) fn attached<A: Any>(&self) -> Option<&A> {
        self.attached.as_ref()?.0.downcast_ref()
    }

    /// Whether anything is attached.
    pub(crate) const fn has_attached(&self) -> bool {
        self.attached.is_some()
    }

    /// Takes off what is attached, if it is an `A` and no clone of the payload has it too.
    pub(crate) fn detach<A: Any>(&mut self) -> Option<A> {
        let attached = Arc::into_inner(self.attached.take()?)?;
        attached.0.downcast().ok().map(|attachment| *attachment)
    }
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

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Repr::Heap(bytes),
            attached: None,
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
