//! Items of streams, many at a time.

use std::collections::VecDeque;
use std::time::Instant;

use super::outflows::{Cost, Refused};
use super::streaming::stopped;
use super::{Effects, Exported, Lent, Session};
use crate::error::Error;
use crate::id::StreamId;
use crate::payload::{Batch, Content, Entry};
use crate::wire::{PLAIN_ITEM, Violation, plain_item, write_plain_item};

/// How many items are taken in before others get at the session.
const AT_ONCE: usize = 128;

impl<T: Exported> Session<T> {
    /// Sends items, as many as there is room for; gives how many.
    ///
    /// - `items`: with what each of those refers to that are not plain.
    ///
    /// # Errors
    ///
    /// Those of [`send_item`](Self::send_item).
    pub fn send_items(
        &mut self,
        stream: StreamId,
        (items, lent): (&Batch, &VecDeque<Vec<Lent<T>>>),
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<usize, Error> {
        let longest = self.longest_frame();
        let (mut sent, mut lent) = (0_usize, lent.iter());
        for item in items.iter() {
            match item {
                Entry::Plain(bytes) if bytes.len().saturating_add(PLAIN_ITEM) <= longest => {
                    match self.outflows.spend(stream, Cost::plain(bytes)) {
                        Ok(()) => write_plain_item(self.output.buffer(), stream, bytes),
                        Err(Refused::NoRoom) => break,
                        Err(Refused::Stopped) => return Err(stopped()),
                    }
                }
                item => {
                    let (content, lent) = match item {
                        Entry::Plain(bytes) => (Content::from(bytes), None),
                        Entry::Other(payload) => (Content::from(payload), lent.next()),
                    };
                    let lent = lent.map_or(&[] as &[_], Vec::as_slice);
                    if !self.outflows.has_room(stream, Cost::of(content, lent)) {
                        break;
                    }
                    self.send_item(stream, content, lent, now, effects)?;
                }
            }
            sent = sent.saturating_add(1);
        }
        self.liveness.on_append(now);
        Ok(sent)
    }

    /// Takes in the frames at the beginning of `bytes`, as long as they are plain items of one stream. Gives how many
    /// bytes those have: none where other frames come first, or what is no frame.
    ///
    /// # Errors
    ///
    /// The rule that one of the items breaks.
    pub fn on_items(
        &mut self,
        bytes: &[u8],
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<usize, Violation> {
        let Some((stream, ..)) = plain_item(bytes).filter(|_| !self.closed && self.peer.is_some())
        else {
            return Ok(0);
        };
        self.liveness.on_frame(now);
        let window = self.inflows.window();
        let inflow = self.inflows.open_mut(stream)?;
        let (mut rest, mut frames) = (bytes, 0);
        for _ in 0..AT_ONCE {
            let next = plain_item(rest).filter(|(of, ..)| *of == stream);
            let Some((_, item, after)) = next else { break };
            (rest, frames) = (after, frames + 1);
            if inflow.count(Cost::plain(item), &window, &self.config.counters)? {
                inflow.push_plain(item, &mut effects.wakers);
            }
        }
        let length = bytes.len().saturating_sub(rest.len());
        self.count(frames, length, now);
        Ok(length)
    }
}
