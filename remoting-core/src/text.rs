//! Texts of others, made harmless to show.

/// Escapes what could pass for something else, and cuts the rest.
///
/// - `most`: how many bytes there are before it is cut.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let mut printable = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        if printable.len() >= most {
            printable.push('…');
            break;
        }
        if c.is_control() || is_bidi(c) {
            printable.extend(c.escape_unicode());
        } else {
            printable.push(c);
        }
    }
    printable
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
        let shown = printable("a\n\x1b[31mb\u{202e}", 256);
        assert_eq!(shown, "a\\u{a}\\u{1b}[31mb\\u{202e}");
        assert!(printable(&"x".repeat(10_000), 256).len() < 264);
    }
}
