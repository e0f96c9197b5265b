//! All keys that a file may have, as text for people.

use super::schema::{Key, keys};
use super::value::expected;

/// What stands in a path where the user chooses a name.
const NAME: &str = "NAME";

/// Every key that a file may have: what it is for, what its value has to be, and what holds without it.
/// For the `--help` of programs that are started with a file.
///
/// ```
/// assert!(remoting::config::reference().contains("\nlisten: where it listens"));
/// ```
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    let mut last = "";
    for key in keys() {
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if table != last {
            let gap = if last.is_empty() { "" } else { "\n" };
            text += &format!("{gap}[{}]\n", table.replace('*', NAME));
            last = table;
        }
        text += &line(key, name);
    }
    text
}

fn line(key: &Key, name: &str) -> String {
    let otherwise = match (key.required, key.default) {
        (true, _) => "; required".to_owned(),
        (false, Some(default)) => format!("; default {default}"),
        (false, None) => String::new(),
    };
    format!("{name}: {}; {}{otherwise}\n", key.doc, expected(key.kind))
}
