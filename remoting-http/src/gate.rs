//! Who is let in: what is checked of a request before anything else looks at it
//! (PROTOCOL.md, rule H4).
//!
//! A library for HTTP takes much that a server of objects had better not: targets that are whole
//! URLs, no `Host` or two, pages of any origin. Nothing here reads a body.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, TRANSFER_ENCODING,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Uri};

use crate::answer::Answer;

/// Who asks, as browsers tell it (W3C Fetch Metadata).
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The methods that requests may have.
pub(crate) const METHODS: &str = "GET, POST, PUT, DELETE";

/// What the owner of the channel lets in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    /// The pages that may call: `https://example.org`.
    pub(crate) origins: Vec<String>,
    /// The names under which the server may be called, beside `localhost` and numbers.
    pub(crate) hosts: Vec<String>,
}

/// A request that was let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Of a program, or of a page of an origin that may call.
    Request,
    /// A browser asks whether a page may.
    Preflight,
}

impl Gate {
    /// Looks at the head of a request.
    ///
    /// # Errors
    ///
    /// The answer to one that is refused.
    pub(crate) fn check(&self, head: &Parts) -> Result<Visit, Answer> {
        check_target(&head.method, &head.uri)?;
        check_framing(&head.headers)?;
        self.check_host(&head.headers)?;
        let from_page = self.check_origin(&head.headers)?;
        match head.method {
            Method::GET | Method::POST | Method::PUT | Method::DELETE => Ok(Visit::Request),
            Method::OPTIONS
                if from_page && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) =>
            {
                Ok(Visit::Preflight)
            }
            _ => Err(wrong_method()),
        }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Answer> {
        let host = single(headers, HOST)
            .map_err(|()| malformed("a request has one Host header"))?
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        let name = without_port(host);
        let is_ours = is_number(name)
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name));
        if is_ours {
            return Ok(());
        }
        if host.contains('@') || host.parse::<Authority>().is_err() {
            let text = "a request has a Host header, such as `localhost:8080`";
            return Err(malformed(text));
        }
        let text = "the server is not called by this name; its owner can add it with \
            `HttpChannel::host_name`";
        Err(Answer::refused(421, "protocol", text))
    }

    /// Tells whether the request comes from a page.
    fn check_origin(&self, headers: &HeaderMap) -> Result<bool, Answer> {
        let origin =
            single(headers, ORIGIN).map_err(|()| malformed("a request has one Origin header"))?;
        match origin {
            None => check_site(headers).map(|()| false),
            Some(origin) if self.is_listed(origin) => Ok(true),
            Some(_) => {
                let text = "pages of this origin may not call; the server's owner can allow them \
                    with `HttpChannel::origin`";
                Err(Answer::refused(403, "permission_denied", text))
            }
        }
    }

    /// The origin of a page that may read the answer.
    pub(crate) fn page<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        if self.origins.is_empty() {
            return None;
        }
        let origin = single(headers, ORIGIN).ok().flatten();
        origin.filter(|origin| self.is_listed(origin))
    }

    fn is_listed(&self, origin: &HeaderValue) -> bool {
        let listed = |own: &String| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes());
        self.origins.iter().any(listed)
    }
}

/// The name in a `Host`, or the whole where no port stands behind it.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_number(name: &str) -> bool {
    match name.strip_prefix('[') {
        Some(rest) => {
            let number = rest.strip_suffix(']');
            number.is_some_and(|number| number.parse::<Ipv6Addr>().is_ok())
        }
        None => name.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Browsers send no Origin with images and the like, but tell that another site wants them.
fn check_site(headers: &HeaderMap) -> Result<(), Answer> {
    let own = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    if headers.get_all(SITE).iter().all(own) {
        return Ok(());
    }
    let text = "pages of other sites may not call";
    Err(Answer::refused(403, "permission_denied", text))
}

fn check_target(method: &Method, uri: &Uri) -> Result<(), Answer> {
    if method == Method::CONNECT {
        return Err(wrong_method().closing());
    }
    if uri.scheme().is_some() || uri.authority().is_some() || !uri.path().starts_with('/') {
        return Err(malformed("the target of a request begins with `/`"));
    }
    Ok(())
}

/// A message with two lengths is how one request is smuggled inside another.
fn check_framing(headers: &HeaderMap) -> Result<(), Answer> {
    let encoding = single(headers, TRANSFER_ENCODING);
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match encoding {
        Ok(None) => Ok(()),
        Ok(Some(_)) if headers.contains_key(CONTENT_LENGTH) => {
            let text = "a request has a Content-Length or a Transfer-Encoding, not both";
            Err(malformed(text))
        }
        Ok(Some(encoding)) if is_chunked(encoding) => Ok(()),
        Ok(Some(_)) | Err(()) => Err(malformed("the only Transfer-Encoding is `chunked`")),
    }
}

fn wrong_method() -> Answer {
    let text = "requests are made with GET, POST, PUT or DELETE";
    Answer::refused(405, "protocol", text).allowing(METHODS)
}

fn malformed(text: &str) -> Answer {
    Answer::refused(400, "protocol", text).closing()
}

fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(()),
    }
}

