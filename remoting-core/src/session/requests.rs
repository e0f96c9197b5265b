//! What goes into a session and what comes out of it.
//!
//! Plain values, without behaviour: the calls that the driver starts, the
//! requests of the peer that it is handed, and the work that is left for it to do
//! once it has let go of the session's lock.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::assembly::Assembled;
use super::cancellation::{CancelReason, Cancellation};
use super::references::Received;
use super::resume::Resumption;
use super::streaming::StreamSource;
use crate::error::Error;
use crate::id::{CallId, InterfaceId, MethodId, Slot, StreamId};
use crate::payload::{Content, Payload};
use crate::secret::Secret;
use crate::wire::{Header, HeaderBlock, LockTokens, Resolve, ResolveWhat, Target, Window};

/// What is to be done after the session's lock was let go.
///
/// Waking and dropping may run code of other people, who may call back.
pub struct Effects<T> {
    /// Tasks to wake.
    pub wakers: Vec<Waker>,
    /// What most calls do not leave; made when it is first written to.
    rare: Option<Box<RareEffects<T>>>,
}

/// The effects that are rare.
pub struct RareEffects<T> {
    /// Running calls of the peer that are to stop.
    pub cancelled: Vec<(Arc<Cancellation>, CancelReason)>,
    /// What the peer holds no more.
    pub dropped: Vec<T>,
    /// A request that came in several frames, of which this was the last.
    pub assembled: Option<Assembled<T>>,
    /// Streams that are to send their items from now on, with their numbers.
    pub begun: Vec<(Arc<dyn StreamSource>, StreamId)>,
    /// The peer has said that it takes no more calls, and neither side had before. Nothing is to be done for it.
    pub sent_away: bool,
}

impl<T> RareEffects<T> {
    const fn new() -> Self {
        Self {
            cancelled: Vec::new(),
            dropped: Vec::new(),
            assembled: None,
            begun: Vec::new(),
            sent_away: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.cancelled.is_empty()
            && self.dropped.is_empty()
            && self.assembled.is_none()
            && self.begun.is_empty()
    }
}

impl<T> Effects<T> {
    /// Makes effects of which there are none. Allocates nothing.
    pub const fn new() -> Self {
        Self {
            wakers: Vec::new(),
            rare: None,
        }
    }

    /// Whether there is nothing to do.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty() && self.rare.as_ref().is_none_or(|rare| rare.is_empty())
    }

    /// Whether a request has become whole.
    pub fn has_assembled(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.assembled.is_some())
    }

    /// Whether the peer has begun to part. Told once.
    pub fn take_sent_away(&mut self) -> bool {
        let rare = self.rare.as_mut();
        rare.is_some_and(|rare| std::mem::take(&mut rare.sent_away))
    }

    /// Tasks to wake, and the rest if there is any.
    pub fn parts(&mut self) -> (&mut Vec<Waker>, Option<&mut RareEffects<T>>) {
        let rare = self.rare.as_deref_mut();
        (&mut self.wakers, rare.filter(|rare| !rare.is_empty()))
    }

    /// What most calls do not leave, to add to it.
    pub fn rare(&mut self) -> &mut RareEffects<T> {
        self.rare
            .get_or_insert_with(|| Box::new(RareEffects::new()))
    }
}

impl<T> Default for Effects<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Effects<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects")
            .field("wakers", &self.wakers.len())
            .field("rare", &self.rare.is_some())
            .finish()
    }
}

/// A request that goes to the peer and wants an answer.
#[derive(Debug, Clone, Copy)]
pub enum Outgoing<'a> {
    /// A call of a method.
    Call {
        /// The object.
        target: Target,
        /// The method.
        method: MethodId,
        /// Whether the peer is to keep the answer, because calls on it are coming. One that does not do that
        /// gets an ordinary call.
        keep: bool,
        /// What goes along.
        header: &'a HeaderBlock,
        /// The arguments.
        payload: Content<'a>,
    },
    /// A request for the slot of an object.
    Resolve {
        /// How the key is to be understood.
        what: ResolveWhat,
        /// The interface that the object is to be seen through.
        interface: InterfaceId,
        /// The hash of its signatures as they are known here.
        signature: u64,
        /// A name, a ticket or a slot.
        key: &'a [u8],
        /// Whether calls may go to the answer until it is given up, and not only until it is taken.
        keep: bool,
        /// What goes along.
        header: &'a HeaderBlock,
        /// The constructor's arguments, if something is activated.
        payload: Content<'a>,
    },
}

impl<'a> Outgoing<'a> {
    /// What goes along.
    pub(super) const fn header(&self) -> &'a HeaderBlock {
        match self {
            Self::Call { header, .. } | Self::Resolve { header, .. } => header,
        }
    }

    /// The arguments.
    pub(super) const fn payload(&self) -> Content<'a> {
        match self {
            Self::Call { payload, .. } | Self::Resolve { payload, .. } => *payload,
        }
    }

    /// Whether the answer is to be kept of a call.
    pub(super) const fn keeps(&self) -> bool {
        matches!(self, Self::Call { keep: true, .. })
    }
}

