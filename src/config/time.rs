//! Lengths of time and numbers of bytes, as people write them.
//!
//! Times are those of `humantime` (`7m`, `1h 30m`, `500ms`) and those of .NET's files: a number with one
//! capital unit (`7M`, `500MS`), or alone for seconds. The two do not overlap, since all else with a
//! capital is refused: `7M` is never seven months.

use std::time::Duration;

use super::mistake::shown;
use super::schema::LONGEST;

/// The word for a time without end.
pub(crate) const INFINITE: &str = "infinite";

const EXAMPLE: &str = "write it like \"7m\", \"30s\", \"1h 30m\" or \"500ms\"";

/// Reads a length of time.
///
/// # Errors
///
/// What is wrong with it: empty, negative, longer than ten years, or no time at all.
pub(crate) fn read_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let wrong = |what: &str| Err(format!("{} is no time: {what}; {EXAMPLE}", shown(text)));
    if text.is_empty() {
        return Err(format!("the time is empty; {EXAMPLE}"));
    }
    if text.starts_with('-') {
        return wrong("it is negative");
    }
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or_default();
    let milliseconds: u128 = match unit {
        "" | "S" => 1000,
        "MS" => 1,
        "M" => 60 * 1000,
        "H" => 60 * 60 * 1000,
        "D" => 24 * 60 * 60 * 1000,
        _ => return read_human(text).map_or_else(|what| wrong(&what), Ok),
    };
    if number.is_empty() {
        return wrong("it has no number");
    }
    // A number that is too long for this is too long for us.
    let number = number.parse::<u64>().unwrap_or(u64::MAX);
    let milliseconds = u128::from(number).saturating_mul(milliseconds);
    match u64::try_from(milliseconds).map(Duration::from_millis) {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => wrong(&too_long()),
    }
}

fn read_human(text: &str) -> Result<Duration, String> {
    if text.contains(|character: char| character.is_ascii_uppercase()) {
        return Err(
            "a capital is right only after one number: \"7D\", \"7H\", \"7M\", \"7S\" or \"7MS\""
                .to_owned(),
        );
    }
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err(too_long()),
        Err(_) if is_long(text) => Err(too_long()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a number in a text has more digits than any time needs.
fn is_long(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_digit())
        .any(|number| number.len() > 18)
}

fn too_long() -> String {
    format!("it is longer than {}", time_text(LONGEST))
}

/// A length of time as [`read_time`] reads it.
pub(crate) fn time_text(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

const UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a number of bytes: `65536`, `256 KiB`, `4MiB`.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn read_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or_default();
    let factor = match unit.trim() {
        "" => Some(1),
        unit => UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor),
    };
    match (number.parse::<u64>(), factor) {
        (Ok(number), Some(factor)) => Ok(number.saturating_mul(factor)),
        _ => Err(format!(
            "{} is no size; write it like \"4 MiB\", \"256 KiB\" or 65536",
            shown(text)
        )),
    }
}

/// A number of bytes as [`read_size`] reads it, in the largest unit that fits.
pub(crate) fn size_text(size: u64) -> String {
    let fitting = UNITS
        .iter()
        .rev()
        .find(|(_, factor)| size >= *factor && size % factor == 0);
    match fitting {
        Some((name, factor)) => format!("{} {name}", size / factor),
        None => size.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_and_as_dot_net_write_them() {
        for (text, milliseconds) in [
            ("7m", 420_000),
            ("500ms", 500),
            ("1h 30m", 5_400_000),
            ("7M", 420_000),
            ("30S", 30_000),
            ("90", 90_000),
            ("500MS", 500),
            ("2H", 7_200_000),
            ("1D", 86_400_000),
            ("0", 0),
        ] {
            let time = read_time(text).unwrap();
            assert_eq!(time, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(read_time(&time_text(time)), Ok(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_an_example() {
        for (text, reason) in [
            ("", "empty"),
            ("  ", "empty"),
            ("-1s", "negative"),
            ("-5", "negative"),
            ("M", "no number"),
            ("1H 30M", "capital"),
            ("3651D", "longer than"),
            ("99999999999999999999", "longer than"),
            ("99999999999999999999s", "longer than"),
            ("11years", "longer than"),
            ("seven", "no time"),
            ("7 parsecs", "no time"),
        ] {
            let what = read_time(text).unwrap_err();
            assert!(what.contains(reason), "{text}: {what}");
            assert!(what.contains("\"7m\""), "{what}");
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, size) in [("65536", 65536), ("256 KiB", 262_144), ("4MiB", 4_194_304)] {
            assert_eq!(read_size(text), Ok(size));
            assert_eq!(read_size(&size_text(size)), Ok(size));
        }
        for text in ["", "-1", "4 MB", "KiB", "1.5 KiB"] {
            assert!(read_size(text).unwrap_err().contains("4 MiB"), "{text}");
        }
    }
}
