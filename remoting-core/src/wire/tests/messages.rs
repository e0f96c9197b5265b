//! Messages of each kind.

use proptest::prelude::*;

use super::{frame, only_frame, read};
use crate::id::{CallId, InterfaceId, MethodId, Slot, StreamId};
use crate::payload::Payload;
use crate::wire::{
    Abort, Call, ContOf, Entries, ErrorReply, Flags, GoAway, Header, HeaderBlock, MAX_BODY,
    Message, Ping, Post, RawFrame, ResolveAnswer, ResolveRequest, ResolveWhat, Return, Target,
    TooLong, Violation, WireFault, kind, write_abort, write_call, write_cancel, write_error,
    write_go_away, write_kept_call, write_ping, write_pong, write_post, write_release,
    write_resolve, write_return,
};

const NO_HEADER: fn() -> HeaderBlock = HeaderBlock::new;

fn id() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..300, 0u32..1 << 30]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        id().prop_map(|slot| Target::Slot(Slot(slot))),
        id().prop_map(|call| Target::Answer(CallId(call))),
    ]
}

fn what() -> impl Strategy<Value = ResolveWhat> {
    prop_oneof![
        Just(ResolveWhat::Name),
        any::<u32>().prop_map(|method| ResolveWhat::Activate(MethodId(method))),
        Just(ResolveWhat::Ticket),
    ]
}

/// A header block and what is read of it.
fn block(deadline_ms: Option<u64>) -> (HeaderBlock, Header<'static>) {
    let mut block = HeaderBlock::new();
    let deadline_ms = deadline_ms.filter(|left| *left != 30_000);
    if let Some(left) = deadline_ms {
        block.set_deadline_ms(left);
    }
    (
        block,
        Header::from(Entries {
            deadline_ms,
            ..Entries::default()
        }),
    )
}

#[test]
fn the_common_call_and_return_cost_ten_and_five_bytes() {
    let mut out = Vec::new();
    let target = Target::Slot(Slot(31));
    write_call(
        &mut out,
        CallId(127),
        target,
        MethodId::of("add"),
        &NO_HEADER(),
        &[],
    )
    .expect("small");
    assert_eq!(out.len(), 10);
    out.clear();
    write_return(&mut out, CallId(127), &NO_HEADER(), &[]).expect("small");
    assert_eq!(out.len(), 5);
}

#[test]
fn a_frame_that_ends_in_a_field_is_refused() {
    let mut header = HeaderBlock::new();
    header.set_deadline_ms(1);
    let mut out = Vec::new();
    write_call(
        &mut out,
        CallId(300),
        Target::Answer(CallId(9)),
        MethodId(7),
        &header,
        &[],
    )
    .expect("small");
    let whole = only_frame(&out);
    for end in 0..whole.body.len() {
        let cut = RawFrame {
            body: &whole.body[..end],
            ..whole
        };
        assert_eq!(
            Message::parse(cut),
            Err(Violation::FrameEndsEarly),
            "{end} bytes"
        );
    }
}

#[test]
fn bytes_behind_the_last_field_are_refused() {
    let ping = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let bodies: [(u8, &[u8]); 8] = [
        (kind::HELLO, &[0]),
        (kind::CANCEL, &[1, 0]),
        (kind::RELEASE, &[0, 0, 0]),
        (kind::RENEW, &[1, 1, 1, 0]),
        (kind::PING, &ping),
        (kind::GO_AWAY, &[0, 0, 0, 0]),
        (kind::ACK, &[1, 0]),
        (kind::ABORT, &[0, 0, 0]),
    ];
    for (kind, body) in bodies {
        assert_eq!(
            read(&frame(kind, body)),
            Err(Violation::TrailingBytes),
            "kind {kind}"
        );
    }
}

#[test]
fn a_target_of_an_unknown_kind_is_refused() {
    let call = |target: &[u8]| frame(kind::CALL, &[&[1][..], target, &[0; 4]].concat());
    assert_eq!(read(&call(&[2])), Err(Violation::UnknownTarget));
    assert_eq!(read(&call(&[3])), Err(Violation::UnknownTarget));
    assert_eq!(read(&call(&[1, 1])), Err(Violation::AnswerPathNotEmpty));
    assert!(read(&call(&[1, 0])).is_ok());
}

#[test]
fn the_flags_of_a_call_are_read() {
    let bytes = frame(kind::CALL | 0x60, &[1, 4, 0, 0, 0, 0, 9]);
    let Ok(Message::Call(call)) = read(&bytes) else {
        panic!("a call")
    };
    assert!(call.keep && call.more);
    assert_eq!(call.payload, [9]);
}

#[test]
fn an_error_tells_what_happened_or_is_refused() {
    let error = |fields: &[u8]| frame(kind::ERROR, &[&[1][..], fields].concat());
    assert_eq!(
        read(&error(&[0, 0, 0, 0])),
        Err(Violation::ErrorWithoutCode)
    );
    assert_eq!(read(&error(&[3, 3, 0, 0])), Err(Violation::UnknownExecuted));
    assert_eq!(
        read(&error(&[3, 0, 0, 1, 0xff])),
        Err(Violation::TextNotUtf8)
    );
    let long = [&[3, 0, 0, 0x81, 0x08][..], &[b'a'; 1025]].concat();
    assert_eq!(read(&error(&long)), Err(Violation::TextTooLong));
    assert!(
        read(&error(&[255, 2, 0, 0])).is_ok(),
        "an unknown code is for the session"
    );
}

