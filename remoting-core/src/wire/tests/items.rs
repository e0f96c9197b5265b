//! Items, many of which are read and written in a shorter way than other messages.

use proptest::prelude::*;

use super::{frame, read};
use crate::id::StreamId;
use crate::wire::{
    HeaderBlock, Item, Message, PLAIN_ITEM, kind, plain_item, split_frame, write_item,
    write_plain_item,
};

/// What the bytes begin with, read as any other message; nothing if it is no item.
fn as_any(bytes: &[u8]) -> Option<Item<'_>> {
    let (_, length) = split_frame(bytes, usize::MAX).ok()??;
    match read(&bytes[..length]) {
        Ok(Message::Item(item)) => Some(item),
        _ => None,
    }
}

#[test]
fn only_a_short_item_without_flags_is_plain() {
    let item = frame(kind::ITEM, &[7, 0xc0]);
    let behind = [&item[..], &[1, 2]].concat();
    assert_eq!(
        plain_item(&behind),
        Some((StreamId(7), &[0xc0][..], &[1, 2][..]))
    );
    let empty = frame(kind::ITEM, &[7]);
    assert_eq!(plain_item(&empty), Some((StreamId(7), &[][..], &[][..])));
    for other in [
        frame(kind::ITEM | 0x40, &[7, 0xc0]),
        frame(kind::ITEM | 0x80, &[7, 0, 0xc0]),
        frame(kind::END, &[7, 0]),
        frame(kind::ITEM, &[]),
        frame(kind::ITEM, &[0x80, 0]),
        frame(kind::ITEM, &[7; 16 * 1024]),
        item[..item.len() - 1].to_vec(),
        item[..3].to_vec(),
        Vec::new(),
    ] {
        assert_eq!(plain_item(&other), None, "{other:?}");
    }
}

proptest! {
    #[test]
    fn a_plain_item_is_written_like_any_other(
        stream in prop_oneof![0u32..300, 0u32..1 << 30], payload: Vec<u8>,
    ) {
        let (mut plain, mut other) = (vec![1], vec![1]);
        write_plain_item(&mut plain, StreamId(stream), &payload);
        write_item(&mut other, StreamId(stream), &HeaderBlock::new(), &payload).expect("small");
        prop_assert_eq!(&plain, &other);
        prop_assert!(plain.len() <= 1 + 4 + PLAIN_ITEM + payload.len());
        let read = plain_item(&plain[1..]);
        prop_assert_eq!(read, Some((StreamId(stream), &payload[..], &[][..])));
    }

    #[test]
    fn what_is_read_as_a_plain_item_is_one(
        body in prop::collection::vec(any::<u8>(), 0..40),
        flags in prop_oneof![4 => Just(0u8), 1 => any::<u8>()],
        cut in 0usize..50,
    ) {
        let mut bytes = frame(kind::ITEM | flags, &body);
        bytes.extend_from_slice(b"behind");
        bytes.truncate(cut.max(1));
        if let Some((stream, payload, behind)) = plain_item(&bytes) {
            let item = as_any(&bytes).expect("an item");
            prop_assert_eq!((item.stream, item.payload, item.more), (stream, payload, false));
            prop_assert!(item.header.references.is_empty());
            prop_assert!(bytes.ends_with(behind));
        }
    }
}
