//! Writing messages: one function for each kind that is in use.
//!
//! Each appends one whole frame to `out` and allocates nothing beyond it. Those
//! that take a payload can fail, and have then written nothing. They know the
//! limit of the head only ([`MAX_BODY`]): who knows the peer's `max_frame`
//! compares, and cuts `out` back if need be.

use super::frame::{
    Flags, HEAD_LENGTH, MAX_BODY, TooLong, begin_frame, end_frame, flag_frame, kind,
};
use super::header_block::HeaderBlock;
use super::hello::Hello;
use super::message::{Abort, ContOf, Credit, GoAway, MAX_TEXT, Ping, Target, WireFault};
use super::resolve::{ResolveRequest, ResolveWhat};
use super::varint::{cut_text, put_prefixed, put_varint, varint_length};
use crate::id::{CallId, MethodId, Slot, StreamId};

/// More than the fixed fields of a CALL ever take.
const FIXED_FIELDS: usize = 32;

/// Writes a CALL: a call that wants an answer.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_call(
    out: &mut Vec<u8>,
    call: CallId,
    target: Target,
    method: MethodId,
    header: &HeaderBlock,
    payload: &[u8],
) -> Result<(), TooLong> {
    let fields = |out: &mut Vec<u8>| {
        put_varint(out, u64::from(call.0));
        put_target(out, target);
        out.extend_from_slice(&method.0.to_le_bytes());
    };
    write_payload(out, kind::CALL, fields, header, payload)
}

/// Writes a CALL whose answer is to be kept.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_kept_call(
    out: &mut Vec<u8>,
    call: CallId,
    target: Target,
    method: MethodId,
    header: &HeaderBlock,
    payload: &[u8],
) -> Result<(), TooLong> {
    let begin = out.len();
    write_call(out, call, target, method, header, payload)?;
    flag_frame(out, begin, Flags::EXTRA);
    Ok(())
}

/// Writes a RETURN: the result of a call.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_return(
    out: &mut Vec<u8>,
    call: CallId,
    header: &HeaderBlock,
    payload: &[u8],
) -> Result<(), TooLong> {
    let fields = |out: &mut Vec<u8>| put_varint(out, u64::from(call.0));
    write_payload(out, kind::RETURN, fields, header, payload)
}

/// Writes a POST: a call that wants no answer.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_post(
    out: &mut Vec<u8>,
    target: Target,
    method: MethodId,
    header: &HeaderBlock,
    payload: &[u8],
) -> Result<(), TooLong> {
    let fields = |out: &mut Vec<u8>| {
        put_target(out, target);
        out.extend_from_slice(&method.0.to_le_bytes());
    };
    write_payload(out, kind::POST, fields, header, payload)
}

/// Writes an ERROR: the failure of a call. Of a text above 1 KiB the beginning
/// is written.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_error(
    out: &mut Vec<u8>,
    call: CallId,
    header: &HeaderBlock,
    fault: &WireFault<'_>,
) -> Result<(), TooLong> {
    if fault.payload.len() > MAX_BODY {
        return Err(TooLong);
    }
    let start = begin_frame(out, kind::ERROR, Flags::HDR.when(!header.is_empty()));
    put_varint(out, u64::from(call.0));
    if !header.is_empty() {
        header.write(out);
    }
    put_fault(out, fault);
    end_frame(out, start)
}

/// Writes a RESOLVE: a request for the slot of an object. The payload is written
/// only if something is activated.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_resolve(
    out: &mut Vec<u8>,
    call: CallId,
    request: &ResolveRequest<'_>,
    header: &HeaderBlock,
    payload: &[u8],
) -> Result<(), TooLong> {
    let fields = |out: &mut Vec<u8>| {
        put_varint(out, u64::from(call.0));
        out.push(request.what.number());
        out.extend_from_slice(&request.interface.0.to_le_bytes());
        out.extend_from_slice(&request.signature.to_le_bytes());
        put_prefixed(out, request.key);
        if let ResolveWhat::Activate(constructor) = request.what {
            out.extend_from_slice(&constructor.0.to_le_bytes());
        }
    };
    let payload = match request.what {
        ResolveWhat::Activate(_) => payload,
        ResolveWhat::Name | ResolveWhat::Ticket | ResolveWhat::Cast => &[],
    };
    write_payload(out, kind::RESOLVE, fields, header, payload)
}

