//! Values: from TOML, or from the text of a variable, to what their kind says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use remoting_core::{Error, ObjectUrl, Secret};
use toml::de::{DeInteger, DeValue};

use super::mistake::{listed, shown};
use super::schema::Kind;
use super::secret::{self, Variables};
use super::time::{INFINITE, read_size, read_time, size_text};

/// A value that fits its key.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Flag(bool),
    Number(i64),
    Size(u64),
    /// `None`: without end.
    Time(Option<Duration>),
    Texts(Vec<String>),
    Secret(Secret),
    /// A file: as it is written, and where it is.
    Path(String, PathBuf),
}

/// What values may refer to.
pub(crate) struct Surroundings<'a> {
    /// Where relative paths begin.
    pub(crate) folder: &'a Path,
    pub(crate) variables: &'a Variables,
}

/// Why a value does not fit.
pub(crate) struct Misfit {
    pub(crate) text: String,
    /// The element of a list that it is about.
    pub(crate) element: Option<usize>,
}

impl From<String> for Misfit {
    fn from(text: String) -> Self {
        let element = None;
        Self { text, element }
    }
}

/// Reads a value of the file.
pub(crate) fn from_toml(
    kind: Kind,
    value: &DeValue<'_>,
    around: &Surroundings<'_>,
) -> Result<Value, Misfit> {
    match (kind, value) {
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Texts, DeValue::Array(array)) => {
            let texts = array.iter().enumerate().map(|(index, element)| {
                let text = element.get_ref().as_str().filter(|text| !text.is_empty());
                let element = Some(index);
                text.map(str::to_owned).ok_or_else(|| Misfit {
                    text: "every element must be a text, and not empty".to_owned(),
                    element,
                })
            });
            Ok(Value::Texts(texts.collect::<Result<_, _>>()?))
        }
        (Kind::Number { .. } | Kind::Size { .. } | Kind::Time { .. }, DeValue::Integer(number)) => {
            Ok(from_integer(kind, number)?)
        }
        (Kind::Flag | Kind::Texts | Kind::Number { .. }, _) => Err(wrong_type(kind, value).into()),
        (_, DeValue::String(text)) => Ok(from_text(kind, text, around)?),
        _ => Err(wrong_type(kind, value).into()),
    }
}

fn wrong_type(kind: Kind, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("this is {found}, and it must be {}", expected(kind))
}

/// What a value of a kind has to be, in words.
pub(crate) fn expected(kind: Kind) -> String {
    match kind {
        Kind::Text => "a text".to_owned(),
        Kind::Address => "an address such as \"127.0.0.1:8080\"".to_owned(),
        Kind::Choice(words) => format!("one of {}", listed(words.iter().copied())),
        Kind::Flag => "true or false".to_owned(),
        Kind::Number { least, most } => format!("a whole number from {least} to {most}"),
        Kind::Size { least, most } => {
            let (least, most) = (size_text(least), size_text(most));
            format!("a size from {least} to {most}, such as \"256 KiB\" or 65536")
        }
        Kind::Time { least, infinite } => {
            let least = if least.is_zero() {
                ""
            } else {
                " of at least 1ms"
            };
            let infinite = if infinite { ", or \"infinite\"" } else { "" };
            format!("a time{least} such as \"7m\", \"30s\" or 90 for seconds{infinite}")
        }
        Kind::Texts => "a list of texts such as [\"one\", \"two\"]".to_owned(),
        Kind::Secret => "\"env:NAME\" or \"file:PATH\"".to_owned(),
        Kind::Path => "the path of a file".to_owned(),
        Kind::PathOrSecret => "the path of a file, \"env:NAME\" or \"file:PATH\"".to_owned(),
        Kind::Url => "a URL such as \"tcp://127.0.0.1:8080/bank\"".to_owned(),
    }
}

fn from_integer(kind: Kind, number: &DeInteger<'_>) -> Result<Value, String> {
    let read = i64::from_str_radix(number.as_str(), number.radix());
    let outside = || {
        let number = shown(&number.to_string());
        format!("{number} is out of range: it must be {}", expected(kind))
    };
    let number = read.map_err(|_| outside())?;
    let size = || u64::try_from(number).map_err(|_| outside());
    match kind {
        Kind::Number { least, most } if (least..=most).contains(&number) => {
            Ok(Value::Number(number))
        }
        Kind::Size { .. } => in_size(kind, size()?).ok_or_else(outside),
        // The same words as for texts.
        Kind::Time { .. } => read_time(&number.to_string())
            .and_then(|time| in_time(kind, Some(time)).ok_or_else(outside)),
        _ => Err(outside()),
    }
}

