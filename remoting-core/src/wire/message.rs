//! Messages: what a frame says.
//!
//! One variant for each kind of frame. Those with more than two fields have a
//! struct of their own; all borrow from the frame.

use super::header::Header;
use super::hello::Hello;
use super::release::Release;
use super::resolve::Resolve;
use crate::id::{CallId, MethodId, Slot, StreamId};

/// How many bytes the text of an error, a GOAWAY or an ABORT has at most.
pub const MAX_TEXT: usize = 1024;

/// The code of an ABORT that ends a session in peace.
pub const BYE: u8 = 0;

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// The first frame of each side.
    Hello(Hello),
    /// A call that wants an answer.
    Call(Call<'a>),
    /// The result of a call.
    Return(Return<'a>),
    /// The failure of a call.
    Error(ErrorReply<'a>),
    /// Nobody waits for this call any more.
    Cancel(CallId),
    /// References and kept answers that are held no more.
    Release(Release<'a>),
    /// A request to let an object live on.
    Renew(Renew),
    /// A question whether the peer is there.
    Ping(Ping),
    /// The answer to a PING.
    Pong(Ping),
    /// An item of a stream.
    Item(Item<'a>),
    /// Leave to send more items.
    Credit(Credit),
    /// The end of a stream.
    End(End<'a>),
    /// More of a payload.
    Cont(Cont<'a>),
    /// A request for the slot of an object.
    Resolve(Resolve<'a>),
    /// No further calls are taken.
    GoAway(GoAway<'a>),
    /// How many frames have arrived.
    Ack(u64),
    /// A call that wants no answer.
    Post(Post<'a>),
    /// The session is over.
    Abort(Abort<'a>),
    /// A frame of this unknown kind, which may be skipped.
    Ignored(u8),
}

/// The object that a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An object that the receiver has exported.
    Slot(Slot),
    /// The object that this earlier call answers with.
    Answer(CallId),
}

impl Target {
    /// The call whose answer it is, if it is one.
    pub const fn answer(self) -> Option<CallId> {
        match self {
            Self::Slot(_) => None,
            Self::Answer(call) => Some(call),
        }
    }
}

/// A call that wants an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// The id that the answer names.
    pub call: CallId,
    /// The object.
    pub target: Target,
    /// The method.
    pub method: MethodId,
    /// The answer is to be kept, for calls on it are coming.
    pub keep: bool,
    /// The payload goes on in a CONT.
    pub more: bool,
    /// The header block.
    pub header: Header<'a>,
    /// The arguments.
    pub payload: &'a [u8],
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return<'a> {
    /// The call.
    pub call: CallId,
    /// The payload goes on in a CONT.
    pub more: bool,
    /// The header block.
    pub header: Header<'a>,
    /// The result.
    pub payload: &'a [u8],
}

/// The failure of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply<'a> {
    /// The call.
    pub call: CallId,
    /// The header block.
    pub header: Header<'a>,
    /// What went wrong.
    pub fault: WireFault<'a>,
}

/// What went wrong, as an ERROR or END tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireFault<'a> {
    /// The kind of error, 1 to 255; not all of them need be known.
    pub code: u8,
    /// Whether the call was executed: 0 no, 1 yes, 2 nobody knows.
    pub executed: u8,
    /// After how many milliseconds another attempt makes sense; 0 if nothing is said.
    pub retry_after_ms: u64,
    /// A sentence for people, at most 1 KiB.
    pub text: &'a str,
    /// The error's own data.
    pub payload: &'a [u8],
}

/// A request to let an object live on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renew {
    /// The call that the answer names.
    pub call: CallId,
    /// The object.
    pub slot: Slot,
    /// For how many milliseconds.
    pub wanted_ms: u64,
}

/// A PING or a PONG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// How many frames have arrived; 0 unless resume was agreed.
    pub rx_count: u64,
    /// What a PING carries and its PONG brings back.
    pub opaque: u64,
}

/// An item of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'a> {
    /// The stream, by the producer's number.
    pub stream: StreamId,
    /// The payload goes on in a CONT.
    pub more: bool,
    /// The header block.
    pub header: Header<'a>,
    /// The item.
    pub payload: &'a [u8],
}

/// Leave to send more items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// The stream.
    pub stream: StreamId,
    /// The number is one of the receiver's, not of the sender's.
    pub yours: bool,
    /// How many items.
    pub items: u32,
    /// How many bytes.
    pub bytes: u64,
}

/// The end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End<'a> {
    /// The stream.
    pub stream: StreamId,
    /// The number is one of the receiver's, not of the sender's.
    pub yours: bool,
    /// The header block.
    pub header: Header<'a>,
    /// What went wrong; nothing if the stream is complete.
    pub fault: Option<WireFault<'a>>,
}

/// More of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cont<'a> {
    /// What the bytes belong to.
    pub of: ContOf,
    /// Yet another CONT follows.
    pub more: bool,
    /// The bytes.
    pub payload: &'a [u8],
}

/// What a CONT goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContOf {
    /// A CALL or RESOLVE.
    Call(CallId),
    /// A RETURN.
    Return(CallId),
    /// An ITEM of this stream.
    Item(StreamId),
}

/// No further calls are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoAway<'a> {
    /// How many CALL, RESOLVE and POST frames were taken; later ones were not executed.
    pub accepted: u64,
    /// How many milliseconds the calls that were taken have left.
    pub drain_ms: u64,
    /// A sentence for people, at most 1 KiB.
    pub reason: &'a str,
}

/// A call that wants no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post<'a> {
    /// The object.
    pub target: Target,
    /// The method.
    pub method: MethodId,
    /// The header block.
    pub header: Header<'a>,
    /// The arguments.
    pub payload: &'a [u8],
}

/// The session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort<'a> {
    /// [`BYE`], or the kind of error that ended it.
    pub code: u8,
    /// A sentence for people, at most 1 KiB.
    pub text: &'a str,
}
