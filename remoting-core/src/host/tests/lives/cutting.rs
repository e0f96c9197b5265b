//! A channel in memory that can be cut between any two bytes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use crate::channel::{
    Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, InProcessChannel, Link, LinkError,
    LinkReader, LinkWriter, Listener,
};
use crate::error::{Error, Result};
use crate::url::ObjectUrl;

/// How many bytes the links of one dialler still carry, in both directions together.
#[derive(Clone, Default)]
pub(super) struct Fuse(Arc<State>);

#[derive(Default)]
struct State {
    left: AtomicU64,
    /// Readers that have to see that their link is cut.
    readers: Mutex<Vec<Waker>>,
}

impl Fuse {
    pub(super) fn new() -> Self {
        let fuse = Self::default();
        fuse.mend();
        fuse
    }

    /// Cuts after so many bytes more.
    pub(super) fn light(&self, bytes: u64) {
        self.0.left.store(bytes, Ordering::Relaxed);
    }

    /// Has a reader woken when the fuse is burnt.
    fn watch(&self, waker: &Waker) {
        let mut readers = self.0.readers.lock().unwrap();
        if !readers.iter().any(|known| known.will_wake(waker)) {
            readers.push(waker.clone());
        }
    }

    fn is_burnt(&self) -> bool {
        self.0.left.load(Ordering::Relaxed) == 0
    }

    pub(super) fn is_lit(&self) -> bool {
        self.0.left.load(Ordering::Relaxed) != u64::MAX
    }

    /// Lets all bytes through again.
    pub(super) fn mend(&self) {
        self.light(u64::MAX);
    }

    /// Lets some of so many bytes through.
    fn take(&self, wanted: usize) -> usize {
        let left = self.0.left.load(Ordering::Relaxed);
        let taken = left.min(wanted as u64);
        if left != u64::MAX {
            self.0.left.store(left - taken, Ordering::Relaxed);
            if left == taken {
                let readers = std::mem::take(&mut *self.0.readers.lock().unwrap());
                readers.into_iter().for_each(Waker::wake);
            }
        }
        taken as usize
    }
}

/// An in-process channel whose dialled links have a fuse.
pub(super) struct Cutting {
    inner: InProcessChannel,
    fuse: Fuse,
}

impl Cutting {
    pub(super) fn new(inner: InProcessChannel, fuse: Fuse) -> Self {
        Self { inner, fuse }
    }
}

impl Channel for Cutting {
    fn scheme(&self) -> &'static str {
        self.inner.scheme()
    }

    fn settings(&self) -> &ChannelSettings {
        self.inner.settings()
    }

    fn listen(&self, acceptor: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        self.inner.listen(acceptor)
    }

    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move {
            Ok(match self.inner.dial(url).await? {
                Dialed::Link(link) => Dialed::Link(Link {
                    reader: Box::new(Fused(link.reader, self.fuse.clone())),
                    writer: Box::new(Fused(link.writer, self.fuse.clone())),
                    peer: link.peer,
                    formatter: link.formatter,
                }),
                other @ Dialed::Exchange(_) => other,
            })
        })
    }
}

struct Fused<L: ?Sized>(Box<L>, Fuse);

impl LinkReader for Fused<dyn LinkReader> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<usize, LinkError>> {
        let cut = || Poll::Ready(Err(LinkError::Io(io::ErrorKind::ConnectionReset.into())));
        if self.1.is_burnt() {
            return cut();
        }
        self.1.watch(cx.waker());
        let begin = buffer.len();
        let read = ready!(self.0.poll_read(cx, buffer))?;
        let taken = self.1.take(read);
        buffer.truncate(begin + taken);
        if taken == 0 && read > 0 {
            return cut();
        }
        Poll::Ready(Ok(taken))
    }
}

impl LinkWriter for Fused<dyn LinkWriter> {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = self.1.take(bytes.len());
        if taken == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.0
            .poll_write(cx, bytes.get(..taken).unwrap_or_default())
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx)
    }
}
