//! A Rust file as the structure tests see it: its code without comments and texts.
//!
//! This is no parser. It knows enough of the language to tell code from words, and to
//! find the brace that closes another.

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
pub(crate) struct Source {
    path: PathBuf,
    text: String,
    /// As long as the text, with blanks for comments, strings and characters.
    code: String,
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) lines: usize,
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    core.parent().unwrap_or(core)
}

/// The Rust files below a folder, without build results and hidden folders.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}

impl Source {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Self::of(path, text)
    }

    fn of(path: &Path, text: String) -> Self {
        let code = code_of(&text);
        let path = path.to_owned();
        Self { path, text, code }
    }

    /// Blanks out what is compiled for tests alone.
    pub(crate) fn without_tests(mut self) -> Self {
        while let Some(start) = self.code.find("#[cfg(test)]") {
            let end = self.end_of_item(start);
            let blank = " ".repeat(end - start);
            self.code.replace_range(start..end, &blank);
        }
        self
    }

    /// The module of the crate that the file belongs to: `session` for `src/session/exports.rs`.
    pub(crate) fn module(&self) -> String {
        let path = self.path.to_string_lossy().replace('\\', "/");
        let (_, inside) = path.rsplit_once("/src/").unwrap_or_default();
        let first = inside.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs").to_owned()
    }

    /// Where something is, for people: file and line.
    pub(crate) fn place(&self, offset: usize) -> String {
        let inside = self.path.strip_prefix(root()).unwrap_or(&self.path);
        format!("{}:{}", inside.display(), self.line(offset))
    }

    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The comment that the file begins with.
    pub(crate) fn header(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| line.starts_with("//!"))
    }

    /// Where the code has `word`.
    pub(crate) fn find<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(offset, _)| offset)
    }

    /// The first names of the paths that begin with `root`, also of those in braces.
    pub(crate) fn names_after(&self, root: &str) -> Vec<(usize, String)> {
        let mut names = Vec::new();
        for start in self.find(root) {
            let before = self.code[..start].chars().next_back().unwrap_or(' ');
            if before == '$' || is_word(before) {
                continue;
            }
            let start = start + root.len();
            if self.code[start..].starts_with('{') {
                let end = self.closing(start).unwrap_or(self.code.len());
                names.extend(self.names_in_braces(start + 1, end - 1));
            } else {
                names.push((start, word_at(&self.code, start)));
            }
        }
        names
    }

    fn names_in_braces(&self, start: usize, end: usize) -> Vec<(usize, String)> {
        let mut names = Vec::new();
        let (mut depth, mut fresh) = (0_usize, true);
        for (at, letter) in self.code[start..end].char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                _ if fresh && is_word(letter) => {
                    names.push((start + at, word_at(&self.code, start + at)));
                    fresh = false;
                }
                _ => {}
            }
        }
        names
    }

    /// Names and types of a structure's fields.
    pub(crate) fn fields(&self, structure: &str) -> Vec<(String, String)> {
        let head = format!("struct {structure} {{");
        let start = self.code.find(&head);
        let start = start.unwrap_or_else(|| panic!("{head} is gone")) + head.len();
        let end = self.closing(start - 1).expect("a whole file") - 1;
        let fields = self.code[start..end].lines();
        let fields = fields.filter_map(|line| line.trim().split_once(": "));
        fields
            .map(|(name, kind)| (name.to_owned(), kind.trim_end_matches(',').to_owned()))
            .collect()
    }

    /// The functions that have a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for offset in self.find("fn ") {
            let before = self.code[..offset].chars().next_back().unwrap_or(' ');
            let body = self.body(offset);
            if is_word(before) || !self.code[body..].starts_with('{') {
                continue;
            }
            let end = self.closing(body).unwrap_or(self.code.len());
            functions.push(Function {
                name: word_at(&self.code, offset + "fn ".len()),
                offset,
                lines: self.line(end - 1) - self.line(offset) + 1,
            });
        }
        functions
    }

    fn line(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }

    /// Where the body of the item at `start` opens, or the semicolon instead of one is.
    fn body(&self, start: usize) -> usize {
        let mut depth = 0_isize;
        for (at, letter) in self.code[start..].char_indices() {
            match letter {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                '{' | ';' if depth == 0 => return start + at,
                _ => {}
            }
        }
        self.code.len()
    }

    fn end_of_item(&self, start: usize) -> usize {
        let body = self.body(start);
        self.closing(body)
            .unwrap_or_else(|| self.code.len().min(body + 1))
    }

    /// The place behind the brace that closes the one at `open`.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, letter) in self.code[open..].char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return (letter == '}').then_some(open + at + 1);
            }
        }
        None
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word_at(code: &str, start: usize) -> String {
    code[start..]
        .chars()
        .take_while(|letter| is_word(*letter))
        .collect()
}

/// Replaces each byte of a comment, a string or a character by a blank; lines stay lines.
fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    while code.len() < bytes.len() {
        let rest = &bytes[code.len()..];
        let follows_word = code.last().is_some_and(|last| is_word(char::from(*last)));
        match length_of_words(rest, follows_word) {
            0 => code.push(if rest[0].is_ascii() { rest[0] } else { b'_' }),
            length => {
                let words = rest[..length.min(rest.len())].iter();
                code.extend(words.map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            }
        }
    }
    String::from_utf8(code).expect("only ASCII is left")
}

/// How many bytes `rest` begins with that are not code; zero if it begins with code.
fn length_of_words(rest: &[u8], follows_word: bool) -> usize {
    match rest {
        [b'/', b'/', ..] => until(rest, b"\n", 0).saturating_sub(1).max(2),
        [b'/', b'*', ..] => until(rest, b"*/", 2),
        [b'"', ..] => string(rest),
        [b'r', b'"' | b'#', ..] if !follows_word => raw_string(rest),
        [b'\'', b'\\', ..] => until(rest, b"'", 3),
        [b'\'', _, b'\'', ..] => 3,
        // A character of more than one byte; anything else with one quote is a lifetime.
        [b'\'', first, ..] if !first.is_ascii() => until(rest, b"'", 1),
        _ => 0,
    }
}

/// The place behind the first `end` that is found from `start` on.
fn until(rest: &[u8], end: &[u8], start: usize) -> usize {
    let found = rest[start..]
        .windows(end.len())
        .position(|part| part == end);
    found.map_or(rest.len(), |at| start + at + end.len())
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Zero where an `r` begins a name such as `r#type`.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    until(rest, &end, 2 + hashes)
}

#[test]
fn code_is_told_from_words() {
    let text = r##"//! A header. fn no() { }
use crate::{wire::{Hello, Reader}, host};
fn first<'a>(text: &'a [u8; 2]) -> char {
    let _ = ("fn no() {", r#"} panic! ""#, b'"', '\'', '{', 'é'); /* crate::no */
    crate::session::close($crate::no)
}
#[cfg(test)]
mod tests {
    fn no() { panic!() }
}
struct Kept { }
"##;
    let source = Source::of(Path::new("x/src/object/call.rs"), text.to_owned()).without_tests();
    let functions = source.functions();
    assert_eq!(functions.len(), 1);
    assert_eq!(
        (functions[0].name.as_str(), functions[0].lines),
        ("first", 4)
    );
    let used: Vec<_> = source
        .names_after("crate::")
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    assert_eq!(used, ["wire", "host", "session"]);
    assert_eq!(source.find("panic!").count(), 0);
    assert_eq!(source.find("struct Kept").count(), 1);
    assert_eq!(source.module(), "object");
    assert_eq!(source.header().count(), 1);
}
