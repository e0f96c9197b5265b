//! Messages that are longer than a frame, on their way out part by part.

use std::collections::VecDeque;

use bytes::Bytes;

use super::output::Output;
use crate::payload::LARGE;
use crate::wire::{ContOf, lengthen_frame, write_cont};

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
    rest: Bytes,
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
    pub(super) fn push(&mut self, of: ContOf, rest: Bytes) {
        self.bytes = self.bytes.saturating_add(rest.len());
        self.queue.push_back(Part { of, rest });
    }

    /// Keeps the messages that somebody wants.
    pub(super) fn retain(&mut self, wanted: impl Fn(ContOf) -> bool) {
        self.queue.retain(|part| {
            let wanted = wanted(part.of);
            if !wanted {
                self.bytes = self.bytes.saturating_sub(part.rest.len());
            }
            wanted
        });
    }

    /// Appends a CONT of the message whose turn it is. Gives the message if it is whole now.
    ///
    /// - `room`: how many bytes of a payload fit into one frame.
    pub(super) fn write_next(&mut self, out: &mut Output, room: usize) -> Option<ContOf> {
        let mut part = self.queue.pop_front()?;
        let alone = out.len() == 0 && self.queue.is_empty();
        let most = if alone { room } else { room.min(FAIR) };
        let piece = part.rest.split_to(most.min(part.rest.len()));
        self.bytes = self.bytes.saturating_sub(piece.len());
        let more = !part.rest.is_empty();
        let begin = out.mark();
        // A piece was cut to fit.
        if piece.len() < LARGE {
            let _ = write_cont(out.buffer(), part.of, more, &piece);
        } else {
            let _ = write_cont(out.buffer(), part.of, more, &[]);
            let _ = lengthen_frame(out.buffer(), begin, piece.len(), more);
            out.push(piece);
        }
        if !more {
            return Some(part.of);
        }
        self.queue.push_back(part);
        None
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
        parts.push(one, Bytes::from(vec![1; 100_000]));
        let mut out = Output::default();
        assert_eq!(parts.write_next(&mut out, 60_000), None);
        assert!(out.len() > 60_000 && parts.bytes() == 40_000);

        parts.push(other, Bytes::from(vec![2; 20_000]));
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
        parts.push(ContOf::Call(CallId(1)), Bytes::from(vec![1; 100]));
        parts.push(ContOf::Call(CallId(2)), Bytes::from(vec![2; 10]));
        parts.retain(|of| of != ContOf::Call(CallId(1)));
        assert_eq!(parts.bytes(), 10);
        let whole = parts.write_next(&mut Output::default(), 100);
        assert_eq!(whole, Some(ContOf::Call(CallId(2))));
    }
}
