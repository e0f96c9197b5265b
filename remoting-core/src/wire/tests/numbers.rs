//! Numbers, texts and the cursor.

use proptest::prelude::*;

use crate::wire::{ID_LIMIT, Reader, Violation, cut_text, put_prefixed, put_varint, varint_length};

#[test]
fn a_number_takes_a_byte_for_each_seven_bits() {
    let lengths = [
        (0, 1),
        (0x7f, 1),
        (0x80, 2),
        (0x3fff, 2),
        (0x4000, 3),
        (u64::from(u32::MAX), 5),
        (u64::MAX >> 1, 9),
        (u64::MAX, 10),
    ];
    for (number, length) in lengths {
        let mut out = Vec::new();
        put_varint(&mut out, number);
        assert_eq!(
            (out.len(), varint_length(number)),
            (length, length),
            "{number:#x}"
        );
    }
}

#[test]
fn a_number_in_a_longer_form_is_refused() {
    for bytes in [&[0x80, 0x00][..], &[0xff, 0x00], &[0x80, 0x80, 0x00]] {
        assert_eq!(
            Reader::new(bytes).varint64(),
            Err(Violation::NumberNotShortest)
        );
    }
}

#[test]
fn a_number_that_is_too_large_is_refused() {
    let above_64 = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    assert_eq!(
        Reader::new(&above_64).varint64(),
        Err(Violation::NumberTooLarge)
    );
    assert_eq!(
        Reader::new(&[0x80; 11]).varint64(),
        Err(Violation::NumberTooLarge)
    );
    let above_32 = [0x80, 0x80, 0x80, 0x80, 0x10];
    assert_eq!(
        Reader::new(&above_32).varint32(),
        Err(Violation::NumberTooLarge)
    );
    let mut id = Vec::new();
    put_varint(&mut id, u64::from(ID_LIMIT));
    assert_eq!(Reader::new(&id).id(), Err(Violation::IdTooLarge));
}

#[test]
fn a_length_beyond_the_bytes_is_refused() {
    assert_eq!(
        Reader::new(&[5, 1, 2]).prefixed(),
        Err(Violation::FrameEndsEarly)
    );
    assert_eq!(Reader::new(&[]).byte(), Err(Violation::FrameEndsEarly));
    assert_eq!(
        Reader::new(&[1, 2, 3]).u32_le(),
        Err(Violation::FrameEndsEarly)
    );
    assert_eq!(
        Reader::new(&[0; 7]).u64_le(),
        Err(Violation::FrameEndsEarly)
    );
}

#[test]
fn a_text_that_is_too_long_or_not_utf8_is_refused() {
    assert_eq!(Reader::new(&[3, b'a', b'b', b'c']).text(3), Ok("abc"));
    assert_eq!(
        Reader::new(&[3, b'a', b'b', b'c']).text(2),
        Err(Violation::TextTooLong)
    );
    assert_eq!(Reader::new(&[1, 0xff]).text(3), Err(Violation::TextNotUtf8));
}

#[test]
fn a_text_is_cut_between_characters() {
    assert_eq!(cut_text("aé", 3), "aé");
    assert_eq!(cut_text("aé", 2), "a");
    assert_eq!(cut_text("é", 1), "");
}

proptest! {
    #[test]
    fn any_number_is_read_back(number: u64, behind: Vec<u8>) {
        let mut out = Vec::new();
        put_varint(&mut out, number);
        out.extend_from_slice(&behind);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.varint64(), Ok(number));
        prop_assert_eq!(reader.rest(), &behind);
    }

    #[test]
    fn a_number_has_one_form_only(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let mut reader = Reader::new(&bytes);
        if let Ok(number) = reader.varint64() {
            let mut again = Vec::new();
            put_varint(&mut again, number);
            again.extend_from_slice(reader.rest());
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_back_behind_their_length(bytes: Vec<u8>) {
        let mut out = Vec::new();
        put_prefixed(&mut out, &bytes);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.prefixed(), Ok(&bytes[..]));
        prop_assert_eq!(reader.finish(), Ok(()));
    }
}