/// Writes a CONT: more of a payload.
///
/// - `more`: yet another one follows.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_cont(
    out: &mut Vec<u8>,
    of: ContOf,
    more: bool,
    payload: &[u8],
) -> Result<(), TooLong> {
    let start = begin_frame(out, kind::CONT, Flags::MORE.when(more));
    let tag = match of {
        ContOf::Call(call) => u64::from(call.0) * 4,
        ContOf::Return(call) => u64::from(call.0) * 4 + 1,
        ContOf::Item(stream) => u64::from(stream.0) * 4 + 2,
    };
    put_varint(out, tag);
    out.extend_from_slice(payload);
    end_frame(out, start)
}

/// Writes an ITEM of a stream.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_item(
    out: &mut Vec<u8>,
    stream: StreamId,
    header: &HeaderBlock,
    payload: &[u8],
) -> Result<(), TooLong> {
    let fields = |out: &mut Vec<u8>| put_varint(out, u64::from(stream.0));
    write_payload(out, kind::ITEM, fields, header, payload)
}

/// How much longer than its payload the body of a [plain item](write_plain_item) is at most.
pub const PLAIN_ITEM: usize = 5;

/// Writes an ITEM that is nothing but its payload.
///
/// - `payload`: fits into a frame, with [`PLAIN_ITEM`] more.
#[inline]
pub fn write_plain_item(out: &mut Vec<u8>, stream: StreamId, payload: &[u8]) {
    let id = stream.0;
    let length = varint_length(u64::from(id)).saturating_add(payload.len());
    let [low, middle, high, ..] = length.to_le_bytes();
    match u8::try_from(id) {
        Ok(id) if id < 0x80 => out.extend_from_slice(&[low, middle, high, kind::ITEM, id]),
        _ => {
            out.extend_from_slice(&[low, middle, high, kind::ITEM]);
            put_varint(out, u64::from(id));
        }
    }
    out.extend_from_slice(payload);
}

/// Writes a CREDIT: leave to send more items.
pub fn write_credit(out: &mut Vec<u8>, credit: Credit) {
    let flags = Flags::EXTRA.when(credit.yours);
    write_small(out, kind::CREDIT, flags, |out| {
        put_varint(out, u64::from(credit.stream.0));
        put_varint(out, u64::from(credit.items));
        put_varint(out, credit.bytes);
    });
}

/// Writes an END of a stream.
///
/// - `yours`: the stream is one of the receiver's.
/// - `fault`: what went wrong; nothing if the stream is complete.
///
/// # Errors
///
/// [`TooLong`] if it does not fit into one frame.
pub fn write_end(
    out: &mut Vec<u8>,
    stream: StreamId,
    yours: bool,
    header: &HeaderBlock,
    fault: Option<&WireFault<'_>>,
) -> Result<(), TooLong> {
    if fault.is_some_and(|fault| fault.payload.len() > MAX_BODY) {
        return Err(TooLong);
    }
    let flags = Flags::HDR.when(!header.is_empty());
    let start = begin_frame(out, kind::END, flags.and(Flags::EXTRA.when(yours)));
    put_varint(out, u64::from(stream.0));
    if !header.is_empty() {
        header.write(out);
    }
    match fault {
        None => out.push(0),
        Some(fault) => put_fault(out, fault),
    }
    end_frame(out, start)
}

/// Writes a CANCEL: nobody waits for the call any more.
pub fn write_cancel(out: &mut Vec<u8>, call: CallId) {
    write_small(out, kind::CANCEL, Flags::NONE, |out| {
        put_varint(out, u64::from(call.0))
    });
}

