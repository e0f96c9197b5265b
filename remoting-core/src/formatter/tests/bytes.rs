//! Many bytes, which go along without being copied.

use super::both;
use crate::formatter::ByteVec;
use crate::payload::{LARGE, Payload};

/// Around the sizes where something changes.
const SIZES: [usize; 7] = [0, 100, LARGE - 1, LARGE, 0xffff, 0x1_0000, 300_000];

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

#[test]
fn bytes_that_are_given_away_are_written_like_those_that_are_not() {
    for (formatter, size) in both()
        .iter()
        .flat_map(|known| SIZES.map(|size| (known, size)))
    {
        let copied = formatter.encode(&ByteVec(bytes(size))).unwrap();
        let given = formatter.encode_owned(ByteVec(bytes(size))).unwrap();
        assert_eq!(given.len(), copied.len(), "{size} bytes");
        assert!(given.as_slice() == copied.as_slice(), "{size} bytes");
    }
}

#[test]
fn bytes_are_taken_out_of_whatever_they_came_in() {
    for (formatter, size) in both()
        .iter()
        .flat_map(|known| SIZES.map(|size| (known, size)))
    {
        let payload = formatter.encode(&ByteVec(bytes(size))).unwrap();
        let mut shared = payload.clone();
        shared.share();
        let kept = shared.clone();
        for payload in [payload, shared, kept] {
            let back = formatter.decode_bytes(payload).unwrap();
            assert!(back == bytes(size), "{size} bytes");
        }
    }
}

#[test]
fn what_is_not_one_row_of_bytes_is_refused_however_long_it_is() {
    let formatter = &both()[0];
    let good = formatter.encode(&ByteVec(bytes(100_000))).unwrap();
    let good = good.as_slice();
    let more = [good, &[0]].concat();
    let wrong = [&[0xc6, 0, 1, 0, 0], bytes(100_000).as_slice()].concat();
    for bad in [&good[..99_999], &more, &wrong, &bytes(100_000)] {
        assert!(formatter.decode_bytes(Payload::from(bad)).is_err());
    }
}

#[test]
fn many_bytes_stay_where_they_are_from_the_one_who_gives_them_to_the_one_who_takes_them() {
    let formatter = &both()[0];
    let given = bytes(100_000);
    let place = given.as_ptr();
    let payload = formatter.encode_owned(ByteVec(given)).unwrap();
    let taken = formatter.decode_bytes(payload).unwrap();
    assert!(taken == bytes(100_000));
    assert_eq!(taken.as_ptr(), place);
}
