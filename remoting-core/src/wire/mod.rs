//! The wire: bytes to messages and back.
//!
//! `PROTOCOL.md` is the law and this module its only reader and writer. Nothing
//! here keeps state, waits or knows the time. Reading borrows from the frame and
//! trusts nothing in it: every function that takes a peer's bytes is total, and
//! what it refuses is a [`Violation`] with the number of the broken rule. Writing
//! appends to a buffer of the caller's.

pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod header_block;
pub(crate) mod hello;
pub(crate) mod locks;
pub(crate) mod message;
pub(crate) mod preface;
mod read;
pub(crate) mod references;
pub(crate) mod release;
pub(crate) mod resolve;
pub(crate) mod varint;
pub(crate) mod violation;
pub(crate) mod write;

#[cfg(test)]
mod tests;

pub(crate) use frame::measure;
pub use frame::{
    DEFAULT_MAX_BODY, Flags, FrameStart, HEAD_LENGTH, MAX_BODY, RawFrame, TooLong, begin_frame,
    end_frame, kind, lengthen_frame, split_frame,
};
pub use header::{
    DEFAULT_CODEC, DEFAULT_DEADLINE_MS, Entries, Header, MAX_PAIR_BYTES, MAX_PAIRS, UserPairs,
};
pub use header_block::{HeaderBlock, PairsTooLarge};
pub use hello::{
    Hello, KEEPS_ANSWERS, LEAST_LIMIT, LEAST_STREAMS, MAX_AGENT, MAX_CODECS, RESUMES, ResumeSecret,
    SessionId, Window,
};
pub use locks::{LockTokens, MAX_LOCKS};
pub use message::{
    Abort, BYE, Call, Cont, ContOf, Credit, End, ErrorReply, GoAway, Item, MAX_TEXT, Message, Ping,
    Post, Renew, Return, Target, WireFault,
};
pub use preface::{MAJOR, MINOR, PREFACE, PREFACE_LENGTH, Preface};
pub use read::plain_item;
pub use references::{MAX_REFERENCES, ReferenceTable, Referred};
pub use release::{ForgottenCalls, Release, ReleasedSlots};
pub use resolve::{MAX_KEY, Resolve, ResolveAnswer, ResolveRequest, ResolveWhat};
pub use varint::{ID_LIMIT, Reader, Varint, cut_text, put_prefixed, put_varint, varint_length};
pub use violation::Violation;
pub use write::{
    PLAIN_ITEM, write_abort, write_ack, write_call, write_cancel, write_cont, write_credit,
    write_end, write_error, write_go_away, write_hello, write_item, write_kept_call, write_ping,
    write_plain_item, write_pong, write_post, write_release, write_resolve, write_return,
};

// For the vectors and the fuzz targets, which stand outside of the crate.
pub use crate::id::{CallId, InterfaceId, LockToken, MethodId, Slot, StreamId};
pub use crate::payload::Payload;
