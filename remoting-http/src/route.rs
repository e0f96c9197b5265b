//! What the path of a request names (PROTOCOL.md, rules H1 to H3).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Where a host tells what it publishes.
const WELL_KNOWN: &str = "/.well-known/remoting";

/// All that need not be written as it stands in one part of a path.
pub(crate) const OUTSIDE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// Everything that is published.
    Host,
    /// One publication.
    Object(Cow<'a, str>),
    /// A method of a publication.
    Method(Cow<'a, str>, Cow<'a, str>),
    /// Something that has no place here, or none yet.
    Nothing,
}

impl<'a> Route<'a> {
    /// - `path`: that of the request, without the query.
    pub(crate) fn of(path: &'a str) -> Self {
        if path == WELL_KNOWN {
            return Self::Host;
        }
        let mut parts = path.strip_prefix('/').unwrap_or(path).split('/');
        let (name, method, more) = (parts.next(), parts.next(), parts.next());
        match (name.and_then(part), method.map(part), more) {
            (Some(name), None, None) => Self::Object(name),
            (Some(name), Some(Some(method)), None) => Self::Method(name, method),
            _ => Self::Nothing,
        }
    }
}

/// One part of a path; nothing if it is empty or no text.
fn part(text: &str) -> Option<Cow<'_, str>> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    (!decoded.is_empty()).then_some(decoded)
}

/// The path of a method.
pub(crate) fn path_of(name: &str, method: &str) -> String {
    let (name, method) = (
        utf8_percent_encode(name, OUTSIDE),
        utf8_percent_encode(method, OUTSIDE),
    );
    format!("/{name}/{method}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_host_an_object_or_a_method() {
        let method = |name: &'static str, method: &'static str| {
            Route::Method(Cow::Borrowed(name), Cow::Borrowed(method))
        };
        for (path, route) in [
            ("/.well-known/remoting", Route::Host),
            ("/bank", Route::Object("bank".into())),
            ("/bank/open", method("bank", "open")),
            ("/b%61nk/%C3%A4", method("bank", "ä")),
            ("/", Route::Nothing),
            ("", Route::Nothing),
            ("//open", Route::Nothing),
            ("/bank/", Route::Nothing),
            ("/bank/open/", Route::Nothing),
            ("/bank/open/more", Route::Nothing),
            ("/%FF/open", Route::Nothing),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }

    #[test]
    fn the_path_of_a_method_leads_back_to_it() {
        for name in ["add", "größe", "a/b", "100%", "?x"] {
            let path = path_of("bank", name);
            assert_eq!(Route::of(&path), Route::Method("bank".into(), name.into()));
        }
    }
}
