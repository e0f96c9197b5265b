//! How a reply looks: status, headers and body (PROTOCOL.md, rules H8 to H11).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use remoting_core::formatter::{FormatterRef, Payload};
use remoting_core::{Executed, Fault, Ticket};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codes::{APP, of_executed, of_kind, reason_of};
use crate::headers::{EXECUTED, LEASE, REPLAYED, write_pairs};
use crate::login::CHALLENGE;
use crate::stream::{ReplyBody, Streamed};

/// The media type of errors and descriptions.
pub(crate) const JSON: &str = "application/json";

/// Asks gateways, with `no`, not to gather a stream before they pass it on.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The body of an error.
#[derive(Serialize, Deserialize)]
pub(crate) struct ErrorBody<'a> {
    /// One of the names of `codes`.
    #[serde(borrow)]
    pub(crate) code: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) message: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) executed: Cow<'a, str>,
    /// Why an object is gone.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Cow<'a, str>>,
    /// The number under which the server's log has the details, in hexadecimal digits.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) correlation: Option<Cow<'a, str>>,
    /// The user's own error.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<&'a RawValue>,
}

impl<'a> ErrorBody<'a> {
    /// An error of ours.
    fn of(error: &'a remoting_core::Error) -> Self {
        let (code, _) = of_kind(error.kind());
        let correlation = error.correlation().map(|number| format!("{number:016x}"));
        Self {
            code: code.into(),
            message: error.message().into(),
            executed: of_executed(error.executed()).into(),
            reason: reason_of(error.kind()).map(Cow::Borrowed),
            correlation: correlation.map(Cow::Owned),
            details: None,
        }
    }

    /// A user's error, in JSON.
    fn of_user(error: &'a Payload) -> Self {
        Self {
            code: APP.into(),
            message: "the method gave an error of its own".into(),
            executed: of_executed(Executed::Yes).into(),
            reason: None,
            correlation: None,
            details: serde_json::from_slice(error.as_slice()).ok(),
        }
    }
}

/// The body of the error that a stream has ended in.
pub(crate) fn error_body(fault: &Fault) -> Vec<u8> {
    match fault {
        Fault::App(error) => written(&ErrorBody::of_user(error)),
        Fault::Error(error) => written(&ErrorBody::of(error)),
    }
}

/// A reply that is not written yet.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Bytes,
    /// Whether code of the server's ran, in the answer to a call.
    pub(crate) executed: Option<Executed>,
    pub(crate) retry_after: Option<Duration>,
    allow: Option<&'static str>,
    /// The headers of the reply.
    headers: Box<[(String, String)]>,
    /// What a constructor has made.
    made: Option<Box<Made>>,
    /// What it is instead of the body.
    stream: Option<Box<Streamed>>,
    /// Whether it was kept from an earlier request.
    replayed: bool,
    /// Whether the connection ends with it.
    close: bool,
}

/// An object that a constructor has made.
#[derive(Debug, Clone)]
struct Made {
    path: String,
    lease: Option<Duration>,
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
            headers: Box::default(),
            made: None,
            stream: None,
            replayed: false,
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

    /// The same, as it is given to who sends a request again.
    pub(crate) fn again(&self) -> Self {
        Self {
            replayed: true,
            ..self.clone()
        }
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

    /// An object that a constructor has made.
    ///
    /// - `below`: the path below which the objects are, as clients see it.
    pub(crate) fn made(formatter: &FormatterRef, ticket: Ticket, below: &str) -> Self {
        let body = formatter.encode(&format!("/{}", ticket.name));
        let body = body.unwrap_or_default();
        Self {
            content_type: Some(formatter.content_type()),
            body: body.into(),
            executed: Some(Executed::Yes),
            headers: ticket.headers.into(),
            made: Some(Box::new(Made {
                path: format!("{below}/{}", ticket.name),
                lease: ticket.lease,
            })),
            ..Self::empty(StatusCode::CREATED)
        }
    }

    /// What a call came to.
    pub(crate) fn of(formatter: &FormatterRef, reply: Result<Payload, Fault>) -> Self {
        let headers = match &reply {
            Ok(payload) => payload.headers(),
            Err(fault) => fault.headers(),
        };
        let headers = headers.into();
        let answer = match reply {
            Ok(payload) => Self::result(formatter, payload),
            Err(Fault::App(error)) => Self::own_error(formatter, error),
            Err(Fault::Error(error)) => Self::of_error(&error),
        };
        Self { headers, ..answer }
    }

    /// How many bytes of the callee's it has.
    pub(crate) fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.len().saturating_add(value.len()));
        headers.fold(self.body.len(), usize::saturating_add)
    }

    /// The same, but a stream.
    pub(crate) fn streaming(self, stream: Streamed) -> Self {
        Self {
            content_type: Some(stream.form.content_type()),
            body: Bytes::new(),
            executed: Some(Executed::Yes),
            stream: Some(Box::new(stream)),
            ..self
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
            (JSON, written(&ErrorBody::of_user(&error)).into())
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
        let (_, status) = of_kind(error.kind());
        let busy = matches!(status.as_u16(), 429 | 503);
        Self {
            status,
            executed: Some(error.executed()),
            retry_after: error
                .retry_after()
                .or(busy.then_some(Duration::from_secs(1))),
            ..Self::json(written(&ErrorBody::of(error)))
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

    pub(crate) fn into_response(self) -> Response<ReplyBody> {
        let is_stream = self.stream.is_some();
        let mut response = Response::new(match self.stream {
            Some(stream) => stream.into_body(),
            None => ReplyBody::Whole(Full::new(self.body)),
        });
        *response.status_mut() = self.status;
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if is_stream {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
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
        if let Some(Made { path, lease }) = self.made.as_deref() {
            // It is made of letters that headers take.
            let location = HeaderValue::from_str(path);
            location
                .into_iter()
                .for_each(|path| drop(headers.insert(LOCATION, path)));
            if let Some(lease) = lease {
                headers.insert(LEASE, HeaderValue::from(lease.as_secs_f64().round() as u64));
            }
        }
        if !self.headers.is_empty() {
            write_pairs(headers, &self.headers);
        }
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("yes"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_cannot_take_an_answer_for_something_else() {
        let response = Answer::refused(404, "not_found", "nothing here").into_response();
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[EXECUTED], "no");
    }
}
