//! A link that is two buffers in memory: no sockets, no tasks, no runtime.
//!
//! The in-process channel runs real sessions over it. Each direction holds at
//! most [`CAPACITY`] bytes, so a writer meets back pressure just as it does on a
//! socket, and an end that goes away is noticed by the other.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{Link, LinkError, LinkReader, LinkWriter};
use crate::peer::Peer;

/// How many bytes one direction holds before its writer has to wait.
const CAPACITY: usize = 256 * 1024;

/// The most that one read takes.
const READ_AT_MOST: usize = 64 * 1024;

/// Makes two links that are joined: what one writes, the other reads.
pub(crate) fn pipe() -> (Link, Link) {
    let (there, back) = (
        Arc::new(Direction::default()),
        Arc::new(Direction::default()),
    );
    (link(&back, &there), link(&there, &back))
}

fn link(incoming: &Arc<Direction>, outgoing: &Arc<Direction>) -> Link {
    Link {
        reader: Box::new(PipeReader(Arc::clone(incoming))),
        writer: Box::new(PipeWriter(Arc::clone(outgoing))),
        peer: Peer::in_process("in-process"),
        formatter: None,
    }
}

/// The bytes that are under way from one end to the other.
#[derive(Default)]
struct Direction(Mutex<State>);

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// No more bytes will come, or nobody is left to read them.
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the direction and wakes whoever waits for it.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = [state.reader.take(), state.writer.take()];
        drop(state);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

struct PipeReader(Arc<Direction>);

impl LinkReader for PipeReader {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<usize, LinkError>> {
        let mut state = self.0.lock();
        let count = state.bytes.len().min(READ_AT_MOST);
        if count == 0 && !state.closed {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buffer.extend(state.bytes.drain(..count));
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct PipeWriter(Arc<Direction>);

impl LinkWriter for PipeWriter {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = CAPACITY.saturating_sub(state.bytes.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        if taken.is_empty() && !bytes.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.bytes.extend(taken);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests;
