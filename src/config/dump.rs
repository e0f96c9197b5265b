//! The settings that hold, as a file of their own, each with where it comes from.

use std::fmt;

use super::Config;
use super::environment::variable_of;
use super::mistake::Origin;
use super::path::{KeyPath, quoted};
use super::read::Found;
use super::schema::{Key, keys};
use super::time::{INFINITE, size_text, time_text};
use super::value::Value;

/// Every key that has a value, as TOML, each with a comment that says whether it comes from the file, from
/// the environment, or is a default. Secrets are shown as `<redacted>`.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tables: Vec<(KeyPath, Vec<String>)> = Vec::new();
        for key in keys() {
            for path in self.found.paths(key) {
                let Some(line) = self.dump_line(key, &path) else {
                    continue;
                };
                let table = path.table();
                match tables.iter_mut().find(|(known, _)| *known == table) {
                    Some((_, lines)) => lines.push(line),
                    None => tables.push((table, vec![line])),
                }
            }
        }
        for (index, (table, lines)) in tables.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "[{table}]")?;
            for line in lines {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

impl Config {
    fn dump_line(&self, key: &Key, path: &KeyPath) -> Option<String> {
        let name = path.last();
        if let Some(item) = self.found.items.get(path) {
            let value = value_text(&item.value);
            let origin = match &item.origin {
                Origin::File(place) => format!("{}:{}", self.file, place.line),
                Origin::Environment(_) => format!("environment {}", variable_of(path)),
            };
            return Some(format!("{name} = {value} # {origin}"));
        }
        // `[channels.NAME.tls]` is all or nothing.
        let is_inner = key.segments().filter(|segment| *segment == "*").count() > 0;
        if is_inner && !self.found.has_table(&path.table()) {
            return None;
        }
        let default = default(key, &self.found)?;
        Some(format!("{name} = {default} # default"))
    }
}

/// What holds for a key that is not set.
fn default(key: &Key, found: &Found) -> Option<&'static str> {
    let is_on =
        |path: [&str; 2]| matches!(found.value(&KeyPath::of(path)), Some(Value::Flag(true)));
    match key.path {
        "lifetime.orphan-grace" if is_on(["lifetime", "classic"]) => Some("\"0s\""),
        "host.allow-plaintext" | "host.allow-anonymous" if is_on(["host", "insecure-listen"]) => {
            Some("true")
        }
        _ => key.default,
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Path(text, _) => quoted(text),
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Size(size) => quoted(&size_text(*size)),
        Value::Time(Some(time)) => quoted(&time_text(*time)),
        Value::Time(None) => quoted(INFINITE),
        Value::Texts(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
            format!("[{}]", texts.join(", "))
        }
        Value::Secret(secret) => quoted(&secret.to_string()),
    }
}
