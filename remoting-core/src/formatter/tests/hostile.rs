//! Bytes that were made to hurt.

use std::collections::BTreeMap;
use std::thread;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::{FormatterRef, Json, MessagePack, ScanError, ScanLimits};
use super::{both, read, refused};

const TOO_DEEP: Option<ScanError> = Some(ScanError::TooDeep { limit: 64 });
const TOO_MANY: Option<ScanError> = Some(ScanError::TooManyElements { limit: 1_000_000 });

/// As heavy on the stack as honest types get.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Chain>>,
    name: String,
    numbers: Vec<u64>,
    map: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Node(Box<Tree>),
    Named { tree: Box<Tree> },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    End,
    More { rest: Box<Tagged> },
}

/// Has no field that anybody would send.
#[derive(Debug, Deserialize)]
struct Blind {}

/// Runs `test` where the stack is a quarter of what tokio gives its workers.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(test)
        .unwrap()
        .join()
        .unwrap();
}

/// `depth` maps from `key` inside each other, the innermost holding `end`.
fn nested(formatter: &FormatterRef, depth: usize, key: &str, end: &[u8]) -> Vec<u8> {
    let (before, after) = if *formatter == FormatterRef::from(Json) {
        (format!("{{\"{key}\":").into_bytes(), &b"}"[..])
    } else {
        let length = u8::try_from(key.len()).unwrap();
        ([&[0x81, 0xa0 + length], key.as_bytes()].concat(), &b""[..])
    };
    [before.repeat(depth), end.to_vec(), after.repeat(depth)].concat()
}

fn nil(formatter: &FormatterRef) -> &'static [u8] {
    if *formatter == FormatterRef::from(Json) {
        b"null"
    } else {
        b"\xc0"
    }
}

#[test]
fn values_as_deep_as_the_limit_fit_on_a_small_stack() {
    on_a_small_stack(|| {
        // The innermost one holds an empty list, which is the 64th level.
        let mut chain = Chain::default();
        for _ in 1..63 {
            chain = Chain {
                next: Some(Box::new(chain)),
                numbers: vec![1],
                ..Chain::default()
            };
        }
        let mut tree = Tree::Leaf;
        for turn in 0..42 {
            let inner = Box::new(tree);
            tree = if turn % 2 == 0 {
                Tree::Node(inner)
            } else {
                Tree::Named { tree: inner }
            };
        }
        let mut tagged = Tagged::End;
        for _ in 1..64 {
            tagged = Tagged::More {
                rest: Box::new(tagged),
            };
        }
        for formatter in both() {
            let bytes = formatter.encode(&chain).unwrap();
            read::<Chain>(&formatter, bytes.as_slice()).unwrap();
            let deeper = formatter.encode(&[&chain]).unwrap();
            assert_eq!(
                refused(read::<[Chain; 1]>(&formatter, deeper.as_slice())),
                TOO_DEEP
            );
            let bytes = formatter.encode(&tree).unwrap();
            read::<Tree>(&formatter, bytes.as_slice()).unwrap();
            let bytes = formatter.encode(&tagged).unwrap();
            read::<Tagged>(&formatter, bytes.as_slice()).unwrap();
        }
    });
}

#[test]
fn deep_nesting_is_refused_whatever_type_it_is_read_as() {
    on_a_small_stack(|| {
        for formatter in both() {
            for depth in [65, 128, 1000, 100_000] {
                let next = nested(&formatter, depth, "next", nil(&formatter));
                assert_eq!(refused(read::<Chain>(&formatter, &next)), TOO_DEEP);
                assert_eq!(refused(read::<Blind>(&formatter, &next)), TOO_DEEP);
                assert_eq!(
                    refused(read::<serde_json::Value>(&formatter, &next)),
                    TOO_DEEP
                );
                let node = nested(&formatter, depth, "Node", nil(&formatter));
                assert_eq!(refused(read::<Tree>(&formatter, &node)), TOO_DEEP);
                let arguments = formatter.decode_arguments::<(Chain,)>(
                    &["chain"],
                    &next,
                    ScanLimits::default(),
                );
                assert_eq!(refused(arguments), TOO_DEEP);
            }
        }
    });
}