#[test]
fn a_text_that_is_too_long_is_cut_when_written() {
    let text = "x".repeat(5000);
    let mut out = Vec::new();
    write_abort(
        &mut out,
        &Abort {
            code: 20,
            text: &text,
        },
    );
    let Ok(Message::Abort(abort)) = read(&out) else {
        panic!("an abort")
    };
    assert_eq!(abort.text.len(), 1024);
}

#[test]
fn a_release_of_nothing_or_with_a_false_count_is_refused() {
    assert_eq!(
        read(&frame(kind::RELEASE, &[1, 5, 0, 0])),
        Err(Violation::ReleaseOfNothing)
    );
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1];
    assert_eq!(
        read(&frame(kind::RELEASE, &huge)),
        Err(Violation::FrameEndsEarly)
    );
}

#[test]
fn streams_renewals_and_continuations_are_read() {
    let renew = frame(kind::RENEW, &[1, 2, 0xe8, 0x07]);
    assert!(matches!(read(&renew), Ok(Message::Renew(r)) if r.wanted_ms == 1000));
    let item = frame(kind::ITEM, &[7, 0xc0]);
    assert!(
        matches!(read(&item), Ok(Message::Item(i)) if i.stream == StreamId(7) && i.payload == [0xc0])
    );
    let credit = frame(kind::CREDIT | 0x20, &[7, 1, 2]);
    assert!(matches!(read(&credit), Ok(Message::Credit(c)) if c.yours && c.bytes == 2));
    let complete = frame(kind::END, &[7, 0]);
    assert!(matches!(read(&complete), Ok(Message::End(e)) if e.fault.is_none()));
    let failed = frame(kind::END, &[7, 15, 1, 0, 2, b'n', b'o']);
    assert!(
        matches!(read(&failed), Ok(Message::End(e)) if e.fault.is_some_and(|f| f.text == "no"))
    );
    assert!(matches!(read(&frame(kind::ACK, &[9])), Ok(Message::Ack(9))));
    let parts = [
        ContOf::Call(CallId(2)),
        ContOf::Return(CallId(2)),
        ContOf::Item(StreamId(2)),
    ];
    for (tag, of) in (8..).zip(parts) {
        let cont = frame(kind::CONT | 0x40, &[tag, 1]);
        assert!(matches!(read(&cont), Ok(Message::Cont(c)) if c.of == of && c.more));
    }
    assert_eq!(
        read(&frame(kind::CONT, &[3])),
        Err(Violation::UnknownContinuation)
    );
}

#[test]
fn a_resolve_that_makes_no_sense_is_refused() {
    let resolve = |flags: u8, what: u8, rest: &[u8]| {
        frame(
            kind::RESOLVE | flags,
            &[&[1, what][..], &[0; 16], rest].concat(),
        )
    };
    assert_eq!(read(&resolve(0, 4, &[0])), Err(Violation::UnknownResolve));
    assert_eq!(
        read(&resolve(0, 0, &[1, b'a', 0])),
        Err(Violation::TrailingBytes)
    );
    assert_eq!(
        read(&resolve(0x40, 0, &[1, b'a'])),
        Err(Violation::FlagNotAllowed)
    );
    assert_eq!(read(&resolve(0, 3, &[0])), Err(Violation::BadResolveKey));
    assert_eq!(
        read(&resolve(0, 3, &[2, 5, 5])),
        Err(Violation::BadResolveKey)
    );
    let long = [&[0x81, 0x02][..], &[b'a'; 257]].concat();
    assert_eq!(read(&resolve(0, 0, &long)), Err(Violation::BadResolveKey));
    let cast = resolve(0, 3, &[1, 5]);
    let Ok(Message::Resolve(cast)) = read(&cast) else {
        panic!("a cast")
    };
    assert_eq!(cast.request.slot(), Ok(Slot(5)));
}

#[test]
fn the_answer_of_a_resolve_is_read_back() {
    let answer = ResolveAnswer {
        slot: Slot(300),
        signature: 0x0123_4567_89ab_cdef,
    };
    let mut payload = Payload::new();
    answer.write(&mut payload);
    assert_eq!(ResolveAnswer::parse(payload.as_slice()), Ok(answer));
    payload.extend_from_slice(&[0]);
    assert_eq!(
        ResolveAnswer::parse(payload.as_slice()),
        Err(Violation::BadResolveAnswer)
    );
    assert_eq!(ResolveAnswer::parse(&[]), Err(Violation::BadResolveAnswer));
}

