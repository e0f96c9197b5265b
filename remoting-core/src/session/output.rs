//! The bytes that wait to be written, and how far they have got.

use std::io::IoSlice;

use bytes::Bytes;

use crate::wire::measure;

/// A buffer that has grown beyond this is not kept when it is empty.
const KEEP: usize = 64 * 1024;

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

/// Bytes on their way out: small ones together, large ones where their owners have put them.
#[derive(Debug, Default, Clone)]
pub struct Gathered {
    small: Vec<u8>,
    /// With the place in `small` in front of which they belong.
    large: Vec<(usize, Bytes)>,
    /// How many of `large` were written.
    gone: usize,
    /// How many bytes of `small` were written.
    done: usize,
    /// How many bytes are left in `large`.
    large_bytes: usize,
}

impl Gathered {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        let small = self.small.len().saturating_sub(self.done);
        small.saturating_add(self.large_bytes)
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The large payloads that are not written.
    fn left(&self) -> &[(usize, Bytes)] {
        self.large.get(self.gone..).unwrap_or_default()
    }

    /// The first bytes, up to the first large payload.
    pub fn first(&self) -> &[u8] {
        let end = self.left().first().map_or(self.small.len(), |(at, _)| *at);
        match self.small.get(self.done..end) {
            Some(small) if !small.is_empty() => small,
            _ => self.left().first().map_or(&[], |(_, bytes)| bytes),
        }
    }

    /// The bytes from the beginning on, as far as `slices` holds them. Gives how many of
    /// `slices` are used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut from = self.done;
        let mut used = 0;
        let rest = (self.small.len(), None);
        let large = self.left().iter().map(|(at, bytes)| (*at, Some(bytes)));
        for (at, bytes) in large.chain([rest]) {
            let small = self.small.get(from..at).unwrap_or_default();
            for part in [small, bytes.map_or(&[], |bytes| bytes)] {
                match slices.get_mut(used) {
                    None => return used,
                    Some(_) if part.is_empty() => {}
                    Some(slice) => {
                        *slice = IoSlice::new(part);
                        used = used.saturating_add(1);
                    }
                }
            }
            from = at;
        }
        used
    }

    /// Whether all of it is one slice.
    pub fn is_one(&self) -> bool {
        self.left().is_empty()
    }

    /// Drops the first `count` bytes, which have been written.
    pub fn advance(&mut self, mut count: usize) {
        if self.large_bytes == 0 {
            self.done = self.done.saturating_add(count).min(self.small.len());
            return;
        }
        while count > 0 {
            let end = self.left().first().map_or(self.small.len(), |(at, _)| *at);
            let small = end.saturating_sub(self.done).min(count);
            self.done = self.done.saturating_add(small);
            count = count.saturating_sub(small);
            let next = self.large.get_mut(self.gone).filter(|_| count > 0);
            let Some((_, bytes)) = next else {
                return;
            };
            let large = bytes.len().min(count);
            drop(bytes.split_to(large));
            self.large_bytes = self.large_bytes.saturating_sub(large);
            count = count.saturating_sub(large);
            if bytes.is_empty() {
                self.gone = self.gone.saturating_add(1);
            }
        }
    }

    /// The kind of the first frame, if these are whole frames, and how many bytes it has in all.
    pub(super) fn head(&self) -> Option<(u8, usize)> {
        measure(self.small.get(self.done..)?)
    }

    /// Adds bytes of which nothing has been written.
    pub(super) fn append(&mut self, other: &Self) {
        self.append_part(&other.small, &other.large);
    }

    /// Adds the first frame to others.
    ///
    /// - `length`: how many bytes it has.
    pub(super) fn copy_frame(&self, length: usize, into: &mut Self) {
        let rest = self.small.get(self.done..).unwrap_or_default();
        // A large payload is the end of its frame.
        let own = self.left().first().filter(|(at, bytes)| {
            let before = at.saturating_sub(self.done);
            before.saturating_add(bytes.len()) == length
        });
        match own {
            Some((at, bytes)) => {
                let before = at.saturating_sub(self.done);
                let tail = [(before, bytes.clone())];
                into.append_part(rest.get(..before).unwrap_or_default(), &tail);
            }
            None => into.append_part(rest.get(..length).unwrap_or_default(), &[]),
        }
    }

    fn append_part(&mut self, small: &[u8], large: &[(usize, Bytes)]) {
        let begin = self.small.len();
        self.small.extend_from_slice(small);
        for (at, bytes) in large {
            self.large_bytes = self.large_bytes.saturating_add(bytes.len());
            self.large.push((begin.saturating_add(*at), bytes.clone()));
        }
    }

    /// Gives back the room of what has been written, once that is most of it.
    pub(super) fn tidy(&mut self) {
        if self.is_empty() && self.small.capacity() > KEEP {
            *self = Self::default();
        }
        if self.done.saturating_mul(2) < self.small.len() {
            return;
        }
        self.small.drain(..self.done.min(self.small.len()));
        self.large.drain(..self.gone.min(self.large.len()));
        for (at, _) in &mut self.large {
            *at = at.saturating_sub(self.done);
        }
        (self.done, self.gone) = (0, 0);
    }

    /// The room of what has been written, for more to come.
    pub fn into_spare(self) -> Vec<u8> {
        let mut spare = self.small;
        spare.clear();
        spare
    }

    /// All bytes, one after the other.
    #[cfg(test)]
    pub(super) fn flat(&self) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); 2 * self.large.len() + 1];
        let used = self.slices(&mut slices);
        slices
            .iter()
            .take(used)
            .flat_map(|slice| slice.to_vec())
            .collect()
    }
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
        let mut again = Gathered {
            small: greeting,
            ..Gathered::default()
        };
        again.append(bytes);
        // What was not written is now, and nobody can tell it apart.
        self.written = self.taken;
        self.again_left = again.len();
        self.again = Some(again).filter(|again| !again.is_empty());
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
        let next = Gathered {
            small: spare,
            ..Gathered::default()
        };
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

    /// Takes what was given away for written: somebody is handing it to the kernel right now.
    pub(super) fn assume_written(&mut self) {
        self.written = self.taken;
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

    /// A frame that announces `length` bytes, of which `here` are in the buffer.
    fn frame(kind: u8, here: &[u8], length: u8) -> Vec<u8> {
        [&[length, 0, 0, kind], here].concat()
    }

    #[test]
    fn frames_are_copied_one_by_one_with_the_payloads_that_stand_beside_them() {
        let mut output = Output::default();
        output.buffer().extend(frame(1, b"one", 3));
        output.buffer().extend(frame(2, b"two-", 9));
        output.push(Bytes::from_static(b"large"));
        output.buffer().extend(frame(3, b"", 5));
        output.push(Bytes::from_static(b"again"));
        output.buffer().extend(frame(4, b"", 0));
        let all = output.take(Vec::new());
        for skipped in 0..=4 {
            let (mut rest, mut kept, mut number) = (all.clone(), Gathered::default(), 0);
            let mut seen = Vec::new();
            while let Some((kind, length)) = rest.head() {
                if number >= skipped {
                    rest.copy_frame(length, &mut kept);
                    seen.push(kind);
                }
                rest.advance(length);
                rest.tidy();
                number += 1;
            }
            assert!(rest.is_empty());
            assert_eq!(seen, (1 + skipped..=4).collect::<Vec<u8>>());
            assert!(all.flat().ends_with(&kept.flat()), "{skipped}");
            assert_eq!(kept.len(), kept.flat().len());
        }
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
