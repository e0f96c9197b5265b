//! Every key of the schema: misspelt, of a wrong type, out of range; and none is missing.

use std::collections::BTreeSet;

use remoting::config::schema::{Key, Kind, keys};
use remoting::prelude::*;
use remoting::{ChannelLimits, Counters, ErrorKind, Limits};

use crate::support::*;

/// A file with one key in it, and where that key and its value stand.
struct Case {
    text: String,
    key: String,
    line: usize,
    key_column: usize,
    value_column: usize,
}

/// A channel that would listen, were there no mistake, and the key on a line of its own behind it.
fn case(key: &Key, name: &str, value: &str) -> Case {
    let table = key.path.rsplit_once('.').unwrap().0.replace('*', "web");
    let before = format!(
        "# ä comment\n\n[channels.first]\nkind = \"tcp\"\nlisten = \"127.0.0.1:0\"\n\n  [{table}]\n"
    );
    let line = before.lines().count() + 1;
    Case {
        text: format!("{before}  {name} = {value} # and more\n"),
        key: format!("{table}.{name}"),
        line,
        key_column: 3,
        value_column: 3 + name.len() + 3,
    }
}

fn name(key: &Key) -> &'static str {
    key.path.rsplit_once('.').unwrap().1
}

/// Runs a file that is wrong, and gives the line of the error that tells of the key.
async fn told_of(log: &Log, folder: &Folder, case: &Case, column: usize) -> String {
    let path = folder.config(&case.text);
    let error = Host::from_config(&path, classes())
        .await
        .expect_err(&case.text);
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert_eq!(listened(log), [""; 0], "{}", case.text);
    let prefix = format!("{}:{}:{column}: {}: ", path.display(), case.line, case.key);
    let lines = error.message().lines();
    let mut lines = lines.filter_map(|line| line.strip_prefix(&prefix));
    let line = lines.next();
    let line = line.unwrap_or_else(|| panic!("no line begins `{prefix}`:\n{error}"));
    assert_eq!(lines.next(), None, "{error}");
    assert!(
        !line.ends_with('.') && !line.starts_with(char::is_uppercase),
        "{line}"
    );
    line.to_owned()
}

#[test]
fn a_misspelt_key_is_told_with_the_one_that_was_meant() {
    with_log(async |log| {
        let folder = Folder::new();
        for key in keys() {
            let misspelt = format!("{}x", name(key));
            let case = case(key, &misspelt, "1");
            let line = told_of(&log, &folder, &case, case.key_column).await;
            let meant = format!("no such key; did you mean `{}`?", name(key));
            assert_eq!(line, meant, "{}", key.path);
        }
    });
}

#[test]
fn a_key_that_is_like_no_other_is_told_with_all_that_may_be_there() {
    with_log(async |log| {
        let folder = Folder::new();
        for key in keys() {
            let case = case(key, "quite-another", "1");
            let line = told_of(&log, &folder, &case, case.key_column).await;
            let known = line.strip_prefix("no such key; here may be ").unwrap();
            let shown = format!("`{}`", name(key));
            assert!(known.split(", ").any(|known| known == shown), "{line}");
        }
    });
}

#[test]
fn a_value_of_a_wrong_type_is_told_with_the_right_one() {
    with_log(async |log| {
        let folder = Folder::new();
        for key in keys() {
            let is_listed = key.kind == Kind::Texts;
            for value in [
                "1.5",
                "1979-05-27",
                "{ a = 1 }",
                "true",
                "[1]",
                "\"canary\"",
                "7",
            ] {
                if fits(key.kind, value) {
                    continue;
                }
                let case = case(key, name(key), value);
                let column = case.value_column + usize::from(is_listed && value == "[1]");
                let line = told_of(&log, &folder, &case, column).await;
                assert!(!line.is_empty(), "{value}");
            }
        }
    });
}

/// Whether a value is right for a kind.
fn fits(kind: Kind, value: &str) -> bool {
    match kind {
        Kind::Flag => value == "true",
        Kind::Text => value == "\"canary\"",
        Kind::Number { least, most } => value == "7" && (least..=most).contains(&7),
        Kind::Time { .. } => value == "7",
        _ => false,
    }
}

