//! How a stream looks in the body of an answer: as lines of JSON, or as events (PROTOCOL.md, rules H22 and H23).

use bytes::Bytes;
use hyper::header::{ACCEPT, HeaderMap};

/// The media type of lines of JSON, in answers and in requests.
pub(crate) const LINES: &str = "application/x-ndjson";

/// The media type of events (HTML, "Server-sent events").
pub(crate) const EVENTS: &str = "text/event-stream";

/// What a caller takes a stream as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Lines,
    Events,
}

impl Form {
    /// The first one that a caller names among what it takes. That it takes everything names none.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(ACCEPT).iter();
        let mut named = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next());
        named.find_map(|range| match range.trim() {
            range if range.eq_ignore_ascii_case(LINES) => Some(Self::Lines),
            range if range.eq_ignore_ascii_case(EVENTS) => Some(Self::Events),
            _ => None,
        })
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Lines => LINES,
            Self::Events => EVENTS,
        }
    }

    /// What stands before the first item: events begin with a name, so that a caller knows it from the start.
    pub(crate) fn begin(self, name: &str) -> Option<Bytes> {
        match self {
            Self::Lines => None,
            Self::Events => Some(format!("id: {name}.0\n\n").into()),
        }
    }

    /// An item.
    ///
    /// - `number`: which one it is, from 1 on.
    /// - `item`: its JSON.
    pub(crate) fn item(self, (name, number): (&str, u64), item: &[u8]) -> Bytes {
        let mut text = Vec::with_capacity(item.len() + 48);
        match self {
            Self::Lines => {
                text.extend_from_slice(format!("{{\"id\":{number},\"item\":").as_bytes());
                text.extend(item.iter().map(in_one_line));
                text.extend_from_slice(b"}\n");
            }
            Self::Events => {
                text.extend_from_slice(format!("id: {name}.{number}\ndata: ").as_bytes());
                text.extend(item.iter().map(in_one_line));
                text.extend_from_slice(b"\n\n");
            }
        }
        text.into()
    }

    /// What stands behind the last item.
    ///
    /// - `number`: one more than that of the last item.
    /// - `error`: the body that the error would have in an answer of its own, if the stream has failed.
    pub(crate) fn end(self, (name, number): (&str, u64), error: Option<&[u8]>) -> Bytes {
        let text = match (self, error.map(String::from_utf8_lossy)) {
            (Self::Lines, None) => "{\"end\":true}\n".to_owned(),
            (Self::Lines, Some(error)) => format!("{{\"error\":{error}}}\n"),
            (Self::Events, None) => format!("event: end\nid: {name}.{number}\ndata: {{}}\n\n"),
            (Self::Events, Some(error)) => {
                format!("event: error\nid: {name}.{number}\ndata: {error}\n\n")
            }
        };
        text.into()
    }

    /// What tells that both sides are there.
    pub(crate) fn heartbeat(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Lines => b"\n",
            Self::Events => b":\n\n",
        })
    }
}

/// A new line inside of JSON is a space between two of its parts, and could as well be one.
fn in_one_line(byte: &u8) -> u8 {
    match byte {
        b'\n' | b'\r' => b' ',
        other => *other,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn the_first_form_that_is_named_is_taken_and_everything_is_no_name() {
        for (accept, form) in [
            ("application/x-ndjson", Some(Form::Lines)),
            ("Text/Event-Stream", Some(Form::Events)),
            (
                "application/json, text/event-stream;q=0.9, application/x-ndjson",
                Some(Form::Events),
            ),
            ("*/*", None),
            ("application/json", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Form::accepted(&headers), form, "{accept}");
        }
        assert_eq!(Form::accepted(&HeaderMap::new()), None);
    }

    #[test]
    fn an_item_stays_on_its_line_however_it_was_written() {
        let lines = Form::Lines.item(("x", 7), b"{\n  \"a\": 1\r\n}");
        assert_eq!(lines, "{\"id\":7,\"item\":{   \"a\": 1  }}\n");
        let event = Form::Events.item(("x", 7), b"[1,\n2]");
        assert_eq!(event, "id: x.7\ndata: [1, 2]\n\n");
    }
}
