//! The bytes that wait to be written, and how far they have got.

use bytes::Bytes;

use super::gathered::Gathered;

/// A buffer of whole frames with a count of all bytes before and in it.
///
/// Positions are counted from the session's first byte, so that the end of a
/// frame can later be compared with what the kernel took. Large payloads are not
/// copied into the buffer: they stand beside it, with the place where they belong.
#[derive(Debug, Default)]
pub(super) struct Output {
    gathered: Gathered,
    taken: u64,
    written: u64,
    /// What was given away before, and has to be written once more, in front of all else.
    again: Option<Gathered>,
    /// How many bytes of that the kernel has not taken.
    again_left: usize,
}

impl Output {
    /// Where frames are appended.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.gathered.small
    }

    /// Where the next frame begins in the buffer.
    pub(super) fn mark(&self) -> usize {
        self.gathered.small.len()
    }

    /// Puts bytes behind what was appended, without copying them.
    pub(super) fn push(&mut self, bytes: Bytes) {
        let gathered = &mut self.gathered;
        gathered.large_bytes = gathered.large_bytes.saturating_add(bytes.len());
        gathered.large.push((gathered.small.len(), bytes));
    }

    /// How many bytes wait to be taken.
    pub(super) fn len(&self) -> usize {
        let again = self.again.as_ref().map_or(0, Gathered::len);
        self.gathered.len().saturating_add(again)
    }

    /// How many bytes wait that were never given away.
    pub(super) fn new_len(&self) -> usize {
        self.gathered.len()
    }

    /// The position behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.taken.saturating_add(self.gathered.len() as u64)
    }

    /// How many bytes the kernel has taken.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How many bytes the kernel has not taken yet.
    pub(super) fn unsent(&self) -> usize {
        let new = usize::try_from(self.end().saturating_sub(self.written)).unwrap_or(usize::MAX);
        new.saturating_add(self.again_left)
    }

    /// Has bytes that were given away before written once more, before all others.
    ///
    /// - `greeting`: goes in front of them.
    pub(super) fn repeat(&mut self, greeting: Vec<u8>, bytes: &Gathered) {
        let mut again = Gathered::of(greeting);
        again.append(bytes);
        // What was not written is now, and nobody can tell it apart.
        self.written = self.taken;
        self.again_left = again.len();
        self.again = Some(again).filter(|again| !again.is_empty());
    }

    /// So many bytes go in front of those that were taken last, and have no position.
    pub(super) fn count_extra(&mut self, bytes: usize) {
        self.again_left = self.again_left.saturating_add(bytes);
    }

    /// How many bytes have to be written once more before all others.
    pub(super) fn again_len(&self) -> Option<usize> {
        self.again.as_ref().map(Gathered::len)
    }

    /// Gives away what has to be written once more.
    pub(super) fn take_again(&mut self) -> Option<Gathered> {
        self.again.take()
    }

    /// Gives the bytes away and goes on in `spare`.
    pub(super) fn take(&mut self, mut spare: Vec<u8>) -> Gathered {
        spare.clear();
        self.taken = self.end();
        let next = Gathered::of(spare);
        std::mem::replace(&mut self.gathered, next)
    }

    /// Whether anything has been given away yet.
    pub(super) fn is_begun(&self) -> bool {
        self.taken > 0
    }

    /// The kernel has taken `bytes` more, of those that were given away.
    pub(super) fn on_written(&mut self, bytes: usize) {
        let again = bytes.min(self.again_left);
        self.again_left = self.again_left.saturating_sub(again);
        let new = bytes.saturating_sub(again) as u64;
        self.written = self.written.saturating_add(new).min(self.taken);
    }

    /// Throws away what was not given away yet.
    pub(super) fn clear(&mut self) {
        self.gathered.small.clear();
        self.gathered.large.clear();
        self.gathered.large_bytes = 0;
        (self.again, self.again_left) = (None, 0);
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
        assert_eq!(output.take(vec![1, 2, 3]).flat(), b"hello");
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

    #[test]
    fn what_is_written_once_more_goes_first_and_counts_as_nothing_new() {
        let mut output = Output::default();
        output.buffer().extend_from_slice(b"frame");
        let taken = output.take(Vec::new());
        output.on_written(2);
        output.buffer().extend_from_slice(b"new");
        output.repeat(b"hello".to_vec(), &taken);
        assert_eq!((output.len(), output.end(), output.unsent()), (13, 8, 13));
        assert_eq!(
            output.take_again().map(|again| again.flat()),
            Some(b"helloframe".to_vec())
        );
        output.on_written(7);
        assert_eq!((output.written(), output.unsent()), (5, 6));
        assert_eq!(output.take(Vec::new()).flat(), b"new");
        output.on_written(6);
        assert_eq!((output.written(), output.unsent()), (8, 0));
    }

    #[test]
    fn large_payloads_leave_where_they_belong_however_the_writes_fall() {
        for step in 1..12 {
            let mut output = Output::default();
            output.push(Bytes::from_static(b"one"));
            output.buffer().extend_from_slice(b"-2-");
            output.push(Bytes::from_static(b"three"));
            output.push(Bytes::from_static(b"four"));
            output.buffer().extend_from_slice(b"-5");
            let whole = b"one-2-threefour-5";
            assert_eq!((output.len(), output.mark()), (whole.len(), 5));
            let mut gathered = output.take(Vec::new());
            assert_eq!(gathered.flat(), whole);
            let mut written = Vec::new();
            while !gathered.is_empty() {
                assert_eq!(gathered.flat(), &whole[written.len()..]);
                assert!(gathered.flat().starts_with(gathered.first()));
                let flat = gathered.flat();
                let part = flat.get(..step).unwrap_or(&flat);
                written.extend_from_slice(part);
                gathered.advance(part.len());
            }
            assert_eq!(written, whole);
        }
    }
}
