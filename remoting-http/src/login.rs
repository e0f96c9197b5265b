//! How whoever sends a request proves who it is, and whether it is the one who has sent it
//! (PROTOCOL.md, rule H20).

use hyper::header::{AUTHORIZATION, FORWARDED, HeaderMap, HeaderName, HeaderValue, VIA};
use remoting_core::Secret;

use crate::answer::Answer;

/// How tokens are sent (RFC 6750).
const SCHEME: &str = "Bearer ";

/// What a request is told that has not proved who sends it.
pub(crate) const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");

/// What most gateways add.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The token of a request, if it has one.
///
/// # Errors
///
/// The answer to one whose token cannot be read: it is there twice, or written in another way.
pub(crate) fn token(headers: &HeaderMap) -> Result<Option<Secret>, Answer> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then_some(token)
    });
    match (token, values.next()) {
        (Some(token), None) => Ok(Some(Secret::new(token.trim()))),
        _ => {
            let text = "a request has one Authorization header: `Bearer` and the token";
            Err(Answer::refused(401, "unauthenticated", text))
        }
    }
}

/// Adds a token to a request.
pub(crate) fn show(headers: &mut HeaderMap, token: &Secret) {
    let value = HeaderValue::try_from(format!("{SCHEME}{}", token.expose()));
    if let Ok(mut value) = value {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
}

/// Whether a gateway has passed a request on, so that it comes from somewhere else.
pub(crate) fn is_relayed(headers: &HeaderMap) -> bool {
    [FORWARDED, FORWARDED_FOR, VIA]
        .iter()
        .any(|name| headers.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let mut written = HeaderMap::new();
        show(&mut written, &Secret::new("abc.def"));
        assert!(!format!("{written:?}").contains("abc"));
        for map in [written, headers(&["bearer abc.def"])] {
            let token = token(&map).unwrap().unwrap();
            assert_eq!(token.expose(), "abc.def");
        }
        assert!(token(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn a_token_that_cannot_be_read_is_not_overlooked() {
        for values in [
            &["Basic abc"][..],
            &["Bearer"],
            &["abc"],
            &["Bearer a", "Bearer b"],
            &["B"],
        ] {
            assert!(token(&headers(values)).is_err(), "{values:?}");
        }
    }

    #[test]
    fn a_request_that_was_passed_on_is_known() {
        assert!(!is_relayed(&HeaderMap::new()));
        for name in ["Forwarded", "X-Forwarded-For", "Via"] {
            let mut headers = HeaderMap::new();
            headers.insert(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_static("x"),
            );
            assert!(is_relayed(&headers), "{name}");
        }
    }
}
