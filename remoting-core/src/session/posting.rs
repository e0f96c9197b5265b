//! Calls of this side that get no answer.

use std::time::Instant;

use super::places::Unwritten;
use super::{Effects, Exported, Lent, Posting, Session};
use crate::error::Error;
use crate::wire::{write_call, write_post};

impl<T: Exported> Session<T> {
    /// Sends a call that gets no answer; `false` if there is no place for it now.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Disconnected`]: the peer takes no more calls.
    /// - [`ErrorKind::TooLarge`]: it is larger than the peer takes.
    /// - [`ErrorKind::Unsupported`]: the peer does not read its codec.
    /// - [`ErrorKind::ResourceExhausted`]: the peer would hold too many objects.
    pub fn post(
        &mut self,
        post: Posting<'_>,
        lent: &[Lent<T>],
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<bool, Error> {
        let passed = self.admission.use_pass();
        let sent = self.try_post(post, lent, passed, now, effects);
        if passed {
            self.admit(effects);
        }
        sent
    }

    fn try_post(
        &mut self,
        post: Posting<'_>,
        lent: &[Lent<T>],
        passed: bool,
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<bool, Error> {
        self.check(post.payload)?;
        if !passed && !self.has_place(post.payload.len()) {
            return Ok(false);
        }
        let written = self.write_lending(post.header, lent, effects, |session, header| {
            session.write(now, None, post.payload, |out, payload| {
                write_post(out, post.target, post.method, header, payload)
            })
        });
        match written? {
            Ok(_) => {}
            Err(Unwritten::Full) => return Ok(false),
            Err(Unwritten::TooLarge) => return self.post_long(post, lent, now, effects),
        }
        self.outgoing.count_post();
        Ok(true)
    }

    /// Sends a post that is longer than a frame: as a call whose answer nobody wants.
    fn post_long(
        &mut self,
        post: Posting<'_>,
        lent: &[Lent<T>],
        now: Instant,
        effects: &mut Effects<T>,
    ) -> Result<bool, Error> {
        let call = self.outgoing.vacant();
        let written = self.write_lending(post.header, lent, effects, |session, header| {
            session.write(now, Some(call), post.payload, |out, payload| {
                write_call(out, call, post.target, post.method, header, payload)
            })
        });
        match written? {
            Ok(end) => {
                self.outgoing.insert_unwanted(now, end);
                Ok(true)
            }
            Err(Unwritten::Full) => Ok(false),
            Err(Unwritten::TooLarge) => Err(self.too_large()),
        }
    }
}