/// A call that wants no answer.
#[derive(Debug, Clone, Copy)]
pub struct Posting<'a> {
    /// The object.
    pub target: Target,
    /// The method.
    pub method: MethodId,
    /// What goes along.
    pub header: &'a HeaderBlock,
    /// The arguments.
    pub payload: Content<'a>,
}

/// What became of a request that was to be sent.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Start {
    /// It is in the output; its answer will come under this number.
    Sent(CallId),
    /// There is no place for it now: wait for one.
    Full,
    /// It cannot be sent at all. Nothing of it was executed.
    Refused(Error),
}

/// The answer to a request of ours.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The encoded result; empty for a RESOLVE, but for headers. The objects that it refers to are attached:
    /// [`Session::unpack`](super::Session::unpack) takes them off.
    pub payload: Payload,
    /// The answer to a RESOLVE: the slot, and the signature hash of its interface.
    pub slot: Option<(Slot, u64)>,
}

impl Reply {
    /// Whether it refers to no object.
    pub(crate) fn is_plain(&self) -> bool {
        self.slot.is_none() && !self.payload.has_attached()
    }
}

/// Names a caller that waits for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaiterId(pub(super) u64);

/// Names a request of the peer until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IncomingKey {
    pub(super) place: IncomingPlace,
    /// Tells this request from all others of the session.
    pub(super) sequence: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum IncomingPlace {
    Call(CallId),
    /// A request whose answer is kept.
    Kept(CallId),
    Post(usize),
}

impl IncomingKey {
    /// Whether nobody waits for an answer.
    pub const fn is_post(&self) -> bool {
        matches!(self.place, IncomingPlace::Post(_))
    }

    /// Whether calls may go to its answer.
    pub const fn is_kept(&self) -> bool {
        matches!(self.place, IncomingPlace::Kept(_))
    }
}

/// A request of the peer that the driver has to answer.
#[derive(Debug)]
pub enum Request<'f, T> {
    /// A call of an object that this side has exported.
    Call(IncomingRequest<'f, T>),
    /// A request for an object.
    Resolve(IncomingResolve<'f, T>),
}

/// A call of an object that this side has exported. Borrows from its frame.
#[derive(Debug)]
pub struct IncomingRequest<'f, T> {
    /// What its answer has to name.
    pub key: IncomingKey,
    /// The object.
    pub target: T,
    /// The method.
    pub method: MethodId,
    /// What came along.
    pub header: Header<'f>,
    /// The arguments.
    pub payload: &'f [u8],
    /// The objects that they refer to.
    pub references: Vec<Received<T>>,
    /// When its caller stops waiting.
    pub deadline: Instant,
}

/// A request for an object. Borrows from its frame.
#[derive(Debug)]
pub struct IncomingResolve<'f, T> {
    /// What its answer has to name.
    pub key: IncomingKey,
    /// The request.
    pub resolve: Resolve<'f>,
    /// The objects that its arguments refer to.
    pub references: Vec<Received<T>>,
    /// When its caller stops waiting.
    pub deadline: Instant,
}

/// A call that had to wait for its object, or for one of those in its arguments.
#[derive(Debug)]
pub struct QueuedCall<T> {
    /// What its answer has to name.
    pub key: IncomingKey,
    /// The object.
    pub target: T,
    /// The method.
    pub method: MethodId,
    /// How the arguments are encoded.
    pub codec: u8,
    /// The locks that the calls above hold.
    pub locks: LockTokens,
    /// How many calls stand above it.
    pub depth: u32,
    /// What the user sent along.
    pub user: Vec<(String, String)>,
    /// The arguments, with the objects that they refer to.
    pub payload: Payload,
    /// When its caller stops waiting.
    pub deadline: Instant,
}

/// What the peer has said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerHello {
    /// Program and version. The peer's own words: escape them in logs.
    pub agent: String,
    /// The codecs that it reads.
    pub codecs: Vec<u8>,
    /// The longest body of a frame that it takes.
    pub max_frame: usize,
    /// The longest message that it takes, in as many frames as it needs.
    pub max_message: usize,
    /// How many calls it lets run at once.
    pub max_calls: usize,
    /// The number that its host has drawn when it began; 0 if it does not tell.
    pub incarnation: u64,
    /// What it shows to prove who it is, until that is taken.
    pub token: Option<Secret>,
    /// The session that it wants back, until that is taken.
    pub resumption: Option<Resumption>,
    /// What it takes of streams, if it takes any.
    pub window: Option<Window>,
    /// Whether it keeps the answers of calls.
    pub keeps: bool,
}

/// How full the tables of a session are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Calls of ours whose answer has not been taken, or has not come.
    pub outgoing: usize,
    /// Callers that wait for a place.
    pub waiting: usize,
    /// Calls and other requests of the peer that are not answered.
    pub incoming: usize,
    /// Answers that are kept for the peer, which has not forgotten them.
    pub answers: usize,
    /// Slots that the peer holds.
    pub exports: usize,
    /// Slots of the peer that are held here.
    pub imports: usize,
    /// Streams in either direction that somebody sends or reads.
    pub streams: usize,
}
