//! Batches of items of every kind.

use super::*;

const LENGTHS: [usize; 9] = [0, 3, LARGE - 1, LARGE, 0, 5 * LARGE, 1, 200, 70_000];

/// An item; each third one refers to something.
fn item(number: usize) -> Payload {
    let length = LENGTHS.get(number % LENGTHS.len()).copied().unwrap();
    let mut item = Payload::from(vec![number as u8; length]);
    if number % 3 == 2 {
        item.attach(number);
    }
    item
}

fn filled(count: usize) -> Batch {
    let mut batch = Batch::one();
    (0..count).for_each(|number| batch.push(item(number)));
    batch
}

fn assert_is(mut batch: Batch, numbers: std::ops::Range<usize>) {
    assert_eq!(batch.len(), numbers.len());
    let referring = numbers.clone().filter(|number| number % 3 == 2);
    assert_eq!(batch.referring(), referring.count());
    let bytes: usize = numbers.clone().map(|number| item(number).len()).sum();
    assert_eq!(batch.bytes(), bytes);
    for number in numbers {
        let (came, put) = (batch.pop().unwrap(), item(number));
        assert!(came.as_slice() == put.as_slice(), "{number}");
        assert_eq!(came.attached::<usize>(), put.attached::<usize>());
    }
    assert!(batch.is_empty() && batch.bytes() == 0 && batch.referring() == 0);
}

#[test]
fn items_come_out_as_they_were_put_in() {
    assert_is(filled(50), 0..50);
    let entries = filled(20);
    for (number, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Plain(bytes) => assert!(bytes == item(number).as_slice()),
            Entry::Other(payload) => assert!(payload.as_slice() == item(number).as_slice()),
        }
    }
}

#[test]
fn items_that_move_on_in_parts_stay_in_order() {
    for (items, bytes) in [(1, 0), (3, 100_000), (20, 10), (40, 1 << 20)] {
        let (mut from, mut put, mut got) = (Batch::one(), 0, 0);
        while got < 100 {
            for _ in 0..7 {
                from.push(item(put));
                put += 1;
            }
            let mut into = Batch::one();
            from.move_to(&mut into, items, bytes);
            let count = into.len();
            assert!(count > 0 && (count == 1 || into.bytes() <= bytes));
            assert_is(into, got..got + count);
            got += count;
        }
        let mut rest = filled(0);
        from.move_to(&mut rest, usize::MAX, usize::MAX);
        assert_is(rest, got..put);
    }
}

#[test]
fn items_move_behind_those_that_are_there() {
    let (mut into, mut from) = (filled(5), Batch::one());
    (5..30).for_each(|number| from.push(item(number)));
    from.drop_first(0);
    from.move_to(&mut into, usize::MAX, usize::MAX);
    assert_is(into, 0..30);
    assert!(from.is_empty());
}

#[test]
fn items_are_dropped_from_either_end() {
    let mut batch = filled(30);
    batch.drop_first(7);
    batch.push(item(30));
    assert_is(batch, 7..31);
    let mut cut = filled(30);
    // The numbers 2, 3 and 5 are the first ones that are not plain.
    cut.cut(2);
    assert_is(cut, 0..5);
}

#[test]
fn what_is_not_written_to_its_end_does_not_count() {
    let mut batch = Batch::one();
    batch.push_plain(b"one");
    batch.writer().extend_from_slice(b"half an it");
    batch.push_plain(b"two");
    batch.writer().extend_from_slice(b"three");
    batch.written();
    batch.writer().extend_from_slice(b"half");
    let items: Vec<_> = std::iter::from_fn(|| batch.pop()).collect();
    let items: Vec<_> = items.iter().map(Payload::as_slice).collect();
    assert_eq!(items, [b"one".as_slice(), b"two", b"three"]);
}

#[test]
fn a_batch_is_full_by_items_by_bytes_and_by_what_they_refer_to() {
    let mut batch = Batch::one();
    batch.push_plain(b"");
    assert!(batch.is_full());
    batch.set_room(100, 50);
    assert!(!batch.is_full());
    batch.push_plain(&[1; 50]);
    assert!(batch.is_full());
    batch.set_room(18, 100);
    assert!(!batch.is_full());
    batch.push(item(2).as_slice().into());
    assert!(batch.is_full());
    let mut batch = Batch::one();
    batch.set_room(REFERRING, usize::MAX);
    batch.push(item(2));
    assert!(batch.is_full());
}

#[test]
fn the_room_of_an_empty_batch_is_bounded() {
    let mut batch = Batch::one();
    for _ in 0..20 {
        batch.push_plain(&[1; LARGE - 1]);
    }
    assert!(batch.bytes.capacity() > KEEP);
    while batch.pop().is_some() {}
    batch.push_plain(b"one");
    assert!(batch.bytes.capacity() <= KEEP);
}
