//! What must hold for any bytes. The fuzz targets and `tests/corpus.rs` share it.

use remoting_core::wire::*;

/// Bytes of a connection: a preface and frames, cut at any place.
///
/// # Panics
///
/// If a frame is larger than allowed, or is read differently when its bytes arrive
/// one by one.
#[allow(dead_code, reason = "each target uses one of the checks")]
pub(crate) fn frame(bytes: &[u8]) {
    if let Some(first) = bytes.first_chunk() {
        let _ = Preface::read(*first);
    }
    let max_body = 4096;
    let mut left = bytes;
    while let Ok(Some((frame, taken))) = split_frame(left, max_body) {
        assert!(frame.body.len() <= max_body && taken == HEAD_LENGTH + frame.body.len());
        // A byte less is never enough, and a byte more changes nothing.
        assert_eq!(split_frame(&left[..taken - 1], max_body), Ok(None));
        assert_eq!(
            split_frame(&left[..taken], max_body),
            Ok(Some((frame, taken)))
        );
        let _ = Message::parse(frame);
        left = &left[taken..];
    }
}

/// One frame: the last byte of its head, then its body.
///
/// # Panics
///
/// If a message that was read and written again is not the same.
#[allow(dead_code, reason = "each target uses one of the checks")]
pub(crate) fn message(bytes: &[u8]) {
    let Some((last, body)) = bytes.split_first() else {
        return;
    };
    let frame = RawFrame {
        kind: last & 0x1f,
        flags: Flags::of_byte(*last),
        body,
    };
    let Ok(message) = Message::parse(frame) else {
        return;
    };
    let mut out = Vec::new();
    if write(&mut out, &message) {
        let (again, taken) = split_frame(&out, MAX_BODY)
            .expect("in bounds")
            .expect("whole");
        assert_eq!(taken, out.len());
        assert_eq!(Message::parse(again).as_ref(), Ok(&message));
    }
    if let Message::Return(reply) = &message {
        if let Ok(answer) = ResolveAnswer::parse(reply.payload) {
            let mut payload = Payload::new();
            answer.write(&mut payload);
            assert_eq!(payload.as_slice(), reply.payload);
        }
    }
}

/// Writes a message of a kind that has a writer, as far as writers can say it.
fn write(out: &mut Vec<u8>, message: &Message<'_>) -> bool {
    let written = match message {
        Message::Call(Call {
            keep,
            more: false,
            call,
            target,
            method,
            header,
            payload,
        }) => block(header).map(|block| {
            let write = if *keep { write_kept_call } else { write_call };
            write(out, *call, *target, *method, &block, payload)
        }),
        Message::Return(Return {
            more: false,
            call,
            header,
            payload,
        }) => block(header).map(|block| write_return(out, *call, &block, payload)),
        Message::Post(Post {
            target,
            method,
            header,
            payload,
        }) => block(header).map(|block| write_post(out, *target, *method, &block, payload)),
        Message::Error(ErrorReply {
            call,
            header,
            fault,
        }) => block(header).map(|block| write_error(out, *call, &block, fault)),
        Message::Resolve(Resolve {
            more: false,
            call,
            request,
            header,
            payload,
        }) => block(header).map(|block| write_resolve(out, *call, request, &block, payload)),
        Message::Release(release) => {
            let slots: Vec<_> = release.slots.iter().collect();
            let calls: Vec<_> = release.calls.iter().collect();
            Some(write_release(out, &slots, &calls))
        }
        other => return write_small(out, other),
    };
    written.is_some_and(|written| written.is_ok())
}

fn write_small(out: &mut Vec<u8>, message: &Message<'_>) -> bool {
    match message {
        Message::Hello(hello) => write_hello(out, hello),
        Message::Cancel(call) => write_cancel(out, *call),
        Message::Ping(ping) => write_ping(out, *ping),
        Message::Pong(pong) => write_pong(out, *pong),
        Message::GoAway(go_away) => write_go_away(out, go_away),
        Message::Abort(abort) => write_abort(out, abort),
        _ => return false,
    }
    true
}

/// The block that says what `header` says, unless it holds what has no writer yet,
/// or tells a default that a writer leaves out.
fn block(header: &Header<'_>) -> Option<HeaderBlock> {
    let raw = [header.trace, header.trace_state, header.idempotency_key];
    let default =
        header.codec == Some(DEFAULT_CODEC) || header.deadline_ms == Some(DEFAULT_DEADLINE_MS);
    if raw.iter().any(Option::is_some) || header.unknown_critical.is_some() || default {
        return None;
    }
    let mut block = HeaderBlock::new().with_references(header.references.iter());
    header
        .codec
        .into_iter()
        .for_each(|codec| block.set_codec(codec));
    header
        .deadline_ms
        .into_iter()
        .for_each(|left| block.set_deadline_ms(left));
    block.set_locks(&header.locks);
    block.set_depth(header.depth);
    for (name, value) in header.user.iter() {
        block
            .add_pair(name, value)
            .expect("what was read is within the limits");
    }
    Some(block)
}
