//! Header blocks and HELLO.

use proptest::prelude::*;

use crate::id::{CallId, InterfaceId, LockToken, Slot};
use crate::secret::Secret;
use crate::wire::{
    Header, HeaderBlock, Hello, LockTokens, MAX_LOCKS, MAX_PAIRS, MAX_REFERENCES, PairsTooLarge,
    Reader, Referred, ResumeSecret, SessionId, Violation, Window, put_varint,
};

fn written(block: &HeaderBlock) -> Vec<u8> {
    let mut out = Vec::new();
    block.write(&mut out);
    out
}

/// Reads a block with its length in front.
fn parsed(bytes: &[u8]) -> Result<Header<'_>, Violation> {
    let mut reader = Reader::new(bytes);
    let block = reader.prefixed()?;
    reader.finish()?;
    Header::parse(block)
}

fn tokens(count: u8) -> LockTokens {
    let list = (0..count).map(|number| LockToken([number; 8]));
    list.fold(LockTokens::EMPTY, |list, token| {
        list.with(token).expect("there is room")
    })
}

#[test]
fn what_is_the_default_does_not_travel() {
    let mut block = HeaderBlock::new();
    assert!(block.is_empty());
    block.set_codec(1);
    block.set_deadline_ms(30_000);
    block.set_locks(&LockTokens::EMPTY);
    assert!(block.is_empty());
    let header = Header::default();
    assert_eq!(
        (header.codec_or_default(), header.deadline_ms_or_default()),
        (1, 30_000)
    );
}

#[test]
fn the_same_header_makes_the_same_bytes() {
    let mut one = HeaderBlock::new();
    one.set_codec(0);
    one.set_locks(&tokens(2));
    one.add_pair("a", "b").expect("small");
    one.set_deadline_ms(5);
    let mut other = HeaderBlock::new();
    other.set_deadline_ms(5);
    other.add_pair("a", "b").expect("small");
    other.set_locks(&tokens(2));
    other.set_codec(0);
    assert_eq!(written(&one), written(&other));
}

#[test]
fn a_key_that_occurs_twice_is_refused_unless_it_is_a_user_pair() {
    for key in [2, 11] {
        assert_eq!(
            Header::parse(&[key, 1, 5, key, 1, 5]),
            Err(Violation::HeaderKeyTwice)
        );
    }
    assert_eq!(Header::parse(&[6, 0, 6, 0]), Err(Violation::HeaderKeyTwice));
    let pairs = [10, 2, 1, b'a', 10, 2, 1, b'a'];
    let header = Header::parse(&pairs).expect("pairs may repeat");
    assert_eq!(
        header.user.iter().collect::<Vec<_>>(),
        [("a", ""), ("a", "")]
    );
}

#[test]
fn an_unknown_key_is_skipped_if_even_and_reported_if_odd() {
    assert_eq!(Header::parse(&[100, 1, 7, 100, 0]), Ok(Header::default()));
    for key in [7, 9, 101] {
        let block = [key, 1, 0, 103, 0];
        let header = Header::parse(&block).expect("well formed");
        assert_eq!(header.unknown_critical, Some(u64::from(key)));
    }
}

#[test]
fn a_value_of_the_wrong_form_is_refused() {
    let cases: [(&[u8], Violation); 11] = [
        (&[2, 2, 0x80, 0x00], Violation::NumberNotShortest),
        (&[2, 2, 1, 1], Violation::TrailingBytes),
        (&[11, 0], Violation::FrameEndsEarly),
        (&[11, 2, 0, 0], Violation::TrailingBytes),
        (&[4, 1, 0], Violation::BadTrace),
        (&[5, 0], Violation::BadIdempotencyKey),
        (&[3, 0], Violation::BadReferences),
        (&[3, 2, 3, 0], Violation::BadReferences),
        (&[3, 1, 2], Violation::FrameEndsEarly),
        (&[10, 2, 1, 0xff], Violation::TextNotUtf8),
        (&[2, 9, 1], Violation::FrameEndsEarly),
    ];
    for (block, violation) in cases {
        assert_eq!(Header::parse(block), Err(violation), "{block:x?}");
    }
}

#[test]
fn values_that_are_kept_raw_are_read() {
    let mut block = vec![4, 25];
    block.extend_from_slice(&[9; 25]);
    block.extend_from_slice(&[5, 64]);
    block.extend_from_slice(&[8; 64]);
    let header = Header::parse(&block).expect("well formed");
    assert_eq!(header.trace, Some(&[9; 25][..]));
    assert_eq!(header.idempotency_key, Some(&[8; 64][..]));
    assert_eq!(header.unknown_critical, None);
}

