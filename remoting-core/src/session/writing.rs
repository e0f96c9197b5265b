//! What leaves a session: its output, and in front of that how much of the peer has come.

use std::time::Instant;

use super::{Effects, Exported, Gathered, Session};
use crate::wire::write_ack;

impl<T: Exported> Session<T> {
    /// How many bytes wait to be taken. Not zero if releases wait to be written out, more of
    /// a long message, or how much has come of the peer.
    pub fn output_len(&self) -> usize {
        if let Some(bytes) = self.output.again_len() {
            return bytes;
        }
        let due = !self.imports.due().is_empty() || !self.parts.is_empty() || self.has_to_tell();
        self.output.len().max(usize::from(due))
    }

    /// How many bytes the kernel has not taken yet, those that the driver holds
    /// included.
    pub fn unsent(&self) -> usize {
        self.output.unsent().saturating_add(self.parts.bytes())
    }

    /// Whether nothing is to be written but how much has come of the peer. Whoever writes soon takes that along.
    pub fn has_only_to_tell(&self) -> bool {
        self.has_to_tell() && self.unsent() == 0
    }

    /// Gives the output away, in whole frames, and goes on in `spare`, which is emptied.
    pub fn take_output(&mut self, spare: Vec<u8>) -> Gathered {
        if let Some(again) = self.output.take_again() {
            return again;
        }
        self.flush_releases(&[]);
        self.write_parts();
        // The first frame is HELLO.
        let is_greeted = self.output.is_begun();
        let mut gathered = self.output.take(spare);
        let most = self.most_held();
        self.resume.keep(&gathered, most);
        let is_due = match gathered.is_empty() {
            true => self.has_to_tell(),
            false => is_greeted && !self.closed && self.resume.tells_beside(),
        };
        if is_due {
            // In front: so the peer lets go of what it keeps before it makes room for what comes.
            let mut ack = Vec::new();
            write_ack(&mut ack, self.resume.tell());
            gathered.prepend(&ack);
            self.output.count_extra(ack.len());
        }
        gathered
    }

    /// The kernel has taken `bytes` more of what `take_output` gave.
    pub fn written(&mut self, bytes: usize, now: Instant, effects: &mut Effects<T>) {
        self.output.on_written(bytes);
        self.liveness.on_written(now, self.output.unsent());
        self.unchoke(effects);
        self.admit(effects);
    }

    /// Counts frames of the peer that it is told of.
    pub(super) fn count(&mut self, frames: u64, length: usize, now: Instant) {
        self.resume.on_counted(frames, length);
        if self.has_to_tell() {
            // It has to take that, too.
            self.liveness.on_append(now);
        }
    }

    /// Whether the peer has to be told how much of it has come.
    fn has_to_tell(&self) -> bool {
        !self.closed && self.resume.has_to_tell()
    }
}
