//! What is wrong with a file, where, and what would be right.

use std::fmt;

use remoting_core::{Error, ErrorKind};

use super::path::KeyPath;

/// A place in the file; both counted from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// The beginning of the file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// Where a byte of a text is.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        Self::in_line(before.matches('\n').count() + 1, before.get(start..))
    }

    /// The place behind what stands before it in its line.
    pub(crate) fn in_line(line: usize, before: Option<&str>) -> Self {
        // Some editors put a mark before all else, which nobody sees.
        let before = before.unwrap_or_default().trim_start_matches('\u{feff}');
        let column = before.chars().count() + 1;
        Self { line, column }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// The file.
    File(Place),
    /// A variable of the environment.
    Environment(String),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    pub(crate) origin: Origin,
    /// The key that it is about; empty where there is none.
    pub(crate) key: KeyPath,
    /// What is wrong and what would be right; never a secret.
    pub(crate) text: String,
}

impl Mistake {
    pub(crate) fn new(origin: Origin, key: KeyPath, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { origin, key, text }
    }

    fn write(&self, f: &mut impl fmt::Write, file: &str) -> fmt::Result {
        match &self.origin {
            Origin::File(Place { line, column }) => write!(f, "{file}:{line}:{column}: ")?,
            Origin::Environment(name) => write!(f, "environment {name}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)
    }

    /// The line that tells of it.
    pub(crate) fn line(&self, file: &str) -> String {
        let mut line = String::new();
        // Writing to a text does not fail.
        let _ = self.write(&mut line, file);
        line
    }
}

/// All that is wrong, gathered while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(crate) fn push(&mut self, mistake: Mistake) {
        self.0.push(mistake);
    }

    pub(crate) fn add(&mut self, origin: &Origin, key: &KeyPath, text: impl Into<String>) {
        self.push(Mistake::new(origin.clone(), key.clone(), text));
    }

    /// Whether something is wrong with a key, or with one below it.
    pub(crate) fn are_about(&self, key: &KeyPath) -> bool {
        self.0.iter().any(|mistake| mistake.key.is_within(key))
    }

    /// All of them as one error, in the order of the file, or nothing if there are none.
    pub(crate) fn into_result(mut self, file: &str) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort();
        self.0.dedup();
        let lines: Vec<_> = self.0.iter().map(|mistake| mistake.line(file)).collect();
        Err(Error::new(ErrorKind::Config, lines.join("\n")))
    }
}

/// A text of the user's, short and without control characters, to be shown in a message.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(|character| match character {
            '"' | '\'' => character.to_string().chars().collect::<Vec<_>>(),
            other => other.escape_debug().collect(),
        })
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The words of a list, each in backquotes.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(shown).collect();
    words.join(", ")
}