#[test]
fn a_place_in_a_trace_leaves_as_its_own_key_and_is_found_before_the_pairs() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut block = HeaderBlock::new();
    block.add_header("tenant", "blue").unwrap();
    block.add_header("traceparent", trace).unwrap();
    let mut out = Vec::new();
    block.write(&mut out);
    assert_eq!(out[1..3], [4, 25]);
    let header = Header::parse(&out[1..]).unwrap();
    let pairs = header.pairs();
    assert_eq!(pairs[0], ("traceparent".to_owned(), trace.to_owned()));
    assert_eq!(pairs[1], ("tenant".to_owned(), "blue".to_owned()));
    assert_eq!(pairs.len(), 2);
}

#[test]
fn the_state_of_a_trace_leaves_as_its_own_key_behind_all_others() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut block = HeaderBlock::new();
    block.add_header("traceparent", trace).unwrap();
    block.add_header("tracestate", "rojo=1,congo=2").unwrap();
    block.add_header("tenant", "blue").unwrap();
    block.set_depth(3);
    let mut out = Vec::new();
    block.write(&mut out);
    assert!(out.ends_with(b"\x12\x0erojo=1,congo=2"));
    assert_eq!(usize::from(out[0]), out.len() - 1);
    let header = Header::parse(&out[1..]).unwrap();
    assert_eq!(header.depth, 3);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [
        pair("traceparent", trace),
        pair("tracestate", "rojo=1,congo=2"),
        pair("tenant", "blue"),
    ];
    assert_eq!(header.pairs(), expected);
    let twice = [&out[1..], b"\x12\x03a=1"].concat();
    assert_eq!(Header::parse(&twice), Err(Violation::HeaderKeyTwice));
}

#[test]
fn the_state_of_a_trace_is_skipped_if_it_is_malformed_too_long_or_without_a_trace() {
    let place = [&[4, 25][..], &[9; 25]].concat();
    let long = format!("a=1,b={}", "x".repeat(507));
    for state in ["", "a", "a=\n", "a=\u{7f}", "a=ä", &long] {
        let mut block = place.clone();
        block.push(18);
        put_varint(&mut block, state.len() as u64);
        block.extend_from_slice(state.as_bytes());
        let pairs = Header::parse(&block).unwrap().pairs();
        assert_eq!(pairs.len(), 1, "{state:?}");
    }
    let no_text = [&place[..], &[18, 2, b'a', 0xff]].concat();
    assert_eq!(Header::parse(&no_text).unwrap().pairs().len(), 1);
    let alone = Header::parse(b"\x12\x03a=1").unwrap();
    assert!(alone.pairs().is_empty());
}

#[test]
fn what_is_no_place_in_a_trace_is_a_pair_or_nothing() {
    let mut block = HeaderBlock::new();
    block.add_header("traceparent", "00-aa-bb-01").unwrap();
    let mut out = Vec::new();
    block.write(&mut out);
    let header = Header::parse(&out[1..]).unwrap();
    assert_eq!(header.trace, None);
    assert_eq!(header.pairs().len(), 1);
    let mut zeros = vec![4, 25];
    zeros.extend_from_slice(&[0; 25]);
    let header = Header::parse(&zeros).unwrap();
    assert!(header.pairs().is_empty());
}

#[test]
fn a_reference_table_is_read_back_as_it_was_written() {
    let entries = [
        Referred::Senders {
            slot: Slot(300),
            interface: InterfaceId(7),
        },
        Referred::Receivers(Slot(0)),
        Referred::Answer(CallId(7)),
    ];
    let block = HeaderBlock::new().with_references(entries);
    let bytes = written(&block);
    let header = Header::parse(&bytes[1..]).expect("well formed");
    assert!(header.references.iter().eq(entries));
    let many =
        |count| HeaderBlock::new().with_references(vec![Referred::Receivers(Slot(1)); count]);
    let table = |count| {
        let bytes = written(&many(count));
        let mut reader = Reader::new(&bytes);
        let block = reader.prefixed().expect("a whole block");
        Header::parse(block).map(|header| header.references.iter().count())
    };
    assert_eq!(table(MAX_REFERENCES), Ok(MAX_REFERENCES));
    assert_eq!(table(MAX_REFERENCES + 1), Err(Violation::BadReferences));
}

#[test]
fn lock_tokens_are_whole_and_at_most_sixteen() {
    for length in [0, 1, 7, 9, 17 * 8] {
        let mut block = vec![12];
        crate::wire::put_prefixed(&mut block, &vec![1; length]);
        assert_eq!(
            Header::parse(&block),
            Err(Violation::BadLockTokens),
            "{length} bytes"
        );
    }
    let full = tokens(MAX_LOCKS as u8);
    assert_eq!(full.with(LockToken([99; 8])), None);
    assert_eq!(full.with(LockToken([0; 8])), Some(full.clone()));
    assert!(full.contains(LockToken([15; 8])) && !full.contains(LockToken([16; 8])));
}

