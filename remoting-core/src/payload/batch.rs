//! Items of a stream on their way together.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::{LARGE, Payload};

/// Items of a stream, one behind the other, and how many more are wanted.
///
/// What is few bytes and nothing else, as most items are, stands in one buffer and takes two bytes more.
#[derive(Debug)]
pub struct Batch {
    /// The items that are few bytes and nothing else. What is behind `end` does not count.
    bytes: Vec<u8>,
    /// How long each item is that stands in `bytes`; [`OTHER`] for one that does not.
    lengths: Vec<u16>,
    /// The items that do not: long ones, and those that refer to something.
    others: VecDeque<Payload>,
    /// How many of `lengths` were taken out,
    taken: usize,
    /// and how many of `bytes`.
    begin: usize,
    end: usize,
    /// The bytes of all items that are there.
    total: usize,
    /// How many of them refer to something.
    referring: usize,
    /// Full with what weighs as much as so many plain items,
    most_items: usize,
    /// or so many bytes.
    most_bytes: usize,
}

/// Stands for the length of an item that is not among the bytes.
const OTHER: u16 = u16::MAX;

/// An item that refers to something weighs as much as so many that do not.
pub(crate) const REFERRING: usize = 16;

/// A buffer that has grown beyond this is not kept when it is empty.
const KEEP: usize = 64 * 1024;

/// An item in a batch.
#[derive(Debug)]
pub(crate) enum Entry<'b, P> {
    /// Bytes and nothing else.
    Plain(&'b [u8]),
    /// Many bytes, or something that refers to something.
    Other(P),
}

impl Batch {
    /// An empty batch, which is full with one item.
    pub const fn one() -> Self {
        Self {
            bytes: Vec::new(),
            lengths: Vec::new(),
            others: VecDeque::new(),
            taken: 0,
            begin: 0,
            end: 0,
            total: 0,
            referring: 0,
            most_items: 1,
            most_bytes: usize::MAX,
        }
    }

