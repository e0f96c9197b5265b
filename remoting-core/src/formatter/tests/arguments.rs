//! Arguments by position, by name, missing and superfluous.

use super::super::{
    Blob, DecodeArguments, Defaulted, FormatterRef, Json, MessagePack, ScanLimits, Text,
};
use super::both;

const NAMES: &[&str] = &["owner", "cents", "note"];

type Owned = (String, u64, Option<String>);

fn from<'de, A: DecodeArguments<'de>>(
    formatter: &FormatterRef,
    names: &'static [&'static str],
    bytes: &'de [u8],
) -> Result<A, String> {
    formatter
        .decode_arguments(names, bytes, ScanLimits::default())
        .map_err(|error| error.to_string())
}

fn from_json<'de, A: DecodeArguments<'de>>(
    names: &'static [&'static str],
    text: &'de str,
) -> Result<A, String> {
    from(&FormatterRef::from(Json), names, text.as_bytes())
}

fn from_message_pack<'de, A: DecodeArguments<'de>>(bytes: &'de [u8]) -> Result<A, String> {
    from(&FormatterRef::from(MessagePack), NAMES, bytes)
}

fn ann() -> Owned {
    ("Ann".to_owned(), 5, None)
}

#[test]
fn arguments_are_named_in_json_and_in_order_in_message_pack() {
    let arguments = ("Ann", 5_u64, Some("hi"));
    let json = FormatterRef::from(Json)
        .encode_arguments(NAMES, &arguments)
        .unwrap();
    assert_eq!(json.as_slice(), br#"{"owner":"Ann","cents":5,"note":"hi"}"#);
    let message_pack = FormatterRef::from(MessagePack)
        .encode_arguments(NAMES, &arguments)
        .unwrap();
    assert_eq!(message_pack.as_slice(), b"\x93\xa3Ann\x05\xa2hi");
}

#[test]
fn borrowed_arguments_go_there_and_come_back() {
    for formatter in both() {
        let sent = (
            Text::new("Ann\t"),
            Blob::new(&[0, 255]),
            Some(Text::new("")),
        );
        let payload = formatter.encode_arguments(NAMES, &sent).unwrap();
        let got: (Text<'_>, Blob<'_>, Option<Text<'_>>) =
            from(&formatter, NAMES, payload.as_slice()).unwrap();
        assert_eq!(got, sent, "{formatter:?}");
    }
}

#[test]
fn twelve_arguments_are_not_too_many() {
    const TWELVE: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    type Twelve = (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
    let sent: Twelve = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    for formatter in both() {
        let payload = formatter.encode_arguments(TWELVE, &sent).unwrap();
        assert_eq!(
            from::<Twelve>(&formatter, TWELVE, payload.as_slice()),
            Ok(sent),
            "{formatter:?}"
        );
    }
}

#[test]
fn json_arguments_are_read_by_name_in_any_order_and_by_position() {
    for text in [
        r#"{"owner":"Ann","cents":5,"note":null}"#,
        r#"{"cents":5,"owner":"Ann"}"#,
        r#" { "c\u0065nts" : 5 , "owner" : "Ann" } "#,
        r#"["Ann",5,null]"#,
        r#"["Ann",5]"#,
    ] {
        assert_eq!(from_json::<Owned>(NAMES, text), Ok(ann()), "{text}");
    }
}

#[test]
fn missing_trailing_arguments_become_none_or_their_default() {
    assert_eq!(from_message_pack::<Owned>(b"\x92\xa3Ann\x05"), Ok(ann()));
    type Lenient = (String, Defaulted<u64>, Defaulted<Vec<u8>>);
    let lenient = Ok(("Ann".to_owned(), Defaulted(0), Defaulted(Vec::new())));
    assert_eq!(from_message_pack::<Lenient>(b"\x91\xa3Ann"), lenient);
    assert_eq!(
        from_message_pack::<Lenient>(b"\x93\xa3Ann\xc0\xc0"),
        lenient
    );
    assert_eq!(
        from_json::<Lenient>(NAMES, r#"{"owner":"Ann","note":null}"#),
        lenient
    );
    let full = Ok(("Ann".to_owned(), Defaulted(7), Defaulted(vec![1])));
    assert_eq!(
        from_message_pack::<Lenient>(b"\x93\xa3Ann\x07\x91\x01"),
        full
    );
    assert_eq!(from_json::<Lenient>(NAMES, r#"["Ann",7,[1]]"#), full);
}

#[test]
fn all_arguments_may_be_missing_where_each_has_a_value() {
    type Optional = (Option<u8>, Defaulted<u8>);
    for formatter in both() {
        assert_eq!(
            from::<Optional>(&formatter, NAMES, b""),
            Ok((None, Defaulted(0))),
            "{formatter:?}"
        );
        assert_eq!(
            from::<Owned>(&formatter, NAMES, b""),
            Err("cannot read the value: missing argument `owner`".into())
        );
    }
}

#[test]
fn a_method_without_arguments_takes_nothing_in_every_form() {
    for formatter in both() {
        assert!(
            formatter.encode_arguments(&[], &()).unwrap().is_empty(),
            "{formatter:?}"
        );
    }
    for text in ["", "[]", "{}", " { } ", "null"] {
        assert_eq!(from_json::<()>(&[], text), Ok(()), "{text}");
    }
    for bytes in [&b""[..], b"\x90", b"\x80", b"\xc0"] {
        assert_eq!(from_message_pack::<()>(bytes), Ok(()), "{bytes:?}");
    }
}

#[test]
fn an_error_names_the_argument() {
    for (text, says) in [
        (r#"{"owner":"Ann"}"#, "missing argument `cents`"),
        (r#"["Ann"]"#, "missing argument `cents`"),
        (
            r#"{"owner":"Ann","cents":"x"}"#,
            "argument `cents`: invalid type: string \"x\", expected u64",
        ),
        (
            r#"["Ann",-1]"#,
            "argument `cents`: invalid value: integer `-1`, expected u64",
        ),
        (
            r#"{"owner":"A","owner":"B","cents":1}"#,
            "argument `owner` is given twice",
        ),
        (
            r#"{"ownr":"A","cents":1}"#,
            "unknown argument `ownr`; there is `owner`, `cents`, `note`",
        ),
        (
            r#"["Ann",5,null,1]"#,
            "more arguments than expected: the method takes 3 arguments",
        ),
        (
            r#"7"#,
            "expected the arguments as a list or by name (`owner`, `cents`, `note`)",
        ),
    ] {
        let error = from_json::<Owned>(NAMES, text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    for (bytes, says) in [
        (&b"\x91\xa3Ann"[..], "missing argument `cents`"),
        (b"\x92\xa3Ann\xa1x", "argument `cents`: "),
        (
            b"\x94\xa3Ann\x05\xc0\x01",
            "more arguments than expected: the method takes 3 arguments",
        ),
        (b"\x07", "expected a list of 3 arguments"),
        (b"\x81\xa5owner\xa3Ann", "expected a list of 3 arguments"),
    ] {
        let error = from_message_pack::<Owned>(bytes).unwrap_err();
        assert!(error.contains(says), "{bytes:?}: {error}");
    }
}

#[test]
fn superfluous_arguments_of_a_method_without_any_are_refused() {
    for text in ["[1]", "{\"a\":1}", "1"] {
        assert!(from_json::<()>(&[], text).is_err(), "{text}");
    }
    for bytes in [&b"\x91\x01"[..], b"\x81\x01\x01", b"\x01"] {
        assert!(from_message_pack::<()>(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn an_unknown_name_is_repeated_only_in_part() {
    let text = format!(r#"{{"{}":1}}"#, "x".repeat(10_000));
    let error = from_json::<Owned>(NAMES, &text).unwrap_err();
    assert!(error.len() < 200, "{error}");
}