#[test]
fn any_value_and_ignored_fields_may_nest_as_deep_as_the_limit() {
    on_a_small_stack(|| {
        for formatter in both() {
            let bytes = nested(&formatter, 64, "next", nil(&formatter));
            read::<Blind>(&formatter, &bytes).unwrap();
            read::<serde_json::Value>(&formatter, &bytes).unwrap();
        }
    });
}

#[test]
fn only_nesting_counts_as_depth() {
    for (formatter, bytes) in [
        (
            FormatterRef::from(MessagePack),
            [b"\xdc\x03\xe8".to_vec(), b"\x91\x90".repeat(1000)].concat(),
        ),
        (
            FormatterRef::from(Json),
            format!("[{}[]]", "[[]],".repeat(999)).into_bytes(),
        ),
    ] {
        let limits = ScanLimits {
            depth: 3,
            ..ScanLimits::default()
        };
        formatter
            .decode::<serde::de::IgnoredAny>(&bytes, limits)
            .unwrap();
        let limits = ScanLimits {
            depth: 2,
            ..ScanLimits::default()
        };
        let result = formatter.decode::<serde::de::IgnoredAny>(&bytes, limits);
        assert_eq!(refused(result), Some(ScanError::TooDeep { limit: 2 }));
    }
}

#[test]
fn a_million_elements_are_read_and_one_more_is_refused() {
    let message_pack = |count: u32| {
        [
            &[0xdd],
            &count.to_be_bytes()[..],
            &vec![0xc0; count as usize],
        ]
        .concat()
    };
    let json = |count: u32| format!("[{}null]", "null,".repeat(count as usize - 1)).into_bytes();
    let [packed, text] = both();
    // The list itself is one of them.
    assert_eq!(
        read::<Vec<()>>(&packed, &message_pack(999_999))
            .unwrap()
            .len(),
        999_999
    );
    assert_eq!(
        read::<Vec<()>>(&text, &json(999_999)).unwrap().len(),
        999_999
    );
    assert_eq!(
        refused(read::<Vec<()>>(&packed, &message_pack(1_000_000))),
        TOO_MANY
    );
    assert_eq!(refused(read::<Vec<()>>(&text, &json(1_000_000))), TOO_MANY);
}

#[test]
fn both_formats_count_alike_and_a_pair_counts_twice() {
    let value = BTreeMap::from([("a", vec![Some(1), None]), ("b", Vec::new())]);
    for formatter in both() {
        let bytes = formatter.encode(&value).unwrap();
        for (elements, fits) in [(7, true), (6, false)] {
            let limits = ScanLimits {
                elements,
                ..ScanLimits::default()
            };
            let result = formatter.decode::<serde::de::IgnoredAny>(bytes.as_slice(), limits);
            assert_eq!(result.is_ok(), fits, "{formatter:?} {elements}");
        }
    }
}

#[test]
fn announced_lengths_are_not_believed() {
    let formatter = FormatterRef::from(MessagePack);
    for (bytes, reason) in [
        (&b"\xdd\xff\xff\xff\xff"[..], TOO_MANY),
        (b"\xdf\xff\xff\xff\xff", TOO_MANY),
        (
            b"\xdd\x00\x0f\x00\x00\x01",
            Some(ScanError::Malformed("the bytes end inside a value")),
        ),
        (
            b"\xdb\xff\xff\xff\xff\x01",
            Some(ScanError::Malformed("the bytes end inside a value")),
        ),
        (
            b"\xc6\xff\xff\xff\xff\x01",
            Some(ScanError::Malformed("the bytes end inside a value")),
        ),
    ] {
        assert_eq!(
            refused(read::<serde_json::Value>(&formatter, bytes)),
            reason,
            "{bytes:?}"
        );
    }
}