    /// How many items there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.lengths.len().saturating_sub(self.taken)
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no more items are wanted.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.weight() >= self.most_items || self.total >= self.most_bytes
    }

    /// Puts an item behind the others.
    pub fn push(&mut self, item: Payload) {
        match item.len() < LARGE && !item.has_attached() {
            true => self.push_plain(item.as_slice()),
            false => self.push_other(item),
        }
    }

    /// Takes out the first item.
    pub fn pop(&mut self) -> Option<Payload> {
        self.take_first().map(|first| match first {
            Entry::Plain(bytes) => Payload::from(bytes),
            Entry::Other(payload) => payload,
        })
    }

    /// The same, without a copy.
    #[inline]
    pub(crate) fn take_first(&mut self) -> Option<Entry<'_, Payload>> {
        let length = *self.lengths.get(self.taken)?;
        self.taken = self.taken.saturating_add(1);
        if length == OTHER {
            let payload = self.others.pop_front()?;
            self.total = self.total.saturating_sub(payload.len());
            let refers = usize::from(payload.has_attached());
            self.referring = self.referring.saturating_sub(refers);
            return Some(Entry::Other(payload));
        }
        let (begin, length) = (self.begin, usize::from(length));
        self.begin = begin.saturating_add(length);
        self.total = self.total.saturating_sub(length);
        Some(Entry::Plain(
            self.bytes.get(begin..self.begin).unwrap_or_default(),
        ))
    }

    /// How many of the items refer to something.
    pub(crate) fn referring(&self) -> usize {
        self.referring
    }

    /// How much room the items take beside their bytes: as much as so many plain ones.
    #[inline]
    fn weight(&self) -> usize {
        let more = self.referring.saturating_mul(REFERRING.saturating_sub(1));
        self.len().saturating_add(more)
    }

    /// How many bytes the items have.
    pub(crate) fn bytes(&self) -> usize {
        self.total
    }

    /// Says with how much it is full.
    pub(crate) fn set_room(&mut self, items: usize, bytes: usize) {
        (self.most_items, self.most_bytes) = (items, bytes);
    }

    /// The items, from the first one on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry<'_, &Payload>> {
        let (mut others, mut begin) = (self.others.iter(), self.begin);
        let lengths = self.lengths.get(self.taken..).unwrap_or_default();
        lengths.iter().map_while(move |length| {
            if *length == OTHER {
                return others.next().map(Entry::Other);
            }
            let from = begin;
            begin = from.saturating_add(usize::from(*length));
            self.bytes.get(from..begin).map(Entry::Plain)
        })
    }

    /// The items that are not plain.
    pub(crate) fn others(&self) -> &VecDeque<Payload> {
        &self.others
    }

    /// The same, when the others are not needed.
    pub(crate) fn into_others(self) -> impl Iterator<Item = Payload> {
        self.others.into_iter()
    }

    /// The same, to be changed.
    pub(crate) fn others_mut(&mut self) -> &mut VecDeque<Payload> {
        &mut self.others
    }

    /// Puts an item behind the others that is bytes and nothing else.
    #[inline]
    pub(crate) fn push_plain(&mut self, item: &[u8]) {
        self.writer().extend_from_slice(item);
        self.written();
    }

    /// Where the next item is written, up to [`written`](Self::written). What is not written to its end does not count.
    #[inline]
    pub(crate) fn writer(&mut self) -> &mut Vec<u8> {
        if self.taken > 0 && self.is_empty() {
            self.clear();
        }
        self.bytes.truncate(self.end);
        &mut self.bytes
    }

    /// Puts what was [written](Self::writer) behind the other items.
    #[inline]
    pub(crate) fn written(&mut self) {
        let length = self.bytes.len().saturating_sub(self.end);
        match u16::try_from(length) {
            Ok(short) if length < LARGE => {
                self.end = self.bytes.len();
                self.total = self.total.saturating_add(length);
                self.lengths.push(short);
            }
            _ => {
                let item = self.unwritten();
                self.push_other(item);
            }
        }
    }

    /// Takes out what was [written](Self::writer).
    pub(crate) fn unwritten(&mut self) -> Payload {
        Payload::from(match self.end {
            0 => std::mem::take(&mut self.bytes),
            end => self.bytes.split_off(end.min(self.bytes.len())),
        })
    }

    fn push_other(&mut self, mut item: Payload) {
        item.share();
        self.tidy();
        self.total = self.total.saturating_add(item.len());
        self.referring = self
            .referring
            .saturating_add(usize::from(item.has_attached()));
        self.lengths.push(OTHER);
        self.others.push_back(item);
    }

    /// Drops the first items.
    pub(crate) fn drop_first(&mut self, count: usize) {
        if count >= self.len() {
            return self.clear();
        }
        for _ in 0..count {
            self.take_first();
        }
        self.tidy();
    }

    /// Drops one of those that are not plain, and what is behind it.
    ///
    /// - `before`: how many of them are before it.
    pub(crate) fn cut(&mut self, before: usize) {
        while self.others.len() > before {
            self.drop_last();
        }
    }

    fn drop_last(&mut self) {
        let length = match self.lengths.pop() {
            None => return,
            Some(OTHER) => {
                let other = self.others.pop_back();
                let refers = other.as_ref().is_some_and(Payload::has_attached);
                self.referring = self.referring.saturating_sub(usize::from(refers));
                other.map_or(0, |other| other.len())
            }
            Some(length) => {
                self.end = self.end.saturating_sub(usize::from(length));
                usize::from(length)
            }
        };
        self.total = self.total.saturating_sub(length);
    }

    /// Moves the first items behind those of another batch: at least one, and no more than weigh as much as so many
    /// plain ones, and have so many bytes.
    pub(crate) fn move_to(&mut self, into: &mut Self, items: usize, bytes: usize) {
        if into.is_empty() && self.weight() <= items && self.total <= bytes {
            into.clear();
            std::mem::swap(self, into);
            std::mem::swap(&mut self.most_items, &mut into.most_items);
            std::mem::swap(&mut self.most_bytes, &mut into.most_bytes);
            return;
        }
        into.tidy();
        into.bytes.truncate(into.end);
        let (from, first) = (self.begin, self.taken);
        let (mut moved, mut weight) = (0_usize, 0_usize);
        if self.others.is_empty() {
            (moved, weight) = self.take_plain(items, bytes);
        }
        while let Some(length) = self.lengths.get(self.taken) {
            let (length, weighs) = match (*length, self.others.front()) {
                (OTHER, Some(other)) => (other.len(), weight_of(other)),
                (length, _) => (usize::from(length), 1),
            };
            let sum = (moved.saturating_add(length), weight.saturating_add(weighs));
            if self.taken > first && (sum.0 > bytes || sum.1 > items) {
                break;
            }
            (moved, weight) = sum;
            if let Some(Entry::Other(payload)) = self.take_first() {
                into.others.push_back(payload);
            }
        }
        let bytes = self.bytes.get(from..self.begin).unwrap_or_default();
        into.bytes.extend_from_slice(bytes);
        into.end = into.bytes.len();
        let lengths = self.lengths.get(first..self.taken).unwrap_or_default();
        into.lengths.extend_from_slice(lengths);
        into.total = into.total.saturating_add(moved);
        into.referring = into
            .others
            .iter()
            .filter(|item| item.has_attached())
            .count();
        self.tidy();
    }

    /// Takes out the first items, which are all plain, if they are no more bytes; tells how many those are, and how
    /// many items.
    fn take_plain(&mut self, items: usize, bytes: usize) -> (usize, usize) {
        let lengths = self.lengths.get(self.taken..).unwrap_or_default();
        let lengths = lengths.get(..items).unwrap_or(lengths);
        let sum = lengths.iter().map(|length| usize::from(*length)).sum();
        if sum > bytes {
            return (0, 0);
        }
        let count = lengths.len();
        self.taken = self.taken.saturating_add(count);
        self.begin = self.begin.saturating_add(sum);
        self.total = self.total.saturating_sub(sum);
        (sum, count)
    }

    /// Drops all items.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lengths.clear();
        self.others.clear();
        if self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        }
        (self.taken, self.begin, self.end) = (0, 0, 0);
        (self.total, self.referring) = (0, 0);
    }

    /// Forgets what was taken out. What is left moves only if it is less than that.
    fn tidy(&mut self) {
        if self.is_empty() {
            return self.clear();
        }
        if self.taken >= self.len() {
            self.lengths.drain(..self.taken);
            self.taken = 0;
        }
        if self.begin >= self.end.saturating_sub(self.begin) {
            self.bytes.drain(..self.begin);
            self.end = self.end.saturating_sub(self.begin);
            self.begin = 0;
        }
    }
}

fn weight_of(item: &Payload) -> usize {
    match item.has_attached() {
        true => REFERRING,
        false => 1,
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::one()
    }
}
