//! From the text of the file to values, each with its place, checked against the schema.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, Mistakes, Origin, Place, listed, shown};
use super::nearest::nearest;
use super::path::KeyPath;
use super::schema::{Key, keys};
use super::value::{Surroundings, Value, from_toml};

/// A value of the file or of the environment.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// All that was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) items: BTreeMap<KeyPath, Item>,
    /// Where each table begins.
    pub(crate) heads: BTreeMap<KeyPath, Place>,
}

impl Found {
    /// The value of a key.
    pub(crate) fn value(&self, path: &KeyPath) -> Option<&Value> {
        self.items.get(path).map(|item| &item.value)
    }

    /// The tables right below a table, in the order of the file.
    pub(crate) fn tables(&self, table: &KeyPath) -> Vec<KeyPath> {
        let below = |path: &KeyPath| path.len() == table.len() + 1 && path.is_within(table);
        let mut found: Vec<_> = self.heads.iter().filter(|(path, _)| below(path)).collect();
        found.sort_by_key(|(_, place)| **place);
        found.into_iter().map(|(path, _)| path.clone()).collect()
    }

    /// Where to look for a key or a table: at its value, its head, or the next table around it.
    pub(crate) fn origin(&self, path: &KeyPath) -> Origin {
        if let Some(item) = self.items.get(path) {
            return item.origin.clone();
        }
        if let Some(place) = self.heads.get(path) {
            return Origin::File(*place);
        }
        if path.is_empty() {
            return Origin::File(Place::START);
        }
        self.origin(&path.table())
    }

    /// Whether a table is in the file, or some key of it is set.
    pub(crate) fn has_table(&self, table: &KeyPath) -> bool {
        self.heads.contains_key(table) || self.items.keys().any(|path| path.is_within(table))
    }

    /// The paths that a key of the schema stands for, with the names that the file has.
    pub(crate) fn paths(&self, key: &Key) -> Vec<KeyPath> {
        let mut paths = vec![KeyPath::default()];
        for segment in key.segments() {
            paths = match segment {
                "*" => paths.iter().flat_map(|path| self.tables(path)).collect(),
                name => paths.iter().map(|path| path.with(name)).collect(),
            };
        }
        paths
    }
}

/// Reads the text of a file; gives nothing if it is not TOML.
pub(crate) fn read(
    text: &str,
    around: &Surroundings<'_>,
    mistakes: &mut Mistakes,
) -> Option<Found> {
    let lines = text.match_indices('\n').map(|(end, _)| end + 1);
    let mut reader = Reader {
        text,
        lines: std::iter::once(0).chain(lines).collect(),
        around,
        mistakes,
        found: Found::default(),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        reader.table(table.get_ref(), &KeyPath::default());
        return Some(reader.found);
    }
    // Whatever else there is would be a guess.
    errors.iter().for_each(|error| reader.syntax(error));
    None
}

struct Reader<'a> {
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    around: &'a Surroundings<'a>,
    mistakes: &'a mut Mistakes,
    found: Found,
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line));
        Place::in_line(line, self.text.get(start.copied().unwrap_or(0)..offset))
    }

    fn mistake(&mut self, offset: usize, key: &KeyPath, text: impl Into<String>) {
        let origin = Origin::File(self.place(offset));
        self.mistakes.push(Mistake::new(origin, key.clone(), text));
    }

    /// Tells of a file that is not TOML. The text at that place may be a secret without quotes, so
    /// it is shown only where a key is there twice.
    fn syntax(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or_default();
        let mut key = KeyPath::default();
        let mut text = format!("this is not TOML: {}", error.message());
        if error.message() == "duplicate key" {
            let name = self.text.get(span.clone()).unwrap_or_default();
            let (path, first) = duplicate(self.text, span.start, name);
            key = path;
            let line = first.map_or_else(String::new, |line| format!(", first in line {line}"));
            text = format!("it is there twice{line}; remove one, or give it another name");
        }
        self.mistake(span.start, &key, text);
    }

    fn table(&mut self, table: &DeTable<'_>, path: &KeyPath) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let below = path.with(name);
            let matching = || keys().filter(|known| fits(known, &below));
            let whole = matching().find(|known| known.segments().count() == below.len());
            let is_free = matching().any(|known| known.segments().nth(path.len()) == Some("*"));
            if let Some(known) = whole {
                self.value(known, value.get_ref(), value.span().start, below);
            } else if matching().next().is_none() {
                let text = unknown(path, name);
                self.mistake(key.span().start, &below, text);
            } else if name.is_empty() && is_free {
                self.mistake(key.span().start, &below, "this name is empty; write one");
            } else if let DeValue::Table(table) = value.get_ref() {
                let place = self.place(value.span().start);
                self.found.heads.insert(below.clone(), place);
                self.table(table, &below);
            } else {
                let text = format!("this must be a table; write it as [{below}]");
                self.mistake(value.span().start, &below, text);
            }
        }
    }

    fn value(&mut self, key: &Key, value: &DeValue<'_>, offset: usize, path: KeyPath) {
        let origin = Origin::File(self.place(offset));
        match from_toml(key.kind, value, self.around) {
            Ok(value) => {
                self.found.items.insert(path, Item { value, origin });
            }
            Err(misfit) => {
                let elements = value.as_array();
                let element = misfit
                    .element
                    .and_then(|index| elements.and_then(|elements| elements.get(index)));
                let offset = element.map_or(offset, |element| element.span().start);
                self.mistake(offset, &path, misfit.text);
            }
        }
    }
}