/// Values of the right type that are too small, too large, or unknown.
fn outside(kind: Kind) -> Vec<String> {
    let texts = |texts: &[&str]| texts.iter().map(|text| format!("\"{text}\"")).collect();
    match kind {
        Kind::Flag => Vec::new(),
        Kind::Text => texts(&[""]),
        Kind::Address => texts(&["", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536"]),
        Kind::Choice(_) => texts(&["", "nonsense"]),
        Kind::Number { least, most } => vec![
            (least - 1).to_string(),
            (most + 1).to_string(),
            "99999999999999999999".to_owned(),
        ],
        Kind::Size { least, most } => vec![
            (least - 1).to_string(),
            (most + 1).to_string(),
            "-1".to_owned(),
            "\"1 B\"".to_owned(),
            "\"99999999999 GiB\"".to_owned(),
            "\"nonsense\"".to_owned(),
        ],
        Kind::Time { least, infinite } => {
            let mut values: Vec<String> = texts(&["", "-1s", "99999d", "nonsense"]);
            values.extend(["-1".to_owned(), "99999999999".to_owned()]);
            if !infinite {
                values.push("\"infinite\"".to_owned());
            }
            if !least.is_zero() {
                values.push("\"0s\"".to_owned());
            }
            values
        }
        Kind::Texts => vec!["[\"\"]".to_owned()],
        Kind::Secret | Kind::Path | Kind::PathOrSecret => {
            texts(&["", "missing.pem", "env:", "file:", "file:missing"])
        }
        Kind::Url => texts(&["", "nonsense", "tcp://host", "tcp://host/a b"]),
    }
}

#[test]
fn a_value_out_of_range_is_told_where_it_stands() {
    with_log(async |log| {
        let folder = Folder::new();
        for key in keys() {
            for value in outside(key.kind) {
                let case = case(key, name(key), &value);
                let column = case.value_column + usize::from(key.kind == Kind::Texts);
                told_of(&log, &folder, &case, column).await;
            }
        }
    });
}

#[test]
fn a_required_key_that_is_missing_is_told_at_the_head_of_its_table() {
    let mut seen = 0;
    for key in keys().filter(|key| key.required) {
        let table = key.path.rsplit_once('.').unwrap().0.replace('*', "web");
        let lines = mistakes(&format!("\n [{table}]\n"));
        let prefix = format!("remoting.toml:2:2: {table}.{}: it is missing", name(key));
        let told = lines.iter().filter(|line| line.starts_with(&prefix));
        assert_eq!(told.count(), 1, "{lines:?}");
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn each_limit_of_a_host_has_a_key_with_its_default() {
    let limits = Counters::default();
    let fields: BTreeSet<_> = limits
        .all()
        .iter()
        .map(|(name, _)| name.replace('_', "-"))
        .collect();
    let known = keys().filter_map(|key| key.path.strip_prefix("limits."));
    assert_eq!(known.map(str::to_owned).collect::<BTreeSet<_>>(), fields);
    // All defaults written down give what nothing written down gives.
    let config = parse(&parse("").unwrap().to_string());
    let written = format!("{:?}", config.unwrap());
    assert!(
        written.contains(&format!("{:?}", Limits::default())),
        "{written}"
    );
    assert_eq!(written, format!("{:?}", parse("").unwrap()));
}

#[test]
fn each_limit_that_a_channel_may_have_has_a_key_as_the_host_has_it() {
    // `ChannelLimits { max_frame: None, .. }`
    let none = format!("{:?}", ChannelLimits::default());
    let (_, fields) = none.split_once("{ ").unwrap();
    let fields = fields.split(", ").map(|field| {
        let (name, _) = field.split_once(": None").unwrap();
        name.replace('_', "-")
    });
    let known = keys().filter_map(|key| Some((key.path.strip_prefix("channels.*.limits.")?, key)));
    let mut names = BTreeSet::new();
    for (name, own) in known {
        let of_host = format!("limits.{name}");
        let of_host = keys().find(|key| key.path == of_host).unwrap();
        assert_eq!((own.kind, own.default), (of_host.kind, None), "{name}");
        assert!(own.doc.starts_with(of_host.doc), "{name}");
        names.insert(name.to_owned());
    }
    assert_eq!(names, fields.collect());
}

#[test]
fn each_key_is_explained_and_stands_once_in_the_schema() {
    let mut paths = BTreeSet::new();
    for key in keys() {
        assert!(paths.insert(key.path), "`{}` is there twice", key.path);
        assert!(
            !key.doc.is_empty() && !key.doc.ends_with('.'),
            "{}",
            key.path
        );
        assert!(!(key.required && key.default.is_some()), "{}", key.path);
    }
    assert!(paths.len() > 60);
}