#[test]
fn user_pairs_beyond_their_limit_are_refused_on_both_sides() {
    let mut block = HeaderBlock::new();
    for _ in 0..MAX_PAIRS {
        block
            .add_pair("name", "value")
            .expect("64 pairs are allowed");
    }
    assert_eq!(block.add_pair("name", "value"), Err(PairsTooLarge));
    let mut bytes = written(&block);
    assert_eq!(
        parsed(&bytes).map(|header| header.user.iter().count()),
        Ok(MAX_PAIRS)
    );
    let entries = bytes.split_off(2);
    let one_more = [&entries[..], &[10, 2, 1, b'a']].concat();
    assert_eq!(Header::parse(&one_more), Err(Violation::TooManyPairs));

    let mut block = HeaderBlock::new();
    assert_eq!(
        block.add_pair("n", &"v".repeat(8 * 1024)),
        Err(PairsTooLarge)
    );
    assert!(block.is_empty());
    block
        .add_pair("n", &"v".repeat(8 * 1024 - 1))
        .expect("8 KiB are allowed");
    assert!(parsed(&written(&block)).is_ok());
}

#[test]
fn a_hello_says_what_it_leaves_out() {
    let hello = Hello::parse(&[]).expect("nothing is required");
    assert_eq!(hello, Hello::default());
    assert_eq!(
        (hello.codecs, hello.max_frame, hello.features),
        (vec![1], 262_144, 0)
    );
}

#[test]
fn a_hello_with_impossible_values_is_refused() {
    let cases: [(&[u8], Violation); 10] = [
        (&[1, 0], Violation::UnknownHelloKey),
        (&[2, 1, 0xff], Violation::TextNotUtf8),
        (&[4, 1, 0, 4, 1, 0], Violation::HeaderKeyTwice),
        (&[6, 0], Violation::BadCodecs),
        (&[8, 1, 0], Violation::BadMaxFrame),
        (&[8, 4, 0x80, 0x80, 0x80, 0x08], Violation::BadMaxFrame),
        (&[10, 1, 1], Violation::BadMaxMessage),
        (&[12, 2, 1, 1], Violation::TrailingBytes),
        (&[14, 2, 1, 1], Violation::BadSessionKey),
        (&[16, 0], Violation::BadSessionKey),
    ];
    for (block, violation) in cases {
        assert_eq!(Hello::parse(block), Err(violation), "{block:x?}");
    }
    assert_eq!(
        Hello::parse(&[200, 1, 0, 202, 1, 1, 1]),
        Ok(Hello::default()),
        "skipped"
    );
}

#[test]
fn a_hello_that_says_too_much_is_cut() {
    let long = Hello {
        agent: "é".repeat(100),
        codecs: vec![7; 100],
        ..Hello::default()
    };
    let mut out = Vec::new();
    long.encode(&mut out);
    let mut reader = Reader::new(&out);
    let read = Hello::parse(reader.prefixed().expect("a block")).expect("valid");
    assert_eq!((read.agent.len(), read.codecs.len()), (128, 32));
}

proptest! {
    #[test]
    fn any_header_is_read_back(
        codec: u8,
        deadline_ms: u64,
        locks in 0u8..=16,
        pairs in prop::collection::vec((".{0,8}", ".{0,40}"), 0..10),
    ) {
        let mut block = HeaderBlock::new();
        block.set_codec(codec);
        block.set_deadline_ms(deadline_ms);
        block.set_locks(&tokens(locks));
        for (name, value) in &pairs {
            block.add_pair(name, value).expect("below the limits");
        }
        let bytes = written(&block);
        let header = parsed(&bytes).expect("well formed");
        prop_assert_eq!(header.codec_or_default(), codec);
        prop_assert_eq!(header.deadline_ms_or_default(), deadline_ms);
        prop_assert_eq!(&header.locks, &tokens(locks));
        let read: Vec<_> = header.user.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        prop_assert_eq!(read, pairs);
    }

    #[test]
    fn any_hello_is_read_back(
        agent in ".{0,32}",
        numbers: [u64; 3],
        codecs in prop::collection::vec(any::<u8>(), 1..=32),
        max_frame in 16_384u32..=0xff_ffff,
        max_message in 16_384u64..,
        max_calls: u32,
        token in prop::option::of(".{0,64}"),
        window in prop::option::of((16u32.., 1u32.., 16_384u64..)),
        session: Option<[u8; 16]>,
        secret: Option<[u8; 16]>,
    ) {
        let [features, rx_count, heartbeat_ms] = numbers;
        let hello = Hello {
            incarnation: heartbeat_ms,
            session: session.map(SessionId),
            secret: secret.map(ResumeSecret),
            resume_ms: rx_count,
            token: token.map(Secret::new),
            window: window.map(|(streams, items, bytes)| Window { streams, items, bytes }),
            agent, features, codecs, max_frame, max_message, max_calls, rx_count, heartbeat_ms,
        };
        let mut out = Vec::new();
        hello.encode(&mut out);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(Hello::parse(reader.prefixed().expect("a block")), Ok(hello));
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn any_block_is_read_without_harm(block: Vec<u8>) {
        if let Ok(header) = Header::parse(&block) {
            prop_assert!(header.user.iter().count() <= MAX_PAIRS);
        }
        let _ = Hello::parse(&block);
    }
}
