//! The state of one session: which calls are under way in both directions, who
//! holds which object, and whether the peer is still there.
//!
//! A pure machine. Frames and instants go in; bytes, requests of the peer and
//! [`Effects`] come out. It does no input or output, has no clock, knows no
//! runtime, and runs no code of the user's: what has to be woken, stopped or
//! dropped is handed out, for the driver to do when it has let go of its lock.
//!
//! ```text
//! Greeting --HELLO-------------------> Open
//! Greeting, Open --GOAWAY received---> Open, without new calls of ours
//! Greeting, Open --GOAWAY sent-------> Open, without new calls of theirs
//! any --broken rule, ABORT, silence, the driver's will--> Closed
//! ```
//!
//! Each table has a file of its own; `calling` is what this side's callers use,
//! `frames` takes the peer's frames, `answering` gives it answers and
//! `closing` ends it all.

mod admission;
mod answering;
mod aside;
mod assembly;
mod calling;
mod cancellation;
mod chained;
mod closing;
mod continuing;
mod control;
mod end;
mod exports;
mod frames;
mod gathered;
mod imports;
mod incoming;
mod inflows;
mod items;
mod keeping;
mod liveness;
mod outflows;
mod outgoing;
mod output;
mod parts;
mod places;
mod posting;
mod rates;
mod references;
mod requests;
mod resume;
mod routing;
mod running;
mod streaming;
mod time;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

pub use assembly::Assembled;
pub use cancellation::{CancelReason, Cancellation, Watch};
pub use end::End;
pub use exports::ExportKey;
pub use gathered::Gathered;
pub use inflows::{Arrived, StreamKey};
pub(crate) use outflows::Cost;
pub use outflows::{Stopped, StreamRoom};
pub(crate) use rates::Rate;
pub(crate) use references::kept;
pub use references::{Lent, Received};
pub use requests::{
    Effects, IncomingKey, IncomingRequest, IncomingResolve, Outgoing, PeerHello, Posting,
    QueuedCall, Reply, Request, SessionStats, Start, WaiterId,
};
pub use resume::{Claim, Identity, ResumeConfig, Resumption};
pub use streaming::StreamSource;

use admission::Admission;
use assembly::Assembly;
use chained::Chained;
use closing::Parting;
use continuing::longest_message;
use exports::Exports;
use imports::Imports;
use incoming::IncomingTable;
use inflows::Inflows;
use liveness::{Facts, Liveness};
use outflows::Outflows;
use outgoing::OutgoingTable;
use output::Output;
use parts::Parts;
use rates::Rates;
use resume::Resume;
use streaming::window_of;

use crate::error::Error;
use crate::id::CallId;
use crate::limits::{Counters, Limits};
use crate::secret::Secret;
use crate::wire::{LEAST_LIMIT, MAX_BODY, Ping, write_hello, write_ping};

/// How many calls may be sent before the peer's HELLO has come. Also the least
/// number of call ids that each side takes.
const EARLY_CALLS: usize = 16;
/// How many bytes may be sent before the peer's HELLO has come.
const EARLY_BYTES: usize = 16 * 1024;

/// What a session has to know of its host.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The bounds. They are the same for all sessions of a host.
    pub limits: Arc<Limits>,
    /// How often each bound was reached.
    pub counters: Arc<Counters>,
    /// The codecs that this side reads, best first.
    pub codecs: Vec<u8>,
    /// Program and version, for the peer's logs.
    pub agent: String,
    /// A number by which peers tell this host from one that is started in its place.
    pub incarnation: u64,
    /// What this side shows of itself.
    pub token: Option<Secret>,
    /// Whether the session may outlive its connection.
    pub resume: ResumeConfig,
    /// Whether this side has dialled.
    pub dialled: bool,
}

/// What an exported slot stands for. Cloning one must be cheap and run no code of the user's.
pub trait Exported: Clone + Send + Sync + 'static {
    /// The same for those who only use it: unlike the slot's own, and its clones, it need not
    /// keep what it stands for.
    fn shared(&self) -> Self;
}

/// One session. `T` is what an exported slot stands for.
pub struct Session<T> {
    config: SessionConfig,
    /// What the peer has said of itself, once it has.
    peer: Option<PeerHello>,
    /// Woken when it has, or never will.
    curious: Vec<Waker>,
    output: Output,
    /// What goes out behind it, of messages that are longer than a frame.
    parts: Parts,
    /// What has come of messages of the peer that are not whole.
    assembly: Assembly<T>,
    outgoing: OutgoingTable,
    admission: Admission,
    incoming: IncomingTable,
    /// Calls of the peer that wait for answers of this side.
    chained: Chained<T>,
    /// The objects that kept answers to calls hold.
    answers: HashMap<CallId, T>,
    exports: Exports<T>,
    imports: Imports,
    /// The streams whose items go to the peer.
    outflows: Outflows,
    /// Their producers who wait for bytes to leave.
    choked: Vec<Waker>,
    /// The streams whose items come from the peer.
    inflows: Inflows,
    liveness: Liveness,
    rates: Rates,
    resume: Resume,
    /// The bytes of the frame that is being taken in, where they can be shared.
    arriving: Option<Bytes>,
    /// Bytes of requests that came before any of our bytes were on their way.
    early_bytes: usize,
    /// Why no more calls of this side can be sent, once they cannot.
    refusal: Option<Error>,
    /// Who has sent GOAWAY.
    parting: Parting,
    closed: bool,
}