/// The media type of a request's body, as it stands there but without parameters; empty if it has none.
///
/// # Errors
///
/// The answer to a request that has two.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<&str, Answer> {
    let value = single(headers, CONTENT_TYPE)
        .map_err(|()| malformed("a request has one Content-Type header"))?;
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = text.split(';').next().unwrap_or_default();
    Ok(essence.trim())
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn gate() -> Gate {
        Gate {
            origins: vec!["https://app.example".to_owned()],
            hosts: vec!["api.example".to_owned()],
        }
    }

    fn status(method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        match gate().check(&head(method, target, headers)) {
            Ok(_) => 0,
            Err(answer) => answer.status.as_u16(),
        }
    }

    #[test]
    fn a_request_has_one_host_that_is_the_servers_own() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8080",
            "[::1]:1",
            "[::1]",
            "api.example",
            "api.example:",
        ] {
            assert_eq!(status("POST", "/a/b", &[("host", host)]), 0, "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "[127.0.0.1]",
            ":80",
        ] {
            assert_eq!(status("POST", "/a/b", &[("host", host)]), 421, "{host}");
        }
        for host in [
            "",
            "evil example/..",
            "user@localhost",
            "localhost/x",
            "a:b:c",
            "::1",
        ] {
            assert_eq!(status("POST", "/a/b", &[("host", host)]), 400, "{host}");
        }
        assert_eq!(status("POST", "/a/b", &[]), 400);
        let two = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(status("POST", "/a/b", &two), 400);
    }

    #[test]
    fn a_target_is_a_path() {
        let host = [("host", "localhost")];
        assert_eq!(status("POST", "http://localhost/a/b", &host), 400);
        assert_eq!(status("OPTIONS", "*", &host), 400);
        assert_eq!(status("CONNECT", "localhost:80", &host), 405);
        for method in ["HEAD", "TRACE", "OPTIONS", "PATCH", "BREW"] {
            assert_eq!(status(method, "/a/b", &host), 405, "{method}");
        }
    }

    #[test]
    fn what_another_site_asks_for_is_refused() {
        for (site, expected) in [
            ("same-origin", 0),
            ("none", 0),
            ("cross-site", 403),
            ("same-site", 403),
        ] {
            let headers = [("host", "localhost"), ("sec-fetch-site", site)];
            assert_eq!(status("GET", "/a/b", &headers), expected, "{site}");
        }
    }

    #[test]
    fn a_body_has_one_length() {
        for encoding in ["identity, chunked", "gzip", "identity"] {
            let headers = [("host", "localhost"), ("transfer-encoding", encoding)];
            assert_eq!(status("POST", "/a/b", &headers), 400, "{encoding}");
        }
        let both = [
            ("host", "localhost"),
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
        ];
        assert_eq!(status("POST", "/a/b", &both), 400);
    }

    #[test]
    fn pages_call_only_where_their_origin_is_listed() {
        let from = |origin| [("host", "localhost"), ("origin", origin)];
        assert_eq!(status("POST", "/a/b", &from("https://app.example")), 0);
        for origin in ["https://evil.example", "null", "http://app.example", ""] {
            assert_eq!(status("POST", "/a/b", &from(origin)), 403, "{origin}");
        }
        let preflight = [
            ("host", "localhost"),
            ("origin", "https://app.example"),
            ("access-control-request-method", "POST"),
        ];
        let visit = gate().check(&head("OPTIONS", "/a/b", &preflight));
        assert_eq!(visit.unwrap(), Visit::Preflight);
    }

    #[test]
    fn a_media_type_is_read_without_its_parameters() {
        for (value, expected) in [
            ("application/json", "application/json"),
            ("Application/JSON; charset=utf-8", "Application/JSON"),
            ("", ""),
        ] {
            let head = head("POST", "/", &[("content-type", value)]);
            assert_eq!(media_type(&head.headers).unwrap(), expected);
        }
        assert_eq!(media_type(&HeaderMap::new()).unwrap(), "");
    }
}