#[test]
fn what_does_not_fit_writes_nothing() {
    let payload = vec![0; MAX_BODY - 3];
    let mut out = b"earlier".to_vec();
    let target = Target::Slot(Slot(0));
    let refused = write_call(
        &mut out,
        CallId(0),
        target,
        MethodId(0),
        &NO_HEADER(),
        &payload,
    );
    assert_eq!(refused, Err(TooLong));
    let payload = vec![0; MAX_BODY + 1];
    assert_eq!(
        write_return(&mut out, CallId(0), &NO_HEADER(), &payload),
        Err(TooLong)
    );
    assert_eq!(out, b"earlier");
}

proptest! {
    #[test]
    fn any_call_and_post_is_read_back(
        call in id(), target in target(), method: u32, left: Option<u64>, payload: Vec<u8>, keep: bool,
    ) {
        let (call, method, (block, header)) = (CallId(call), MethodId(method), block(left));
        let mut out = Vec::new();
        let write = if keep { write_kept_call } else { write_call };
        write(&mut out, call, target, method, &block, &payload).expect("small");
        let payload = &payload[..];
        let expected = Call {
            call, target, method, keep, more: false, header: header.clone(), payload,
        };
        prop_assert_eq!(read(&out), Ok(Message::Call(expected)));
        out.clear();
        write_post(&mut out, target, method, &block, payload).expect("small");
        let expected = Post { target, method, header, payload };
        prop_assert_eq!(read(&out), Ok(Message::Post(expected)));
    }

    #[test]
    fn any_return_and_error_is_read_back(
        call in id(), left: Option<u64>, payload: Vec<u8>,
        code in 1u8.., executed in 0u8..=2, retry_after_ms: u64, text in ".{0,50}",
    ) {
        let (call, (block, header)) = (CallId(call), block(left));
        let payload = &payload[..];
        let mut out = Vec::new();
        write_return(&mut out, call, &block, payload).expect("small");
        let expected = Return { call, more: false, header: header.clone(), payload };
        prop_assert_eq!(read(&out), Ok(Message::Return(expected)));
        out.clear();
        let fault = WireFault { code, executed, retry_after_ms, text: &text, payload };
        write_error(&mut out, call, &block, &fault).expect("small");
        let expected = ErrorReply { call, header, fault };
        prop_assert_eq!(read(&out), Ok(Message::Error(expected)));
    }

    #[test]
    fn any_resolve_is_read_back(
        call in id(), what in what(), interface: u64, signature: u64,
        key in prop::collection::vec(any::<u8>(), 0..=256), left: Option<u64>, payload: Vec<u8>,
    ) {
        let (block, header) = block(left);
        let interface = InterfaceId(interface);
        let request = ResolveRequest { what, interface, signature, key: &key };
        let mut out = Vec::new();
        write_resolve(&mut out, CallId(call), &request, &block, &payload).expect("small");
        let Ok(Message::Resolve(resolve)) = read(&out) else { panic!("a resolve") };
        prop_assert_eq!((resolve.call, resolve.more), (CallId(call), false));
        prop_assert_eq!((resolve.request, resolve.header), (request, header));
        let activates = matches!(what, ResolveWhat::Activate(_));
        prop_assert_eq!(resolve.payload, if activates { &payload[..] } else { &[] });
    }

    #[test]
    fn any_release_is_read_back(
        slots in prop::collection::vec((id(), 1u32..), 0..20),
        calls in prop::collection::vec(id(), 0..20),
    ) {
        let slots: Vec<_> = slots.into_iter().map(|(slot, count)| (Slot(slot), count)).collect();
        let calls: Vec<_> = calls.into_iter().map(CallId).collect();
        let mut out = Vec::new();
        write_release(&mut out, &slots, &calls).expect("small");
        let Ok(Message::Release(release)) = read(&out) else { panic!("a release") };
        prop_assert_eq!(release.slots.iter().collect::<Vec<_>>(), slots);
        prop_assert_eq!(release.calls.iter().collect::<Vec<_>>(), calls);
    }

    #[test]
    fn any_small_message_is_read_back(
        call in id(), numbers: [u64; 2], code: u8, text in ".{0,50}",
    ) {
        let [rx_count, opaque] = numbers;
        let ping = Ping { rx_count, opaque };
        let go_away = GoAway { accepted: rx_count, drain_ms: opaque, reason: &text };
        let abort = Abort { code, text: &text };
        let mut out = [const { Vec::new() }; 5];
        write_cancel(&mut out[0], CallId(call));
        write_ping(&mut out[1], ping);
        write_pong(&mut out[2], ping);
        write_go_away(&mut out[3], &go_away);
        write_abort(&mut out[4], &abort);
        prop_assert_eq!(read(&out[0]), Ok(Message::Cancel(CallId(call))));
        prop_assert_eq!(read(&out[1]), Ok(Message::Ping(ping)));
        prop_assert_eq!(read(&out[2]), Ok(Message::Pong(ping)));
        prop_assert_eq!(read(&out[3]), Ok(Message::GoAway(go_away)));
        prop_assert_eq!(read(&out[4]), Ok(Message::Abort(abort)));
    }

    #[test]
    fn any_bytes_are_read_without_harm(last: u8, body: Vec<u8>) {
        let frame = RawFrame { kind: last & 0x1f, flags: Flags::of_byte(last), body: &body };
        let _ = Message::parse(frame);
    }
}