/// Writes a RELEASE: references and kept answers that are held no more.
///
/// # Errors
///
/// [`TooLong`] if the lists do not fit into one frame.
pub fn write_release(
    out: &mut Vec<u8>,
    slots: &[(Slot, u32)],
    calls: &[CallId],
) -> Result<(), TooLong> {
    let start = begin_frame(out, kind::RELEASE, Flags::NONE);
    put_varint(out, slots.len() as u64);
    for (slot, count) in slots {
        put_varint(out, u64::from(slot.0));
        put_varint(out, u64::from(*count));
    }
    put_varint(out, calls.len() as u64);
    for call in calls {
        put_varint(out, u64::from(call.0));
    }
    end_frame(out, start)
}

/// Writes a PING: a question whether the peer is there.
pub fn write_ping(out: &mut Vec<u8>, ping: Ping) {
    write_small(out, kind::PING, Flags::NONE, |out| put_ping(out, ping));
}

/// Writes an ACK: so many frames have come.
pub fn write_ack(out: &mut Vec<u8>, rx_count: u64) {
    write_small(out, kind::ACK, Flags::NONE, |out| put_varint(out, rx_count));
}

/// Writes a PONG: the answer to a PING.
pub fn write_pong(out: &mut Vec<u8>, pong: Ping) {
    write_small(out, kind::PONG, Flags::NONE, |out| put_ping(out, pong));
}

/// Writes a GOAWAY: no further calls are taken. Of a reason above 1 KiB the
/// beginning is written.
pub fn write_go_away(out: &mut Vec<u8>, go_away: &GoAway<'_>) {
    write_small(out, kind::GO_AWAY, Flags::NONE, |out| {
        put_varint(out, go_away.accepted);
        put_varint(out, go_away.drain_ms);
        put_text(out, go_away.reason);
    });
}

/// Writes an ABORT: the session is over. Of a text above 1 KiB the beginning is
/// written.
pub fn write_abort(out: &mut Vec<u8>, abort: &Abort<'_>) {
    write_small(out, kind::ABORT, Flags::NONE, |out| {
        out.push(abort.code);
        put_text(out, abort.text);
    });
}

/// Writes a HELLO: the first frame of each side.
pub fn write_hello(out: &mut Vec<u8>, hello: &Hello) {
    write_small(out, kind::HELLO, Flags::HDR, |out| hello.encode(out));
}

/// Writes a frame of fixed fields, perhaps a header block, and a payload.
fn write_payload(
    out: &mut Vec<u8>,
    kind: u8,
    fields: impl FnOnce(&mut Vec<u8>),
    header: &HeaderBlock,
    payload: &[u8],
) -> Result<(), TooLong> {
    // What cannot fit is not copied first.
    if payload.len() > MAX_BODY {
        return Err(TooLong);
    }
    out.reserve(HEAD_LENGTH + FIXED_FIELDS + payload.len());
    let start = begin_frame(out, kind, Flags::HDR.when(!header.is_empty()));
    fields(out);
    if !header.is_empty() {
        header.write(out);
    }
    out.extend_from_slice(payload);
    end_frame(out, start)
}

/// Writes a frame whose body is bounded far below what a head can announce.
fn write_small(out: &mut Vec<u8>, kind: u8, flags: Flags, fields: impl FnOnce(&mut Vec<u8>)) {
    let start = begin_frame(out, kind, flags);
    fields(out);
    let ended = end_frame(out, start);
    debug_assert!(
        ended.is_ok(),
        "a frame of kind {kind} has outgrown its bound"
    );
}

fn put_target(out: &mut Vec<u8>, target: Target) {
    match target {
        Target::Slot(slot) => put_varint(out, u64::from(slot.0) * 4),
        Target::Answer(call) => {
            put_varint(out, u64::from(call.0) * 4 + 1);
            // The length of the path into the answer.
            out.push(0);
        }
    }
}

fn put_fault(out: &mut Vec<u8>, fault: &WireFault<'_>) {
    out.extend_from_slice(&[fault.code, fault.executed]);
    put_varint(out, fault.retry_after_ms);
    put_text(out, fault.text);
    out.extend_from_slice(fault.payload);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_prefixed(out, cut_text(text, MAX_TEXT).as_bytes());
}

fn put_ping(out: &mut Vec<u8>, ping: Ping) {
    put_varint(out, ping.rx_count);
    out.extend_from_slice(&ping.opaque.to_le_bytes());
}