fn in_size(kind: Kind, size: u64) -> Option<Value> {
    matches!(kind, Kind::Size { least, most } if (least..=most).contains(&size))
        .then_some(Value::Size(size))
}

fn in_time(kind: Kind, time: Option<Duration>) -> Option<Value> {
    let fits = match (kind, time) {
        (Kind::Time { least, .. }, Some(time)) => time >= least,
        (Kind::Time { infinite, .. }, None) => infinite,
        _ => false,
    };
    fits.then_some(Value::Time(time))
}

/// Reads the text of a variable, which has no types.
pub(crate) fn from_variable(
    kind: Kind,
    text: &str,
    around: &Surroundings<'_>,
) -> Result<Value, String> {
    match kind {
        Kind::Flag => match text {
            "true" => Ok(Value::Flag(true)),
            "false" => Ok(Value::Flag(false)),
            _ => Err("it must be `true` or `false`".to_owned()),
        },
        Kind::Number { least, most } => match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(Value::Number(number)),
            _ => Err(format!("it must be {}", expected(kind))),
        },
        Kind::Texts => {
            let texts = text.split(',').map(str::trim);
            let texts = texts.filter(|text| !text.is_empty()).map(str::to_owned);
            Ok(Value::Texts(texts.collect()))
        }
        _ => from_text(kind, text, around),
    }
}

fn from_text(kind: Kind, text: &str, around: &Surroundings<'_>) -> Result<Value, String> {
    let outside = || {
        format!(
            "{} is out of range: it must be {}",
            shown(text),
            expected(kind)
        )
    };
    let secret = || secret::fetch(text, around.folder, around.variables).map(Value::Secret);
    match kind {
        Kind::Secret => secret(),
        Kind::PathOrSecret if secret::is_reference(text) => {
            let secret = secret()?;
            // What is in a file may be looked up again there, when it has changed.
            let place = text.strip_prefix(secret::FROM_FILE);
            Ok(place.map_or(secret, |place| {
                Value::Path(text.to_owned(), around.folder.join(place))
            }))
        }
        // It may be the key itself, so it is not shown.
        Kind::PathOrSecret => {
            let found = file(text, around.folder).ok_or_else(|| {
                "there is no such file; write its path, relative to the configuration's folder, \
                 or \"env:NAME\" or \"file:PATH\""
                    .to_owned()
            })?;
            secret::check_file(&around.folder.join(text))?;
            Ok(found)
        }
        Kind::Path => file(text, around.folder).ok_or_else(|| {
            let place = around.folder.join(text);
            format!("there is no file {}", shown(&place.to_string_lossy()))
        }),
        Kind::Text if text.is_empty() => {
            Err("it is empty; write a text or remove the key".to_owned())
        }
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Address => address(text),
        Kind::Choice(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
        Kind::Choice(words) => Err(not_among(text, words)),
        Kind::Size { .. } => in_size(kind, read_size(text)?).ok_or_else(outside),
        Kind::Time { infinite: true, .. } if text == INFINITE => Ok(Value::Time(None)),
        Kind::Time { .. } => in_time(kind, Some(read_time(text)?)).ok_or_else(outside),
        Kind::Url => match text.parse::<ObjectUrl>() {
            Ok(_) => Ok(Value::Text(text.to_owned())),
            Err(error) => Err(why_no_url(&error)),
        },
        Kind::Flag | Kind::Number { .. } | Kind::Texts => Err(outside()),
    }
}

/// Why a URL is refused, without its text: people write passwords into URLs.
pub(crate) fn why_no_url(error: &Error) -> String {
    const BEFORE: &str = "is no object's URL: ";
    let why = error.message().rsplit_once(BEFORE);
    let why = why.map_or("write it like `tcp://127.0.0.1:8080/bank`", |(_, why)| why);
    format!("this {BEFORE}{why}")
}

fn not_among(text: &str, words: &[&str]) -> String {
    let nearest = super::nearest::nearest(text, words.iter().copied());
    let meant = nearest.map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
    let words = listed(words.iter().copied());
    format!("{} is none of {words}{meant}", shown(text))
}

fn file(text: &str, folder: &Path) -> Option<Value> {
    let place = folder.join(text);
    (!text.is_empty() && place.is_file()).then(|| Value::Path(text.to_owned(), place))
}

fn address(text: &str) -> Result<Value, String> {
    let parts = text.rsplit_once(':');
    let is_right =
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if is_right {
        return Ok(Value::Text(text.to_owned()));
    }
    Err(format!(
        "{} is no address to listen on; write it like \"127.0.0.1:8080\", with port 0 for any free one",
        shown(text)
    ))
}
