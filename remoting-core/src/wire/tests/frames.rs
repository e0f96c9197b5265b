//! Heads, flags and the preface.

use proptest::prelude::*;

use super::{frame, only_frame, read};
use crate::wire::{
    Flags, HEAD_LENGTH, MAX_BODY, Message, PREFACE, Preface, TooLong, Violation, begin_frame,
    end_frame, kind, split_frame,
};

#[test]
fn a_frame_that_has_not_arrived_whole_is_waited_for() {
    let bytes = frame(kind::CANCEL, &[5]);
    for end in 0..bytes.len() {
        assert_eq!(split_frame(&bytes[..end], 100), Ok(None), "{end} bytes");
    }
    assert_eq!(only_frame(&bytes).body, [5]);
}

#[test]
fn a_frame_that_is_too_long_is_refused_before_its_body_arrives() {
    let head = [0x01, 0x00, 0x01, kind::CALL];
    assert_eq!(split_frame(&head, 0x1_0000), Err(Violation::FrameTooLong));
    assert_eq!(split_frame(&head, 0x1_0001), Ok(None));
}

#[test]
fn a_body_that_no_head_can_announce_leaves_nothing_behind() {
    let mut out = b"earlier".to_vec();
    let start = begin_frame(&mut out, kind::CALL, Flags::NONE);
    out.resize(out.len() + MAX_BODY + 1, 0);
    assert_eq!(end_frame(&mut out, start), Err(TooLong));
    assert_eq!(out, b"earlier");

    let start = begin_frame(&mut out, kind::CALL, Flags::NONE);
    out.resize(out.len() + MAX_BODY, 0);
    assert_eq!(end_frame(&mut out, start), Ok(()));
    assert_eq!(&out[7..11], &[0xff, 0xff, 0xff, kind::CALL]);
    assert_eq!(out.len(), 7 + HEAD_LENGTH + MAX_BODY);
}

#[test]
fn each_kind_takes_its_own_flags_only() {
    let allowed = [
        0x80, 0xe0, 0xc0, 0x80, 0, 0, 0, 0, 0, 0xc0, 0x20, 0xa0, 0x40, 0xc0, 0, 0, 0x80, 0,
    ];
    for (kind, allowed) in (0u8..).zip(allowed) {
        for flags in (0u8..8).map(|flags| flags << 5) {
            let refused = read(&frame(kind | flags, &[])) == Err(Violation::FlagNotAllowed);
            assert_eq!(
                refused,
                flags & !allowed != 0,
                "kind {kind}, flags {flags:#x}"
            );
        }
    }
}

#[test]
fn an_unknown_kind_is_refused_if_critical_and_skipped_if_not() {
    for flags in [0, 0x20, 0x80, 0xe0] {
        for kind in 18..24 {
            let bytes = frame(kind | flags, b"new");
            assert_eq!(read(&bytes), Err(Violation::UnknownCriticalKind));
        }
        for kind in 24..32 {
            assert_eq!(
                read(&frame(kind | flags, b"new")),
                Ok(Message::Ignored(kind))
            );
        }
    }
}

#[test]
fn a_preface_tells_versions_and_strangers_apart() {
    assert_eq!(Preface::read(PREFACE), Preface::Ours { minor: 0 });
    assert_eq!(
        Preface::read(*b"RMT1\x01\x07\x09\x09"),
        Preface::Ours { minor: 7 }
    );
    assert_eq!(
        Preface::read(*b"RMT1\x02\x00\x00\x00"),
        Preface::Other { major: 2 }
    );
    assert_eq!(Preface::read(*b"GET / HT"), Preface::Foreign);
}

#[test]
fn violations_read_as_sentences_with_their_rule() {
    let text = Violation::FrameTooLong.to_string();
    assert_eq!(text, "a frame is longer than the announced limit (rule F2)");
}

proptest! {
    #[test]
    fn any_bytes_are_split_without_harm(bytes: Vec<u8>, max_body in 0usize..300) {
        if let Ok(Some((frame, taken))) = split_frame(&bytes, max_body) {
            prop_assert!(taken <= bytes.len());
            prop_assert_eq!(taken, HEAD_LENGTH + frame.body.len());
            prop_assert!(frame.body.len() <= max_body);
        }
    }

    #[test]
    fn frames_in_a_row_come_out_as_they_went_in(bodies: Vec<Vec<u8>>) {
        let bytes: Vec<u8> = bodies.iter().flat_map(|body| frame(kind::CALL, body)).collect();
        let mut left = &bytes[..];
        for body in &bodies {
            let (frame, taken) = split_frame(left, MAX_BODY).expect("in bounds").expect("whole");
            prop_assert_eq!(frame.body, &body[..]);
            left = &left[taken..];
        }
        prop_assert!(left.is_empty());
    }
}