#[test]
fn extension_types_and_the_unused_marker_are_refused() {
    let formatter = FormatterRef::from(MessagePack);
    for marker in [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8] {
        let bytes = [&[0x91, marker], &[0; 24][..]].concat();
        let reason = refused(read::<serde::de::IgnoredAny>(&formatter, &bytes));
        assert!(
            matches!(reason, Some(ScanError::Malformed(_))),
            "{marker:x}"
        );
    }
}

#[test]
fn bytes_left_over_are_refused() {
    let [packed, text] = both();
    assert!(read::<u8>(&packed, b"\x01\x01").is_err());
    assert!(read::<(u8,)>(&packed, b"\x91\x01\xc0").is_err());
    assert!(read::<u8>(&text, b"1 1").is_err());
    assert!(read::<(u8,)>(&text, b"[1]]").is_err());
    assert_eq!(read::<u8>(&text, b" 1\n"), Ok(1));
    assert!(
        packed
            .decode_arguments::<(u8,)>(&["a"], b"\x91\x01\xc0", ScanLimits::default())
            .is_err()
    );
}

#[test]
fn a_value_cut_anywhere_is_refused() {
    let chain = Chain {
        next: Some(Box::default()),
        name: "a \"name\"".repeat(9),
        numbers: vec![1, 300, 70_000, u64::MAX],
        map: BTreeMap::from([("key".to_owned(), "v".repeat(300))]),
    };
    for formatter in both() {
        let payload = formatter.encode(&(&chain, 1.5, ())).unwrap();
        let bytes = payload.as_slice();
        read::<(Chain, f64, ())>(&formatter, bytes).unwrap();
        for end in 0..bytes.len() {
            let cut = &bytes[..end];
            assert!(
                read::<(Chain, f64, ())>(&formatter, cut).is_err(),
                "{formatter:?} cut at {end}"
            );
            assert!(
                read::<serde::de::IgnoredAny>(&formatter, cut).is_err(),
                "{formatter:?} cut at {end}"
            );
        }
    }
}

#[test]
fn brackets_and_quotes_inside_json_strings_are_only_text() {
    let text = r#"["]]]]{{{{[[[[", "\"[\\", "\\", {"\"}": 1}]"#;
    let limits = ScanLimits {
        depth: 2,
        elements: 7,
    };
    let value: serde_json::Value = FormatterRef::from(Json)
        .decode(text.as_bytes(), limits)
        .unwrap();
    assert_eq!(value[1], "\"[\\");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for formatter in both() {
            let _ = read::<Chain>(&formatter, &bytes);
            let _ = read::<Tree>(&formatter, &bytes);
            let _ = read::<serde_json::Value>(&formatter, &bytes);
            let _ = formatter.decode_arguments::<(u8, Option<Tree>)>(&["a", "b"], &bytes, ScanLimits::default());
        }
    }

    #[test]
    fn random_structure_never_panics(bytes in proptest::collection::vec(
        prop_oneof![0x80..0xa4_u8, 0xc0..0xe0_u8, Just(0_u8), Just(b'n')], 0..200,
    )) {
        let formatter = FormatterRef::from(MessagePack);
        let _ = read::<Chain>(&formatter, &bytes);
        let _ = read::<Tree>(&formatter, &bytes);
        let _ = read::<Tagged>(&formatter, &bytes);
    }

    #[test]
    fn random_json_structure_never_panics(text in r#"[\[\]{}",:\\ n1a-]{0,100}"#) {
        let formatter = FormatterRef::from(Json);
        let _ = read::<Chain>(&formatter, text.as_bytes());
        let _ = read::<serde_json::Value>(&formatter, text.as_bytes());
    }

    #[test]
    fn whatever_serde_json_accepts_the_scan_counts(value in values()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        for formatter in both() {
            let payload = formatter.encode(&value).unwrap();
            prop_assert_eq!(read::<serde_json::Value>(&formatter, payload.as_slice()), Ok(value.clone()));
        }
        prop_assert_eq!(read::<serde_json::Value>(&FormatterRef::from(Json), text.as_bytes()), Ok(value));
    }
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
