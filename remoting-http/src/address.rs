//! Addresses of servers: what can be dialled, and where a channel can be mounted.

use std::borrow::Cow;

use hyper::http::uri::Authority;
use remoting_core::{Error, ErrorKind, ObjectUrl};
use remoting_tcp::sockets::check_port;

/// Where a channel is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The name that the server is called by.
    pub(crate) name: String,
    /// The path below which the objects are; may be empty.
    pub(crate) path: String,
    /// The URL as those of publications begin.
    pub(crate) url: String,
}

/// Reads the URL at which a channel is to be mounted.
///
/// # Errors
///
/// `Config` if no object can have a URL below it that this channel calls.
pub(crate) fn read_base(base: &str) -> Result<Base, Error> {
    let wrong = |what: &str| {
        let shown = base.escape_debug();
        let text = format!(
            "`{shown}` is no URL to mount a channel at: {what}; write it like \
             `http://api.example/objects`"
        );
        Error::new(ErrorKind::Config, text)
    };
    let object = format!("{}/object", base.trim_end_matches('/'));
    let parsed = object.parse::<ObjectUrl>();
    let url = parsed.map_err(|error| wrong("no object has a URL below it").with_source(error))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong("its scheme is not `http` or `https`"));
    }
    if url.addresses().nth(1).is_some() {
        return Err(wrong("it has several addresses"));
    }
    check_address(url.authority()).map_err(|what| wrong(&what))?;
    let authority = url.authority().parse::<Authority>();
    let authority = authority.map_err(|error| wrong(&error.to_string()))?;
    Ok(Base {
        name: authority.host().to_owned(),
        path: url.path().to_owned(),
        url: url.base(),
    })
}

/// Whether URLs of a scheme have TLS.
pub(crate) fn is_secure(scheme: &str) -> bool {
    ["https", "wss"].contains(&scheme)
}

/// Checks that an address can be dialled. One without a port means port 80, or 443 with TLS (RFC 9110,
/// section 4.2).
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check_address(authority: &str) -> Result<(), String> {
    match has_no_port(authority) {
        true => Ok(()),
        false => check_port(authority),
    }
}

/// The address as sockets take it.
pub(crate) fn with_port<'a>(scheme: &str, authority: &'a str) -> Cow<'a, str> {
    let usual = if is_secure(scheme) { 443 } else { 80 };
    match has_no_port(authority) {
        true => Cow::Owned(format!("{authority}:{usual}")),
        false => Cow::Borrowed(authority),
    }
}

fn has_no_port(authority: &str) -> bool {
    let parsed = authority.parse::<Authority>();
    parsed.is_ok_and(|parsed| parsed.host() == authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_mounted_at_a_url_below_which_objects_have_theirs() {
        let at = |name: &str, path: &str, url: &str| Base {
            name: name.to_owned(),
            path: path.to_owned(),
            url: url.to_owned(),
        };
        for (base, read) in [
            (
                "http://api.example/objects",
                at("api.example", "/objects", "http://api.example/objects"),
            ),
            (
                "http://localhost:80/a/b/",
                at("localhost", "/a/b", "http://localhost:80/a/b"),
            ),
            ("HTTP://[::1]:8080", at("[::1]", "", "http://[::1]:8080")),
            (
                "https://api.example",
                at("api.example", "", "https://api.example"),
            ),
        ] {
            assert_eq!(read_base(base).unwrap(), read);
        }
        for (base, what) in [
            ("/objects", "no object has a URL below it"),
            ("http://api.example/a b", "no object has a URL below it"),
            ("tcp://api.example:1", "its scheme is not `http` or `https`"),
            ("http://a.example,b.example", "it has several addresses"),
            ("http://api.example:0/objects", "`0` is no port"),
        ] {
            let error = read_base(base).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(what), "{error}");
            assert!(error.message().contains("`http://api.example/objects`"));
        }
    }

    #[test]
    fn an_address_need_not_have_a_port() {
        for address in [
            "api.example",
            "[::1]",
            "127.0.0.1",
            "localhost:8080",
            "[::1]:1",
        ] {
            assert_eq!(check_address(address), Ok(()), "{address}");
            assert_eq!(check_port(&with_port("http", address)), Ok(()), "{address}");
        }
        assert_eq!(with_port("wss", "api.example"), "api.example:443");
        assert_eq!(with_port("ws", "api.example"), "api.example:80");
        for address in [
            "localhost:",
            "localhost:0",
            "localhost:99999",
            "[::1]:x",
            "a:b:c",
        ] {
            assert!(check_address(address).is_err(), "{address}");
        }
    }
}
