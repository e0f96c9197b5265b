//! Messages that are longer than a frame, on their way out part by part.

use std::collections::VecDeque;

use crate::wire::{ContOf, write_cont};

/// How much of one message goes out at a time while something else waits.
const FAIR: usize = 16 * 1024;

/// What is left of the messages whose first frame is in the output. They take turns.
#[derive(Debug, Default)]
pub(super) struct Parts {
    queue: VecDeque<Part>,
    /// How many bytes of all messages are left.
    bytes: usize,
}

#[derive(Debug)]
struct Part {
    of: ContOf,
    payload: Vec<u8>,
    done: usize,
}

impl Parts {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many bytes are left.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Goes on with a message behind all others.
    pub(super) fn push(&mut self, of: ContOf, rest: &[u8]) {
        self.bytes = self.bytes.saturating_add(rest.len());
        self.queue.push_back(Part {
            of,
            payload: rest.to_vec(),
            done: 0,
        });
    }

    /// Keeps the messages that somebody wants.
    pub(super) fn retain(&mut self, wanted: impl Fn(ContOf) -> bool) {
        self.queue.retain(|part| {
            let wanted = wanted(part.of);
            if !wanted {
                self.bytes = self.bytes.saturating_sub(part.rest().len());
            }
            wanted
        });
    }

    /// Appends a CONT of the message whose turn it is. Gives the message if it is whole now.
    ///
    /// - `room`: how many bytes of a payload fit into one frame.
    pub(super) fn write_next(&mut self, out: &mut Vec<u8>, room: usize) -> Option<ContOf> {
        let mut part = self.queue.pop_front()?;
        let alone = out.is_empty() && self.queue.is_empty();
        let most = if alone { room } else { room.min(FAIR) };
        let rest = part.rest();
        let piece = rest.get(..most).unwrap_or(rest);
        let (length, more) = (piece.len(), piece.len() < rest.len());
        // A piece was cut to fit.
        let _ = write_cont(out, part.of, more, piece);
        self.bytes = self.bytes.saturating_sub(length);
        if !more {
            return Some(part.of);
        }
        part.done = part.done.saturating_add(length);
        self.queue.push_back(part);
        None
    }
}

impl Part {
    fn rest(&self) -> &[u8] {
        self.payload.get(self.done..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CallId;

    #[test]
    fn a_lone_message_fills_its_frames_and_several_take_turns() {
        let mut parts = Parts::default();
        let (one, other) = (ContOf::Call(CallId(1)), ContOf::Return(CallId(1)));
        parts.push(one, &[1; 100_000]);
        let mut out = Vec::new();
        assert_eq!(parts.write_next(&mut out, 60_000), None);
        assert!(out.len() > 60_000 && parts.bytes() == 40_000);

        parts.push(other, &[2; 20_000]);
        let mut whole = Vec::new();
        while !parts.is_empty() {
            let before = out.len();
            whole.extend(parts.write_next(&mut out, 60_000));
            assert!(out.len() - before < FAIR + 10);
        }
        assert_eq!(whole, [other, one]);
        assert_eq!(parts.bytes(), 0);
    }

    #[test]
    fn what_nobody_wants_is_not_sent() {
        let mut parts = Parts::default();
        parts.push(ContOf::Call(CallId(1)), &[1; 100]);
        parts.push(ContOf::Call(CallId(2)), &[2; 10]);
        parts.retain(|of| of != ContOf::Call(CallId(1)));
        assert_eq!(parts.bytes(), 10);
        let whole = parts.write_next(&mut Vec::new(), 100);
        assert_eq!(whole, Some(ContOf::Call(CallId(2))));
    }
}
