//! Text of others in our logs: short, on one line, without control characters.

/// How much of a foreign text goes into a log line, in bytes.
const MAX_FIELD: usize = 256;

/// Escapes what could pass for something else in a log, and cuts the rest.
pub(crate) fn for_log(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(MAX_FIELD));
    for c in text.chars() {
        if clean.len() >= MAX_FIELD {
            clean.push('…');
            break;
        }
        if c.is_control() || is_bidi(c) {
            clean.extend(c.escape_unicode());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Characters that change the order in which others are shown.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_stays_on_one_line_and_is_cut() {
        assert_eq!(for_log("a\n\x1b[31mb\u{202e}"), "a\\u{a}\\u{1b}[31mb\\u{202e}");
        assert!(for_log(&"x".repeat(10_000)).len() < MAX_FIELD + 8);
    }
}