impl<T: Exported> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("closed", &self.closed)
            .field("parting", &self.parting)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<T: Exported> Session<T> {
    /// Begins a session; HELLO is in the output.
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        let limits = &config.limits;
        let resume = Resume::new(config.resume);
        let mut output = Output::default();
        write_hello(output.buffer(), &control::hello(&config, &resume));
        Self {
            peer: None,
            curious: Vec::new(),
            output,
            parts: Parts::default(),
            assembly: Assembly::default(),
            outgoing: OutgoingTable::default(),
            admission: Admission::default(),
            incoming: IncomingTable::new(limits.calls_per_session.max(EARLY_CALLS)),
            chained: Chained::default(),
            answers: HashMap::new(),
            exports: Exports::new(limits.objects_per_session),
            imports: Imports::default(),
            outflows: Outflows::new(window_of(limits).streams),
            choked: Vec::new(),
            inflows: Inflows::new(window_of(limits)),
            liveness: Liveness::new(limits, &config.counters, now),
            rates: Rates::new(limits, now),
            resume,
            arriving: None,
            early_bytes: 0,
            refusal: None,
            parting: Parting::default(),
            closed: false,
            config,
        }
    }

    /// Looks at the time: ends calls whose deadline has passed, asks a silent peer
    /// whether it is there.
    ///
    /// # Errors
    ///
    /// The end of the session, if it has come; the driver passes it to `close`.
    pub fn handle_timeout(&mut self, now: Instant, effects: &mut Effects<T>) -> Result<(), End> {
        if self.closed {
            return Ok(());
        }
        let asks = self.liveness.check(now, self.facts());
        if let Err(end) = &asks {
            self.take_no_more(end);
        }
        if asks? {
            let rx_count = self.resume.tell();
            let opaque = 0;
            write_ping(self.output.buffer(), Ping { rx_count, opaque });
            self.liveness.on_append(now);
        }
        self.expire_outgoing(now, effects);
        self.expire_incoming(now, effects);
        self.admission.expire(now, &mut effects.wakers);
        Ok(())
    }

    /// When `handle_timeout` is to be called, at the latest.
    ///
    /// May be earlier than needed. Changes with every other method.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        time::earliest([self.liveness.next(), self.poll_deadline()])
    }

    /// When the first deadline of a call passes: the part of [`poll_timeout`](Self::poll_timeout)
    /// that a new call may bring forward.
    pub fn poll_deadline(&self) -> Option<Instant> {
        time::earliest([
            self.outgoing.next(),
            self.incoming.next(),
            self.chained.next(),
            self.admission.next(),
        ])
    }

    /// What the peer has said of itself, once it has.
    pub fn peer(&self) -> Option<&PeerHello> {
        self.peer.as_ref()
    }

    /// The session that the peer wants back. Given once.
    pub fn take_resumption(&mut self) -> Option<Resumption> {
        self.peer.as_mut()?.resumption.take()
    }

    /// What the peer has shown to prove who it is. Given once.
    pub fn take_token(&mut self) -> Option<Secret> {
        self.peer.as_mut()?.token.take()
    }

    /// Is ready when the peer has said of itself what it has to say: its incarnation, or nothing if
    /// the session has ended before.
    pub fn poll_incarnation(&mut self, waker: &Waker) -> Poll<Option<u64>> {
        match &self.peer {
            Some(peer) => Poll::Ready(Some(peer.incarnation)),
            None if self.closed => Poll::Ready(None),
            None => {
                if !self.curious.iter().any(|known| known.will_wake(waker)) {
                    self.curious.push(waker.clone());
                }
                Poll::Pending
            }
        }
    }

    /// Whether the session has not ended.
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Whether calls can be sent: `false` once the peer has sent GOAWAY, and after the end.
    pub fn can_call(&self) -> bool {
        self.refusal.is_none()
    }

    /// Whether one of the sides has asked the other to make no more calls.
    pub fn is_draining(&self) -> bool {
        self.parting.here || self.refusal.is_some()
    }

    /// How full the tables are.
    pub fn stats(&self) -> SessionStats {
        SessionStats {
            outgoing: self.outgoing.len(),
            waiting: self.admission.len(),
            incoming: self.incoming.running(),
            answers: self.incoming.answers(),
            exports: self.exports.len(),
            imports: self.imports.len(),
            streams: self.outflows.len().saturating_add(self.inflows.len()),
        }
    }

    fn facts(&self) -> Facts {
        let stats = self.stats();
        // What this side holds back, the peer cannot take.
        let unsent = match self.output.is_begun() {
            true => self.output.unsent(),
            false => 0,
        };
        Facts {
            unsent,
            in_use: stats != SessionStats::default(),
            requests: self
                .outgoing
                .sequence()
                .wrapping_add(self.incoming.sequence()),
        }
    }

    /// The longest body that is sent: as either side would take it, so that others pass between long ones.
    fn max_body(&self) -> usize {
        self.peer
            .as_ref()
            .map_or(EARLY_BYTES, |peer| peer.max_frame)
            .min(self.config.limits.max_frame)
    }
}

/// The longest body that this side takes: what its HELLO says, and no less than the protocol asks for.
pub(crate) fn longest_body(limits: &Limits) -> usize {
    let most = limits.max_frame.min(limits.max_message);
    most.clamp(LEAST_LIMIT as usize, MAX_BODY)
}
