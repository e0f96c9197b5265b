//! The test vectors of `PROTOCOL.md`.
//!
//! `vectors/frames.txt` holds frames as bytes with what they say, for anybody who
//! implements the protocol. Here they are read, written where this crate writes
//! that kind, and compared with the examples that stand in the text.

#[path = "vectors/describe.rs"]
mod describe;
#[path = "vectors/examples.rs"]
mod examples;

use std::collections::{BTreeMap, BTreeSet};

use remoting_core::wire::{DEFAULT_MAX_BODY, Message, Violation, split_frame};

const VECTORS: &str = include_str!("vectors/frames.txt");
const PROTOCOL: &str = include_str!("../../PROTOCOL.md");

/// A frame and what it says.
struct Vector {
    bytes: Vec<u8>,
    reading: String,
}

/// Reads the file: a name in brackets, then a line `hex` and a line `is`.
fn vectors() -> BTreeMap<String, Vector> {
    let mut all = BTreeMap::new();
    let mut lines = VECTORS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(line) = lines.next() {
        let name = line
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = name.unwrap_or_else(|| panic!("a name in brackets, not {line:?}"));
        let hex = lines.next().and_then(|line| line.strip_prefix("hex "));
        let is = lines.next().and_then(|line| line.strip_prefix("is "));
        let (Some(hex), Some(is)) = (hex, is) else {
            panic!("{name} has no hex or no reading")
        };
        let vector = Vector {
            bytes: from_hex(hex),
            reading: is.to_owned(),
        };
        assert!(
            all.insert(name.to_owned(), vector).is_none(),
            "{name} occurs twice"
        );
    }
    all
}

fn from_hex(text: &str) -> Vec<u8> {
    let byte = |byte| u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("{byte:?} in {text}"));
    text.split_whitespace().map(byte).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What one frame says, or which rule it breaks.
fn reading(bytes: &[u8]) -> String {
    let message = split_frame(bytes, DEFAULT_MAX_BODY).and_then(|frame| {
        let (frame, taken) = frame.expect("a vector is a whole frame");
        assert_eq!(taken, bytes.len(), "a vector is one frame");
        Message::parse(frame).map(|message| describe::describe(&message))
    });
    message.unwrap_or_else(|violation| format!("refused {}", violation.rule()))
}

#[test]
fn each_vector_is_read_as_the_file_says() {
    for (name, vector) in vectors() {
        assert_eq!(reading(&vector.bytes), vector.reading, "{name}");
    }
}

#[test]
fn each_vector_of_a_kind_that_is_written_comes_out_byte_for_byte() {
    let vectors = vectors();
    for (name, bytes) in examples::written() {
        let vector = vectors
            .get(name)
            .unwrap_or_else(|| panic!("{name}: {}", to_hex(&bytes)));
        assert_eq!(to_hex(&bytes), to_hex(&vector.bytes), "{name}");
    }
}

#[test]
fn the_examples_in_the_text_are_the_vectors() {
    let vectors = vectors();
    let mut shown = BTreeSet::new();
    let mut inside = false;
    for line in PROTOCOL.lines() {
        if line.starts_with("```") {
            inside = line == "```frames";
        } else if inside {
            let (name, hex) = line.split_once(": ").expect("an example is `name: hex`");
            let vector = vectors
                .get(name)
                .unwrap_or_else(|| panic!("{name} is no vector"));
            assert_eq!(from_hex(hex), vector.bytes, "{name} in PROTOCOL.md");
            shown.insert(name.to_owned());
        }
    }
    let refused = |vector: &Vector| vector.reading.starts_with("refused ");
    for (name, _) in vectors.iter().filter(|(_, vector)| !refused(vector)) {
        assert!(shown.contains(name), "{name} is not shown in PROTOCOL.md");
    }
}

#[test]
fn each_rule_that_can_be_broken_is_written_down_and_has_a_vector() {
    let refused: BTreeSet<String> = vectors()
        .into_values()
        .map(|vector| vector.reading)
        .collect();
    for violation in Violation::ALL {
        let rule = violation.rule();
        assert!(
            PROTOCOL.contains(&format!("**{rule}**")),
            "rule {rule} is not in PROTOCOL.md"
        );
        // The rules of the session need more than one frame to be broken.
        let one_frame = !rule.starts_with('S') && *violation != Violation::BadResolveAnswer;
        let vector = refused.contains(&format!("refused {rule}"));
        assert!(vector || !one_frame, "rule {rule} has no vector");
    }
}

#[test]
fn the_hashes_in_the_text_are_those_of_the_code() {
    use remoting_core::wire::{InterfaceId, MethodId};
    for name in ["add", "withdraw"] {
        let row = format!("| `{name}` | `{:08x}` |", MethodId::of(name).0);
        assert!(PROTOCOL.contains(&row), "PROTOCOL.md lacks {row}");
    }
    let row = format!("| `Counter` | `{:016x}` |", InterfaceId::of("Counter").0);
    assert!(PROTOCOL.contains(&row), "PROTOCOL.md lacks {row}");
}