/// Whether a path is that of a key, or the beginning of it.
fn fits(key: &Key, path: &KeyPath) -> bool {
    let mut segments = key.segments();
    path.parts()
        .iter()
        .all(|part| matches!(segments.next(), Some(segment) if segment == "*" || segment == part))
}

/// What to say of a name that is not known in a table.
fn unknown(table: &KeyPath, name: &str) -> String {
    // A table of the same name may have it elsewhere: what is a host's and no channel's.
    let end = format!("{}.{name}", table.last());
    if keys().any(|known| known.path == end) {
        return format!("no such key here; it belongs in [{}]", table.last());
    }
    let mut names: Vec<_> = keys()
        .filter(|key| fits(key, table))
        .filter_map(|key| key.segments().nth(table.len()))
        .collect();
    names.dedup();
    match nearest(name, names.iter().copied()) {
        Some(meant) => format!("no such key; did you mean {}?", shown(meant)),
        None => format!("no such key; here may be {}", listed(names)),
    }
}

/// Notes what is required and not there.
pub(crate) fn check_required(found: &Found, mistakes: &mut Mistakes) {
    for key in keys().filter(|key| key.required) {
        for path in found.paths(key) {
            let table = path.table();
            // What is there and wrong is not missing too.
            let is_missing = !found.items.contains_key(&path) && !mistakes.are_about(&path);
            if is_missing && found.has_table(&table) {
                let example = shown(&format!("{} = {}", path.last(), example(key)));
                let text = format!("it is missing; add {example}: {}", key.doc);
                mistakes.add(&found.origin(&table), &path, text);
            }
        }
    }
}

fn example(key: &Key) -> String {
    use super::schema::Kind;
    match key.kind {
        Kind::Choice(words) => words
            .iter()
            .map(|word| format!("\"{word}\""))
            .collect::<Vec<_>>()
            .join(" or "),
        Kind::Url => "\"tcp://127.0.0.1:8080/bank\"".to_owned(),
        _ => "\"…\"".to_owned(),
    }
}

/// The path of a key that is there twice, and the line where it was first.
///
/// TOML's own error knows the last part alone; the others stand before it in its line, and in the
/// line of its table.
fn duplicate(text: &str, offset: usize, name: &str) -> (KeyPath, Option<usize>) {
    let before = text.get(..offset).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let in_line = before.get(line_start..).unwrap_or_default().trim_start();
    if in_line.starts_with('[') {
        let head = format!("{}{name}", in_line.trim_start_matches('['));
        let path = with_parts(KeyPath::default(), &head);
        let first = first_line(text, line_start, &path);
        return (path, first);
    }
    let heads = before.lines().map(str::trim_start);
    let head = heads.rev().find(|line| line.starts_with('['));
    let head = head.and_then(|line| line.trim_start_matches('[').split(']').next());
    let table = head.map_or_else(KeyPath::default, |head| {
        with_parts(KeyPath::default(), head)
    });
    if in_line.contains('=') {
        // Inside of an inline table: its place has to do.
        return (table, None);
    }
    let path = with_parts(table, &format!("{in_line}{name}"));
    let first = first_line(text, line_start, &path);
    (path, first)
}

fn with_parts(path: KeyPath, text: &str) -> KeyPath {
    let parts = text.split('.').map(str::trim);
    parts.fold(path, |path, part| path.with(part.trim_matches(['"', '\''])))
}

/// The line before `end` that sets a path first.
fn first_line(text: &str, end: usize, path: &KeyPath) -> Option<usize> {
    let before = text.get(..end)?;
    let table = DeTable::parse(before).ok()?;
    let mut span = None;
    let mut here = Some(table.get_ref().clone());
    for part in path.parts() {
        let table = here.take()?;
        let (key, value) = table
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == part.as_str())?;
        span = Some(key.span());
        here = value.get_ref().as_table().cloned();
    }
    span.map(|span| Place::of(text, span.start).line)
}
