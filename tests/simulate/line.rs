//! A line between two hosts: a pipe in memory that is late, breaks bytes into pieces, stalls and is cut.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use remoting::Peer;
use remoting::channel::{Link, LinkError, LinkReader, LinkWriter};
use tokio::time::{Instant, Sleep};

use crate::chance::Chance;
use crate::plan::Style;

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// What is on its way is lost, and both ends see an error.
    Reset,
    /// What is on its way still comes, and an end behind it.
    Close,
}

/// What a line does by itself to the bytes of one direction.
#[derive(Debug, Clone)]
pub struct Habits {
    pub style: Style,
    pub chance: Chance,
    /// Before which byte it is cut, and how.
    pub cut: Option<(u64, Cut)>,
}

/// A line, as the network holds it.
#[derive(Clone)]
pub struct Line {
    pub client: usize,
    to_server: Arc<Way>,
    to_client: Arc<Way>,
}

/// One direction.
struct Way(Mutex<State>);

struct State {
    habits: Habits,
    /// Pieces that are on their way, and when they are there.
    pieces: VecDeque<(Instant, Vec<u8>)>,
    under_way: u64,
    written: u64,
    /// Nothing arrives before.
    stalled_until: Option<Instant>,
    ended: Option<Cut>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Line {
    /// Makes a line. Gives the ends of the server and of the client too.
    pub fn new(client: usize, to_server: Habits, to_client: Habits) -> (Self, Link, Link) {
        let [to_server, to_client] = [to_server, to_client].map(Way::new);
        let line = Self {
            client,
            to_server,
            to_client,
        };
        let far = end(&line.to_server, &line.to_client, &line, "sim://client");
        let near = end(&line.to_client, &line.to_server, &line, "sim://server");
        (line, far, near)
    }

    fn ways(&self) -> [&Arc<Way>; 2] {
        [&self.to_server, &self.to_client]
    }

    /// Whether neither direction carries anything any more.
    pub fn is_over(&self) -> bool {
        self.ways().iter().all(|way| way.lock().ended.is_some())
    }

    pub fn cut(&self, cut: Cut) {
        self.ways().into_iter().for_each(|way| way.end(cut));
    }

    /// Lets nothing through for a while: to the server, to the client, or both.
    pub fn stall(&self, stalled: [bool; 2], time: Duration) {
        let until = Instant::now() + time;
        for (way, _) in self.ways().into_iter().zip(stalled).filter(|(_, is)| *is) {
            way.change(|state| state.stalled_until = Some(until));
        }
    }

    /// From now on the line does what it does by itself.
    pub fn set(&self, habits: [Habits; 2]) {
        for (way, mut habits) in self.ways().into_iter().zip(habits) {
            way.change(|state| {
                if let Some((before, _)) = &mut habits.cut {
                    *before += state.written;
                }
                state.habits = habits;
            });
        }
    }

    /// From now on nothing goes wrong that has not.
    pub fn heal(&self) {
        for way in self.ways() {
            way.change(|state| {
                state.habits.cut = None;
                state.stalled_until = None;
            });
        }
    }
}

fn end(incoming: &Arc<Way>, outgoing: &Arc<Way>, line: &Line, peer: &str) -> Link {
    let reader = Reader {
        way: Arc::clone(incoming),
        sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
    };
    let writer = Writer {
        way: Arc::clone(outgoing),
        line: line.clone(),
        buffer: outgoing.lock().habits.style.buffer,
        held: Vec::new(),
        kept: 0,
    };
    Link {
        reader: Box::new(reader),
        writer: Box::new(writer),
        peer: Peer::in_process(peer),
        formatter: None,
    }
}

impl Way {
    fn new(habits: Habits) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            habits,
            pieces: VecDeque::new(),
            under_way: 0,
            written: 0,
            stalled_until: None,
            ended: None,
            reader: None,
            writer: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Changes something, and wakes whoever waits.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let waiting = [state.reader.take(), state.writer.take()];
        drop(state);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    fn end(&self, cut: Cut) {
        self.change(|state| {
            if cut == Cut::Reset {
                state.pieces.clear();
            }
            if state.ended != Some(Cut::Reset) {
                state.ended = Some(cut);
            }
        });
    }
}

fn was_reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

struct Reader {
    way: Arc<Way>,
    sleep: Pin<Box<Sleep>>,
}

impl LinkReader for Reader {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<usize, LinkError>> {
        loop {
            let mut state = self.way.lock();
            let due = match (state.pieces.front(), state.ended) {
                (_, Some(Cut::Reset)) => return Poll::Ready(Err(LinkError::Io(was_reset()))),
                (None, Some(Cut::Close)) => return Poll::Ready(Ok(0)),
                (front, _) => front.map(|(due, _)| *due),
            };
            let due = due.map(|due| due.max(state.stalled_until.unwrap_or(due)));
            if due.is_some_and(|due| due <= Instant::now()) {
                let (_, piece) = state.pieces.pop_front().unwrap();
                state.under_way -= piece.len() as u64;
                let writer = state.writer.take();
                drop(state);
                writer.into_iter().for_each(Waker::wake);
                buffer.extend_from_slice(&piece);
                return Poll::Ready(Ok(piece.len()));
            }
            state.reader = Some(cx.waker().clone());
            drop(state);
            let Some(due) = due else {
                return Poll::Pending;
            };
            self.sleep.as_mut().reset(due);
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.way.end(Cut::Reset);
    }
}

struct Writer {
    way: Arc<Way>,
    /// Both directions are lost together.
    line: Line,
    /// How many bytes it takes beyond what is on its way.
    buffer: usize,
    /// Those that are not on their way yet.
    held: Vec<u8>,
    /// How many were taken of which nobody knows.
    kept: usize,
}

impl LinkWriter for Writer {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.buffer == 0 {
            return self.pass(cx, bytes);
        }
        if self.kept == 0 {
            self.held = bytes[..bytes.len().min(self.buffer)].to_vec();
            self.kept = self.held.len();
        }
        while !self.held.is_empty() {
            let passed = ready!(self.pass(cx, &self.held))?;
            self.held.drain(..passed);
        }
        Poll::Ready(Ok(std::mem::take(&mut self.kept)))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.way.end(Cut::Close);
        Poll::Ready(Ok(()))
    }

