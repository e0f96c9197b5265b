//! A reply as the caller's side reads it (PROTOCOL.md, rules H8 to H12).

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use remoting_core::formatter::{FormatterRef, Payload};
use remoting_core::{ErrorKind, Executed, Fault};
use serde_json::value::RawValue;

use crate::answer::{ErrorBody, JSON};
use crate::codes::{APP, to_executed, to_kind};

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
    use crate::answer::Answer;

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
}
