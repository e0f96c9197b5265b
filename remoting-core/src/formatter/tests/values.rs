//! Values go there and back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{Blob, ByteVec, Codec, FormatError, FormatterRef, Json, MessagePack, Text};
use super::{both, read};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i8, i64),
    Box { width: u16, depth: Option<u128> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Drawing {
    title: String,
    shapes: Vec<Shape>,
    tags: BTreeMap<String, Vec<char>>,
    marker: (),
    owner: Option<Box<Drawing>>,
}

fn drawing() -> Drawing {
    let shapes = vec![
        Shape::Point,
        Shape::Circle(-0.5),
        Shape::Line(-128, i64::MIN),
        Shape::Box {
            width: u16::MAX,
            depth: Some(1 << 100),
        },
    ];
    let tags = BTreeMap::from([
        ("\"quoted\"\n".to_owned(), vec!['ü', '\\']),
        (String::new(), Vec::new()),
    ]);
    let small = Drawing {
        title: "s".repeat(300),
        shapes: Vec::new(),
        tags: BTreeMap::new(),
        marker: (),
        owner: None,
    };
    Drawing {
        title: "large".to_owned(),
        shapes,
        tags,
        marker: (),
        owner: Some(Box::new(small)),
    }
}

#[test]
fn a_value_of_every_shape_comes_back() {
    for formatter in both() {
        let bytes = formatter.encode(&drawing()).unwrap();
        assert_eq!(
            read::<Drawing>(&formatter, bytes.as_slice()),
            Ok(drawing()),
            "{formatter:?}"
        );
    }
}

#[test]
fn the_erased_message_pack_writes_and_reads_the_same_as_the_direct_one() {
    use super::super::Formatter;

    let direct = FormatterRef::from(MessagePack).encode(&drawing()).unwrap();
    let mut erased = crate::payload::Payload::new();
    MessagePack.serialize(&drawing(), &mut erased).unwrap();
    assert_eq!(erased.as_slice(), direct.as_slice());
    let mut back = None;
    let read = MessagePack.deserialize(direct.as_slice(), &mut |deserializer| {
        back = Some(Drawing::deserialize(deserializer)?);
        Ok(())
    });
    assert_eq!((read, back), (Ok(()), Some(drawing())));
}

#[test]
fn message_pack_is_written_as_other_languages_expect_it() {
    let formatter = FormatterRef::from(MessagePack);
    let bytes = formatter
        .encode(&Shape::Box {
            width: 3,
            depth: None,
        })
        .unwrap();
    assert_eq!(
        bytes.as_slice(),
        b"\x81\xa3Box\x82\xa5width\x03\xa5depth\xc0"
    );
    assert_eq!(
        formatter.encode(&(-1, 300, "é")).unwrap().as_slice(),
        b"\x93\xff\xcd\x01\x2c\xa2\xc3\xa9"
    );
    assert_eq!(formatter.encode(&()).unwrap().as_slice(), b"\xc0");
}

#[test]
fn structs_may_gain_and_lose_fields() {
    #[derive(Serialize)]
    struct Old {
        name: &'static str,
        gone: Vec<u32>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct New {
        added: Option<u8>,
        name: String,
    }
    for formatter in both() {
        let bytes = formatter
            .encode(&Old {
                name: "Ann",
                gone: vec![1, 2],
            })
            .unwrap();
        let new = read::<New>(&formatter, bytes.as_slice());
        assert_eq!(
            new,
            Ok(New {
                added: None,
                name: "Ann".to_owned()
            }),
            "{formatter:?}"
        );
    }
}

#[test]
fn a_text_borrows_where_it_can_and_owns_where_it_must() {
    let place = |text: &Text<'_>, bytes: &[u8]| bytes.as_ptr_range().contains(&text.as_ptr());
    for (formatter, text, borrows) in [
        (FormatterRef::from(MessagePack), "plain", true),
        (FormatterRef::from(MessagePack), "two\nlines", true),
        (FormatterRef::from(Json), "plain", true),
        (FormatterRef::from(Json), "two\nlines", false),
    ] {
        let payload = formatter.encode(&Text::new(text)).unwrap();
        let bytes = payload.as_slice();
        let back: Text<'_> = read(&formatter, bytes).unwrap();
        assert_eq!(
            (&*back, place(&back, bytes)),
            (text, borrows),
            "{formatter:?}"
        );
        assert_eq!(back.to_string(), text);
    }
}

#[test]
fn bytes_travel_as_bytes_where_the_format_has_them() {
    let bytes: Vec<u8> = (0..=255).collect();
    for (formatter, length) in [
        (FormatterRef::from(MessagePack), 2 + 1 + 256),
        (FormatterRef::from(Json), 915),
    ] {
        let payload = formatter.encode(&ByteVec(bytes.clone())).unwrap();
        assert_eq!(payload.len(), length, "{formatter:?}");
        assert_eq!(
            payload.as_slice(),
            formatter.encode(&Blob::new(&bytes)).unwrap().as_slice()
        );
        assert_eq!(
            &*read::<Blob<'_>>(&formatter, payload.as_slice()).unwrap(),
            bytes
        );
        assert_eq!(
            read::<ByteVec>(&formatter, payload.as_slice()),
            Ok(ByteVec(bytes.clone()))
        );
    }
}

#[test]
fn bytes_are_read_from_lists_and_strings_too() {
    let message_pack = FormatterRef::from(MessagePack);
    assert_eq!(
        read(&message_pack, b"\x93\x01\xcc\xff\x03"),
        Ok(ByteVec(vec![1, 255, 3]))
    );
    assert_eq!(read(&message_pack, b"\xa2hi"), Ok(Blob::new(b"hi")));
    assert_eq!(
        read(&FormatterRef::from(Json), b"\"h\\u0069\""),
        Ok(ByteVec(b"hi".to_vec()))
    );
    assert!(
        read::<ByteVec>(&message_pack, b"\x91\xcd\x01\x00").is_err(),
        "256 is not a byte"
    );
}

#[test]
fn a_decode_error_says_what_is_wrong_and_where() {
    let error = read::<(u8, String)>(&FormatterRef::from(Json), b"[1,\n 2]").unwrap_err();
    assert!(matches!(error, FormatError::Decode(_)) && !error.is_scan());
    let text = error.to_string();
    assert!(
        text.contains("invalid type: integer `2`, expected a string at line 2 column 2"),
        "{text}"
    );
}

#[test]
fn a_value_that_refuses_to_be_written_gives_an_encode_error() {
    struct Stubborn;
    impl Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    for formatter in both() {
        let error = formatter.encode(&Stubborn).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot write the value: not today",
            "{formatter:?}"
        );
    }
}

#[test]
fn references_to_formatters_are_equal_by_codec() {
    assert_eq!(FormatterRef::default(), FormatterRef::from(MessagePack));
    assert_ne!(FormatterRef::default(), FormatterRef::from(Json));
    assert_eq!(FormatterRef::from(Json).codec(), Codec::JSON);
    assert_eq!(
        format!("{:?}", FormatterRef::default()),
        "FormatterRef(msgpack)"
    );
    assert_eq!(
        (Codec(127).is_custom(), Codec(128).is_custom()),
        (false, true)
    );
}