    fn kept_back(&self) -> usize {
        self.kept
    }
}

impl Writer {
    /// Sends bytes on their way, as many as it has room for.
    fn pass(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.way.lock();
        match state.ended {
            Some(Cut::Reset) => return Poll::Ready(Err(was_reset())),
            Some(Cut::Close) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            None if bytes.is_empty() => return Poll::Ready(Ok(0)),
            None => {}
        }
        let room = state.habits.style.room.saturating_sub(state.under_way);
        if room == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = state.take(&bytes[..bytes.len().min(room as usize)]);
        let cut = state.habits.cut.filter(|(at, _)| *at <= state.written);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        match cut {
            Some((_, Cut::Reset)) => self.line.cut(Cut::Reset),
            Some((_, Cut::Close)) => self.way.end(Cut::Close),
            None => {}
        }
        Poll::Ready(Ok(taken))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.way.end(Cut::Close);
    }
}

impl State {
    /// Sends a piece of what is to be written on its way. Gives how much that is.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let Habits { style, chance, cut } = &mut self.habits;
        let mut length = chance.within(1..style.piece + 1).min(bytes.len() as u64);
        if let Some((at, _)) = cut {
            // What is taken beyond the cut would be lost: that is as if it were not taken.
            length = length.min(at.saturating_sub(self.written).max(1));
        }
        let delay = Duration::from_millis(chance.within(0..style.delay + 1));
        let before = self.pieces.back().map(|(due, _)| *due);
        let due = before.max(Some(Instant::now() + delay)).unwrap();
        let taken = length as usize;
        self.pieces.push_back((due, bytes[..taken].to_vec()));
        self.under_way += length;
        self.written += length;
        taken
    }
}
