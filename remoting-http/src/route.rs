//! What the path of a request names (PROTOCOL.md, rules H1 to H3).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Where a host tells what it publishes.
const WELL_KNOWN: &str = "/.well-known/remoting";

/// Where it tells whether to come to it.
pub(crate) const HEALTH: &str = "/.well-known/remoting/health";

/// What the names of objects begin with that have a ticket.
const TICKETS: &str = "~/";

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
    /// A publication, or an object that has a ticket: `~/rt1.…`.
    Object(Cow<'a, str>),
    /// A method of such.
    Method(Cow<'a, str>, Cow<'a, str>),
    /// A constructor of a publication.
    Constructor(Cow<'a, str>, Cow<'a, str>),
    /// Something that has no place here, or none yet.
    Nothing,
}

impl<'a> Route<'a> {
    /// - `path`: that of the request, without the query.
    pub(crate) fn of(path: &'a str) -> Self {
        if path == WELL_KNOWN {
            return Self::Host;
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(rest) = path.strip_prefix(TICKETS) {
            let (ticket, method) = split(rest, '/');
            let Some(ticket) = part(ticket) else {
                return Self::Nothing;
            };
            let name = Cow::Owned(format!("{TICKETS}{ticket}"));
            return match method.map(only_part) {
                None => Self::Object(name),
                Some(Some(method)) => Self::Method(name, method),
                Some(None) => Self::Nothing,
            };
        }
        if let (name, Some(method)) = split(path, '/') {
            return match (part(name), only_part(method)) {
                (Some(name), Some(method)) => Self::Method(name, method),
                _ => Self::Nothing,
            };
        }
        let (name, constructor) = split(path, ':');
        match (part(name), constructor.map(part)) {
            (Some(name), None) => Self::Object(name),
            (Some(name), Some(Some(constructor))) => Self::Constructor(name, constructor),
            _ => Self::Nothing,
        }
    }
}

/// What stands before the first `mark`, and what behind it.
fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

/// The last part of a path.
fn only_part(text: &str) -> Option<Cow<'_, str>> {
    part(text).filter(|_| !text.contains('/'))
}

/// Whether a name is that of an object which has a ticket.
pub(crate) fn is_ticket(name: &str) -> bool {
    name.starts_with(TICKETS)
}

/// One part of a path; nothing if it is empty or no text.
fn part(text: &str) -> Option<Cow<'_, str>> {
    let decoded = match text.contains('%') {
        true => percent_decode_str(text).decode_utf8().ok()?,
        false => Cow::Borrowed(text),
    };
    (!decoded.is_empty()).then_some(decoded)
}

/// The URL of a method.
///
/// - `base`: what stands before the names of objects.
/// - `name`: that of a publication, or `~/` and a ticket.
pub(crate) fn url_of(base: &str, name: &str, method: &str) -> String {
    let mut url = String::with_capacity(base.len() + name.len() + method.len() + 2);
    url.push_str(base);
    url.push('/');
    let name = name.strip_prefix(TICKETS).map_or(name, |ticket| {
        url.push_str(TICKETS);
        ticket
    });
    url.extend(utf8_percent_encode(name, OUTSIDE));
    url.push('/');
    url.extend(utf8_percent_encode(method, OUTSIDE));
    url
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
            (
                "/bank:open",
                Route::Constructor("bank".into(), "open".into()),
            ),
            ("/~/rt1.x", Route::Object("~/rt1.x".into())),
            ("/~/rt1.x/add", method("~/rt1.x", "add")),
            ("/~", Route::Object("~".into())),
            ("/~/", Route::Nothing),
            ("/~/rt1.x/", Route::Nothing),
            ("/~/rt1.x/add/more", Route::Nothing),
            ("/bank:", Route::Nothing),
            ("/:open", Route::Nothing),
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
    fn the_url_of_a_method_leads_back_to_it() {
        for name in ["add", "größe", "a/b", "100%", "?x"] {
            let path = url_of("", "bank", name);
            assert_eq!(Route::of(&path), Route::Method("bank".into(), name.into()));
            let path = url_of("", "~/rt1.x", name);
            assert_eq!(
                Route::of(&path),
                Route::Method("~/rt1.x".into(), name.into())
            );
        }
    }
}
