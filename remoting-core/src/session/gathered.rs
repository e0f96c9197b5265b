//! Bytes of whole frames, on their way out or kept until they have arrived.

use std::io::IoSlice;

use bytes::Bytes;

use crate::wire::measure;

/// A buffer that has grown beyond this is not kept when it is empty.
const KEEP: usize = 64 * 1024;

/// Bytes on their way out: small ones together, large ones where their owners have put them.
#[derive(Debug, Default, Clone)]
pub struct Gathered {
    pub(super) small: Vec<u8>,
    /// With the place in `small` in front of which they belong.
    pub(super) large: Vec<(usize, Bytes)>,
    /// How many of `large` were written.
    gone: usize,
    /// How many bytes of `small` were written.
    done: usize,
    /// How many bytes are left in `large`.
    pub(super) large_bytes: usize,
}

impl Gathered {
    pub(super) fn of(small: Vec<u8>) -> Self {
        Self {
            small,
            ..Self::default()
        }
    }

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
    #[inline]
    pub fn advance(&mut self, count: usize) {
        if self.large_bytes == 0 {
            self.done = self.done.saturating_add(count).min(self.small.len());
        } else {
            self.advance_past_large(count);
        }
    }

    fn advance_past_large(&mut self, mut count: usize) {
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
    #[inline]
    pub(super) fn head(&self) -> Option<(u8, usize)> {
        measure(self.small.get(self.done..)?)
    }

    /// Drops frames up to so many of those that count, if these are whole frames. Gives how many of them there were.
    pub(super) fn drop_frames(&mut self, most: u64, counts: impl Fn(u8) -> bool) -> u64 {
        let mut dropped = 0_u64;
        if self.large_bytes == 0 {
            // They stand one behind the other.
            let mut rest = self.small.get(self.done..).unwrap_or_default();
            while let Some((kind, length)) = measure(rest).filter(|_| dropped < most) {
                rest = rest.get(length..).unwrap_or_default();
                dropped = dropped.saturating_add(u64::from(counts(kind)));
            }
            self.done = self.small.len().saturating_sub(rest.len());
            return dropped;
        }
        while let Some((kind, length)) = self.head().filter(|_| dropped < most) {
            self.advance(length);
            dropped = dropped.saturating_add(u64::from(counts(kind)));
        }
        dropped
    }

    /// Adds bytes of which nothing has been written.
    pub(super) fn append(&mut self, other: &Self) {
        self.append_part(&other.small, &other.large);
    }

    /// Puts bytes in front of others, of which nothing has been written.
    pub(super) fn prepend(&mut self, bytes: &[u8]) {
        self.small.splice(..0, bytes.iter().copied());
        for (at, _) in &mut self.large {
            *at = at.saturating_add(bytes.len());
        }
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

#[cfg(test)]
mod tests {
    use super::super::output::Output;
    use super::*;

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
}
