//! The outgoing half of a link, with the bytes that are on their way into it.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use super::Export;
use crate::channel::LinkWriter;
use crate::session::{Gathered, Session};

/// A buffer that has grown beyond this is not kept when it is empty.
const KEEP: usize = 64 * 1024;

/// How many pieces are handed over at once.
const SLICES: usize = 16;

pub(super) struct Outbound {
    link: Box<dyn LinkWriter>,
    bytes: Gathered,
}

/// How far writing came.
pub(super) struct Written {
    pub(super) bytes: usize,
    pub(super) status: Poll<io::Result<()>>,
}

impl Outbound {
    pub(super) fn new(link: Box<dyn LinkWriter>) -> Self {
        Self {
            link,
            bytes: Gathered::default(),
        }
    }

    pub(super) fn into_link(self) -> Box<dyn LinkWriter> {
        self.link
    }

    /// Takes over what the session has appended, by swapping buffers. Tells whether there is anything to write.
    pub(super) fn refill(&mut self, session: &mut Session<Export>) -> bool {
        if !self.bytes.is_empty() {
            return true;
        }
        if session.output_len() == 0 {
            return false;
        }
        let mut spare = std::mem::take(&mut self.bytes).into_spare();
        if spare.capacity() > KEEP {
            spare = Vec::new();
        }
        self.bytes = session.take_output(spare);
        !self.bytes.is_empty()
    }

    /// Writes as much as the link takes.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Written {
        let mut bytes = 0_usize;
        let status = loop {
            if self.bytes.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match self.poll_write_once(cx) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(taken)) => {
                    self.bytes.advance(taken);
                    bytes = bytes.saturating_add(taken);
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        Written { bytes, status }
    }

    fn poll_write_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.bytes.is_one() {
            return self.link.poll_write(cx, self.bytes.first());
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = self.bytes.slices(&mut slices);
        let slices = slices.get(..used).unwrap_or_default();
        self.link.poll_write_vectored(cx, slices)
    }

    /// Forgets what has not been written.
    pub(super) fn discard(&mut self) {
        self.bytes = Gathered::default();
    }

    /// How many of the bytes that are not written may have left all the same.
    pub(super) fn kept_back(&self) -> usize {
        self.link.kept_back()
    }

    /// Ends the link without what is on its way.
    pub(super) fn reset(self) {
        self.link.reset();
    }

    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_close(cx)
    }
}
