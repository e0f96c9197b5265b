//! The outgoing half of a link, with the bytes that are on their way into it.

use std::io;
use std::task::{Context, Poll};

use super::Export;
use crate::channel::LinkWriter;
use crate::session::Session;

/// A buffer that has grown beyond this is not kept when it is empty.
const KEEP: usize = 64 * 1024;

pub(super) struct Outbound {
    link: Box<dyn LinkWriter>,
    bytes: Vec<u8>,
    done: usize,
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
            bytes: Vec::new(),
            done: 0,
        }
    }

    /// Takes over what the session has appended, by swapping buffers. Tells whether there is anything to write.
    pub(super) fn refill(&mut self, session: &mut Session<Export>) -> bool {
        if self.done < self.bytes.len() {
            return true;
        }
        if session.output_len() == 0 {
            return false;
        }
        let mut spare = std::mem::take(&mut self.bytes);
        spare.clear();
        if spare.capacity() > KEEP {
            spare = Vec::new();
        }
        self.bytes = session.take_output(spare);
        self.done = 0;
        !self.bytes.is_empty()
    }

    /// Writes as much as the link takes.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Written {
        let start = self.done;
        let status = loop {
            let rest = self.bytes.get(self.done..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match self.link.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(taken)) => self.done = self.done.saturating_add(taken),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        Written {
            bytes: self.done.saturating_sub(start),
            status,
        }
    }

    /// Forgets what has not been written.
    pub(super) fn discard(&mut self) {
        self.bytes = Vec::new();
        self.done = 0;
    }

    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_close(cx)
    }
}
