//! The bytes that wait to be written, and how far they have got.

/// A buffer of whole frames with a count of all bytes before and in it.
///
/// Positions are counted from the session's first byte, so that the end of a
/// frame can later be compared with what the kernel took.
#[derive(Debug, Default)]
pub(super) struct Output {
    buffer: Vec<u8>,
    taken: u64,
    written: u64,
}

impl Output {
    /// Where frames are appended.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// How many bytes wait to be taken.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The position behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.taken.saturating_add(self.buffer.len() as u64)
    }

    /// How many bytes the kernel has taken.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How many bytes the kernel has not taken yet.
    pub(super) fn unsent(&self) -> usize {
        usize::try_from(self.end().saturating_sub(self.written)).unwrap_or(usize::MAX)
    }

    /// Gives the bytes away and goes on in `spare`.
    pub(super) fn take(&mut self, mut spare: Vec<u8>) -> Vec<u8> {
        spare.clear();
        self.taken = self.end();
        std::mem::replace(&mut self.buffer, spare)
    }

    /// Whether anything has been given away yet.
    pub(super) fn is_begun(&self) -> bool {
        self.taken > 0
    }

    /// The kernel has taken `bytes` more, of those that were given away.
    pub(super) fn on_written(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes as u64).min(self.taken);
    }

    /// Takes what was given away for written: somebody is handing it to the kernel right now.
    pub(super) fn assume_written(&mut self) {
        self.written = self.taken;
    }

    /// Throws away what was not given away yet.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_on_when_the_buffer_is_taken() {
        let mut output = Output::default();
        output.buffer().extend_from_slice(b"hello");
        assert_eq!(
            (output.end(), output.unsent(), output.is_begun()),
            (5, 5, false)
        );
        assert_eq!(output.take(vec![1, 2, 3]), b"hello");
        output.buffer().extend_from_slice(b"you");
        output.on_written(4);
        assert_eq!((output.len(), output.end(), output.unsent()), (3, 8, 4));
        output.on_written(100);
        assert_eq!(
            output.written(),
            5,
            "what was not taken cannot have been written"
        );
    }
}
