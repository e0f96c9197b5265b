//! How a reply looks: status, headers and body (PROTOCOL.md, rules H8 to H11), and how the
//! caller's side reads it back.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use remoting_core::formatter::{FormatterRef, Payload};
use remoting_core::{ErrorKind, Executed, Fault};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codes::{APP, of_executed, of_kind, reason_of, to_executed, to_kind};
use crate::headers::EXECUTED;

/// The media type of errors and descriptions.
pub(crate) const JSON: &str = "application/json";

/// The body of an error.
#[derive(Serialize, Deserialize)]
struct ErrorBody<'a> {
    /// One of the names of `codes`.
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    executed: Cow<'a, str>,
    /// Why an object is gone.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    /// The number under which the server's log has the details, in hexadecimal digits.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Cow<'a, str>>,
    /// The user's own error.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    details: Option<&'a RawValue>,
}

/// A reply that is not written yet.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    content_type: Option<&'static str>,
    pub(crate) body: Bytes,
    /// Whether code of the server's ran, in the answer to a call.
    executed: Option<Executed>,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    /// Whether the connection ends with it.
    close: bool,
}

impl Answer {
    /// A reply without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: None,
            body: Bytes::new(),
            executed: None,
            retry_after: None,
            allow: None,
            close: false,
        }
    }

    /// A description.
    pub(crate) fn json(body: Vec<u8>) -> Self {
        Self {
            content_type: Some(JSON),
            body: body.into(),
            ..Self::empty(StatusCode::OK)
        }
    }

    /// A request that is refused before it is a call.
    pub(crate) fn refused(status: u16, code: &'static str, text: &str) -> Self {
        let body = ErrorBody {
            code: code.into(),
            message: text.into(),
            executed: of_executed(Executed::No).into(),
            reason: None,
            correlation: None,
            details: None,
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self {
            status,
            executed: Some(Executed::No),
            ..Self::json(written(&body))
        }
    }

    /// The same, and the connection ends: nobody knows where the next request would begin.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Says which methods of HTTP would be right.
    pub(crate) fn allowing(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// A oneway call that was taken.
    pub(crate) fn taken() -> Self {
        Self {
            executed: Some(Executed::Unknown),
            ..Self::empty(StatusCode::ACCEPTED)
        }
    }

    /// What a call came to.
    pub(crate) fn of(formatter: &FormatterRef, reply: Result<Payload, Fault>) -> Self {
        match reply {
            Ok(payload) => Self::result(formatter, payload),
            Err(Fault::App(error)) => Self::own_error(formatter, error),
            Err(Fault::Error(error)) => Self::of_error(&error),
        }
    }

    fn result(formatter: &FormatterRef, payload: Payload) -> Self {
        let nothing = formatter.encode(&()).unwrap_or_default();
        let ran = Some(Executed::Yes);
        if payload.as_slice() == nothing.as_slice() {
            return Self {
                executed: ran,
                ..Self::empty(StatusCode::NO_CONTENT)
            };
        }
        Self {
            content_type: Some(formatter.content_type()),
            body: payload.into(),
            executed: ran,
            ..Self::empty(StatusCode::OK)
        }
    }

    /// A user's error: inside the usual body where that is of the same format, else as it is.
    fn own_error(formatter: &FormatterRef, error: Payload) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let (content_type, body) = if formatter.content_type() == JSON {
            let body = ErrorBody {
                code: APP.into(),
                message: "the method gave an error of its own".into(),
                executed: of_executed(Executed::Yes).into(),
                reason: None,
                correlation: None,
                details: serde_json::from_slice(error.as_slice()).ok(),
            };
            (JSON, written(&body).into())
        } else {
            (formatter.content_type(), error.into())
        };
        Self {
            content_type: Some(content_type),
            body,
            executed: Some(Executed::Yes),
            ..Self::empty(status)
        }
    }

    /// An error of ours.
    pub(crate) fn of_error(error: &remoting_core::Error) -> Self {
        let (code, status) = of_kind(error.kind());
        let correlation = error.correlation().map(|number| format!("{number:016x}"));
        let body = ErrorBody {
            code: code.into(),
            message: error.message().into(),
            executed: of_executed(error.executed()).into(),
            reason: reason_of(error.kind()).map(Cow::Borrowed),
            correlation: correlation.map(Cow::Owned),
            details: None,
        };
        let busy = matches!(status.as_u16(), 429 | 503);
        Self {
            status,
            executed: Some(error.executed()),
            retry_after: error
                .retry_after()
                .or(busy.then_some(Duration::from_secs(1))),
            ..Self::json(written(&body))
        }
    }

    /// The same as bytes, for a connection on which nobody listens to requests.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {JSON}\r\nContent-Length: {}\r\nConnection: close\r\n\
             {EXECUTED}: no\r\nRetry-After: 1\r\n\r\n",
            self.status,
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(executed) = self.executed {
            headers.insert(EXECUTED, HeaderValue::from_static(of_executed(executed)));
        }
        if let Some(wait) = self.retry_after {
            // In whole seconds, and never "at once".
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn written(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// Reads a reply at the caller's side.
///
/// - `content_type`: without parameters; empty if there was none.
/// - `is_ours`: whether it tells if code ran, which every answer of a host does.
/// - `formatter`: that of the call.
pub(crate) fn read(
    status: StatusCode,
    content_type: &str,
    is_ours: bool,
    retry_after: Option<Duration>,
    body: Bytes,
    formatter: &FormatterRef,
) -> Result<Payload, Fault> {
    if !is_ours {
        return Err(foreign(status));
    }
    let own = content_type.eq_ignore_ascii_case(formatter.content_type());
    match status {
        StatusCode::OK if own => return Ok(Payload::from(body)),
        StatusCode::NO_CONTENT | StatusCode::ACCEPTED => {
            return Ok(formatter.encode(&()).unwrap_or_default());
        }
        StatusCode::UNPROCESSABLE_ENTITY if own && formatter.content_type() != JSON => {
            return Err(Fault::App(Payload::from(body)));
        }
        _ => {}
    }
    let error = (status != StatusCode::OK && content_type.eq_ignore_ascii_case(JSON))
        .then(|| serde_json::from_slice::<ErrorBody<'_>>(&body).ok())
        .flatten();
    let Some(error) = error else {
        return Err(foreign(status));
    };
    if error.code == APP {
        let details = error.details.map_or("null", RawValue::get);
        return Err(Fault::App(Payload::from(details.as_bytes())));
    }
    let Some(kind) = to_kind(&error.code, error.reason.as_deref()) else {
        return Err(foreign(status));
    };
    Err(Fault::told_by_peer(
        kind,
        to_executed(&error.executed),
        &error.message,
        retry_after,
        error
            .correlation
            .and_then(|digits| u64::from_str_radix(&digits, 16).ok()),
    ))
}

/// The error of an answer that no host gave: a gateway, or another server.
fn foreign(status: StatusCode) -> Fault {
    let text = format!(
        "the answer is none of this protocol (HTTP status {}); does the URL lead to a host, and \
         is it one that its gateway can reach?",
        status.as_u16()
    );
    Fault::told_by_peer(ErrorKind::Protocol, Executed::Unknown, &text, None, None)
}

#[cfg(test)]
mod tests {
    use remoting_core::Error;
    use remoting_core::formatter::{Json, MessagePack};

    use super::*;

    fn there_and_back(
        formatter: &FormatterRef,
        reply: Result<Payload, Fault>,
    ) -> Result<Payload, Fault> {
        let answer = Answer::of(formatter, reply);
        let content_type = answer.content_type.unwrap_or_default();
        read(
            answer.status,
            content_type,
            answer.executed.is_some(),
            answer.retry_after,
            answer.body,
            formatter,
        )
    }

    #[test]
    fn results_and_errors_of_the_users_arrive_in_every_format() {
        for formatter in [FormatterRef::from(Json), MessagePack.into()] {
            for value in [Some(5), None] {
                let payload = formatter.encode(&value).unwrap();
                let back = there_and_back(&formatter, Ok(payload.clone())).unwrap();
                assert_eq!(back.as_slice(), payload.as_slice());
            }
            let own = formatter.encode(&("too", "much")).unwrap();
            let Err(Fault::App(back)) = there_and_back(&formatter, Err(Fault::App(own.clone())))
            else {
                panic!("an error of ours came back")
            };
            assert_eq!(back.as_slice(), own.as_slice());
        }
    }

    #[test]
    fn an_error_of_ours_arrives_whole() {
        let error = Error::new(ErrorKind::Overloaded, "later").with_executed(Executed::No);
        let Err(Fault::Error(back)) = there_and_back(&Json.into(), Err(error.into())) else {
            panic!("an error was expected")
        };
        assert_eq!(
            (back.kind(), back.executed()),
            (ErrorKind::Overloaded, Executed::No)
        );
        assert_eq!((back.message(), back.is_remote()), ("later", true));
        assert_eq!(back.retry_after(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn an_answer_of_somebody_else_claims_nothing() {
        for (status, content_type, body) in [
            (502, "text/html", "<html>"),
            (404, JSON, r#"{"error":"no such page"}"#),
            (
                500,
                JSON,
                r#"{"code":"strange","message":"","executed":"no"}"#,
            ),
            (200, "text/html", "<html>"),
            (
                200,
                JSON,
                r#"{"code":"not_found","message":"","executed":"no"}"#,
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let formatter = MessagePack.into();
            let reply = read(status, content_type, true, None, body.into(), &formatter);
            let Err(Fault::Error(error)) = reply else {
                panic!("an error was expected")
            };
            assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
            assert_eq!(error.executed(), Executed::Unknown);
        }
    }

    #[test]
    fn success_is_believed_only_of_a_host() {
        for (status, body) in [(200, "5"), (202, ""), (204, "")] {
            let status = StatusCode::from_u16(status).unwrap();
            let reply = |is_ours| read(status, JSON, is_ours, None, body.into(), &Json.into());
            assert!(reply(true).is_ok());
            assert!(reply(false).is_err());
        }
    }

    #[test]
    fn a_page_cannot_take_an_answer_for_something_else() {
        let response = Answer::refused(404, "not_found", "nothing here").into_response();
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[EXECUTED], "no");
    }
}
