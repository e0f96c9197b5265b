//! Values from the environment, which go before those of the file.
//!
//! `REMOTING__CHANNELS__WEB__LISTEN` stands for `channels.web.listen`: the parts in capitals, with `_` for
//! all that is neither letter nor digit. Keys may be set that the file does not have, but no names be added:
//! which channel `WEB` would be could not be told.

use std::collections::BTreeMap;

use super::mistake::{Mistake, Mistakes, Origin, shown};
use super::nearest::nearest;
use super::path::KeyPath;
use super::read::{Found, Item};
use super::schema::{Key, keys};
use super::value::{Surroundings, from_variable};

/// What the names of the variables begin with.
pub(crate) const PREFIX: &str = "REMOTING__";

/// The name of the variable that stands for a key.
pub(crate) fn variable_of(path: &KeyPath) -> String {
    let parts: Vec<String> = path.parts().iter().map(|part| capitals(part)).collect();
    format!("{PREFIX}{}", parts.join("__"))
}

fn capitals(part: &str) -> String {
    part.chars()
        .map(|character| match character.to_ascii_uppercase() {
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => '_',
        })
        .collect()
}

/// Puts the values of the environment in the place of those of the file.
pub(crate) fn overlay(found: &mut Found, around: &Surroundings<'_>, mistakes: &mut Mistakes) {
    let mut known: BTreeMap<String, Vec<(&'static Key, KeyPath)>> = BTreeMap::new();
    for key in keys() {
        for path in found.paths(key) {
            known
                .entry(variable_of(&path))
                .or_default()
                .push((key, path));
        }
    }
    for (name, value) in around.variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let origin = Origin::Environment(name.to_owned());
        let mut wrong = |path: &KeyPath, text: String| {
            mistakes.push(Mistake::new(origin.clone(), path.clone(), text));
        };
        match known.get(name).map(Vec::as_slice) {
            None | Some([]) => wrong(&KeyPath::default(), unknown(name, &known)),
            Some([(key, path)]) => match value.to_str() {
                Some(text) => match from_variable(key.kind, text, around) {
                    Ok(value) => {
                        let origin = origin.clone();
                        found.items.insert(path.clone(), Item { value, origin });
                    }
                    Err(text) => wrong(path, text),
                },
                None => wrong(path, "the variable is not Unicode".to_owned()),
            },
            Some([(_, first), (_, second), ..]) => {
                let (first, second) = (shown(&first.to_string()), shown(&second.to_string()));
                let text = format!(
                    "it stands for {first} and for {second}; give one another name in the file"
                );
                wrong(&KeyPath::default(), text);
            }
        }
    }
}

fn unknown(name: &str, known: &BTreeMap<String, Vec<(&'static Key, KeyPath)>>) -> String {
    let text = "the variable names no key: the environment sets keys of the schema, and adds no \
                channels, publications or other names to those of the file";
    match nearest(name, known.keys().map(String::as_str)) {
        Some(meant) => format!("{text}; did you mean {}?", shown(meant)),
        None => text.to_owned(),
    }
}
