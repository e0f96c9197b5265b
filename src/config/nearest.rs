//! What somebody may have meant who mistyped a word.

/// How many letters may be wrong.
const MOST: usize = 2;

/// How many letters of a beginning will do for the whole word.
const LEAST: usize = 3;

/// The word that is most like `text`, if one is; the first one of several.
pub(crate) fn nearest<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let words = words.into_iter();
    let near = words.map(|word| match text.len() >= LEAST && word.starts_with(text) {
        true => (MOST, word),
        false => (distance(text, word), word),
    });
    let near = near.filter(|(distance, word)| *distance <= MOST && *distance < word.len());
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters have to be put in, taken out or replaced to make one text of another.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // Far too long to be a slip of the finger, and not worth the time.
    if from.len() > 4 * to.len() + MOST {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (above, other) in row.iter().skip(1).zip(&to) {
            let replaced = diagonal + usize::from(letter != *other);
            left = replaced.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_that_differs_in_two_letters_or_was_cut_short_and_no_other() {
        let words = ["priority", "listen", "kind"];
        for (text, found) in [
            ("prioritty", Some("priority")),
            ("priorit", Some("priority")),
            ("lissten", Some("listen")),
            ("knid", Some("kind")),
            ("prio", Some("priority")),
            ("pr", None),
            ("priorities", None),
            ("", None),
            ("formatter", None),
        ] {
            assert_eq!(nearest(text, words), found, "{text}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
