//! The machinery of the floor: frames over tokio's TCP, as cheap as they can be.
//!
//! A frame is `[length u32][id u32][operation u8][body]`. It does nothing that a
//! library has to do: no formatter, no names, no limits, no deadlines, no errors.
//! What makes it fast, and what the library is measured by:
//!
//! 1. *One write per burst.* Callers append to one buffer under a short lock. The
//!    first of a burst wakes the flusher, which puts itself at the back of the queue
//!    (`wake_by_ref`, then pending), so that all who are ready append before it writes.
//! 2. *No extra wake-ups.* A caller that is alone writes to the socket itself. Both
//!    ends read through `AsyncRead`; there is no read that only finds nothing.
//!    A reply wakes its caller and nobody else.
//! 3. *Few instructions.* A slab of waiting callers instead of a map of channels; the
//!    reply's bytes are kept in the slab's place and read there: no allocation a call.
//! 4. *Handlers run where their frame was read*, and all replies to one read leave in
//!    one write.
//! 5. *`TCP_NODELAY`* on both ends.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::AbortHandle;

const HEAD: usize = 9;

/// Answers a request: gets its operation and body, and appends the reply's body.
pub(crate) type Handler = fn(u8, &[u8], &mut Vec<u8>);

/// Serves until the listener fails. Gives each connection a task.
pub(crate) async fn serve(listener: TcpListener, handler: Handler) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve_one(stream, handler));
    }
}

async fn serve_one(mut stream: TcpStream, handler: Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut incoming, mut outgoing) = (Vec::with_capacity(2 * 1024), Vec::new());
    while stream.read_buf(&mut incoming).await? > 0 {
        let taken = each_frame(&incoming, |id, operation, body| {
            put_frame(&mut outgoing, id, operation, |out| {
                handler(operation, body, out);
            });
        });
        incoming.drain(..taken);
        stream.write_all(&outgoing).await?;
        outgoing.clear();
    }
    Ok(())
}

/// One connection, shared by all its callers.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

/// The reader and the flusher, which end with the last caller.
struct Tasks([AbortHandle; 2]);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Client {
    pub(crate) async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (reader, socket) = stream.into_split();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            socket,
        });
        let reading = tokio::spawn(Arc::clone(&shared).read(reader));
        let flushing = tokio::spawn(Arc::clone(&shared).flush());
        Ok(Self {
            shared,
            _tasks: Arc::new(Tasks([reading.abort_handle(), flushing.abort_handle()])),
        })
    }

    /// Makes a call: `write` appends its body, `read` takes the reply's.
    pub(crate) async fn call<T>(
        &self,
        operation: u8,
        write: impl Fn(&mut Vec<u8>),
        read: impl Fn(&mut Vec<u8>) -> T,
    ) -> T {
        let mut sent = None;
        poll_fn(|cx| match sent {
            None => {
                sent = Some(self.shared.send(operation, &write, cx));
                Poll::Pending
            }
            Some(id) => self.shared.poll_reply(id, cx, &read),
        })
        .await
    }
}

struct Shared {
    state: Mutex<State>,
    socket: OwnedWriteHalf,
}

#[derive(Default)]
struct State {
    calls: Vec<Place>,
    free: Vec<usize>,
    out: Vec<u8>,
    /// Where the buffer lives that was written last, to be filled again.
    spare: Vec<u8>,
    flush_wanted: bool,
    flusher: Option<Waker>,
}

/// A caller's place in the slab. It keeps its body's memory for the next caller.
#[derive(Default)]
struct Place {
    waker: Option<Waker>,
    done: bool,
    body: Vec<u8>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, appends the frame, and sees to it that it is written.
    fn send(&self, operation: u8, write: impl Fn(&mut Vec<u8>), cx: &Context<'_>) -> usize {
        let mut state = self.lock();
        let id = state.free.pop().unwrap_or_else(|| {
            state.calls.push(Place::default());
            state.calls.len() - 1
        });
        state.calls[id].waker = Some(cx.waker().clone());
        put_frame(&mut state.out, id as u32, operation, write);
        if state.flush_wanted {
            return id;
        }
        let alone = state.calls.len() - state.free.len() == 1;
        if alone && let_go(&self.socket, &mut state.out) {
            return id;
        }
        state.flush_wanted = true;
        let flusher = state.flusher.take();
        drop(state);
        flusher.into_iter().for_each(Waker::wake);
        id
    }

    fn poll_reply<T>(
        &self,
        id: usize,
        cx: &Context<'_>,
        read: impl Fn(&mut Vec<u8>) -> T,
    ) -> Poll<T> {
        let mut state = self.lock();
        let place = &mut state.calls[id];
        if !place.done {
            place.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        place.done = false;
        let value = read(&mut place.body);
        state.free.push(id);
        Poll::Ready(value)
    }

    /// Writes what has gathered, whenever somebody asks for it.
    async fn flush(self: Arc<Self>) -> io::Result<()> {
        loop {
            let mut yielded = false;
            let mut buffer = poll_fn(|cx| self.poll_burst(&mut yielded, cx)).await;
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                match self.socket.try_write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.socket.writable().await?;
                    }
                    Err(error) => return Err(error),
                }
            }
            buffer.clear();
            self.lock().spare = buffer;
        }
    }

    /// Waits for a wish to flush, lets everybody who is ready append, takes it all.
    fn poll_burst(&self, yielded: &mut bool, cx: &Context<'_>) -> Poll<Vec<u8>> {
        let mut state = self.lock();
        if !state.flush_wanted {
            state.flusher = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !*yielded {
            *yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        state.flush_wanted = false;
        let spare = std::mem::take(&mut state.spare);
        Poll::Ready(std::mem::replace(&mut state.out, spare))
    }

    async fn read(self: Arc<Self>, mut stream: OwnedReadHalf) -> io::Result<()> {
        let (mut incoming, mut wakers) = (Vec::with_capacity(8 * 1024), Vec::new());
        while stream.read_buf(&mut incoming).await? > 0 {
            let mut state = self.lock();
            let taken = each_frame(&incoming, |id, _, body| {
                let place = &mut state.calls[id as usize];
                place.body.clear();
                place.body.extend_from_slice(body);
                place.done = true;
                wakers.extend(place.waker.take());
            });
            drop(state);
            incoming.drain(..taken);
            wakers.drain(..).for_each(Waker::wake);
        }
        Ok(())
    }
}

/// Writes `out` without waiting; tells whether all of it went.
fn let_go(socket: &OwnedWriteHalf, out: &mut Vec<u8>) -> bool {
    let count = socket.try_write(out).unwrap_or(0);
    out.drain(..count);
    out.is_empty()
}

fn put_frame(out: &mut Vec<u8>, id: u32, operation: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    let mut head = [operation; HEAD];
    head[4..8].copy_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&head);
    body(out);
    let length = (out.len() - begin - HEAD) as u32;
    out[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
}

/// Hands each whole frame of `bytes` to `take`; gives the number of bytes they have.
fn each_frame(bytes: &[u8], mut take: impl FnMut(u32, u8, &[u8])) -> usize {
    let mut at = 0;
    while let Some((head, rest)) = bytes[at..].split_first_chunk::<HEAD>() {
        let [l0, l1, l2, l3, i0, i1, i2, i3, operation] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let Some(body) = rest.get(..length) else {
            break;
        };
        take(u32::from_le_bytes([i0, i1, i2, i3]), operation, body);
        at += HEAD + length;
    }
    at
}
