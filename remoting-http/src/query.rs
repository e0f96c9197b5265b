//! Arguments in the query of a URL, for methods that change nothing.

use serde_json::{Map, Value};

/// Turns `a=2&b=three` into the arguments `{"a":2,"b":"three"}`.
///
/// What is JSON is taken as it is; everything else is text. So a text that looks like a number has
/// to be quoted: `name="2"`.
///
/// - `stream`: the argument that comes as a stream, in whose place 0 stands.
///
/// # Errors
///
/// The name that stands there twice.
pub(crate) fn arguments(query: &str, stream: Option<&str>) -> Result<Vec<u8>, String> {
    let stream = stream.map(|name| (name.to_owned(), Value::from(0)));
    let mut arguments: Map<_, _> = stream.into_iter().collect();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = serde_json::from_str(&value).unwrap_or_else(|_| Value::String(value.into()));
        if arguments.insert(name.clone().into_owned(), value).is_some() {
            return Err(name.into_owned());
        }
    }
    Ok(Value::Object(arguments).to_string().into_bytes())
}

/// Whether `query` has `name`, with or without a value.
pub(crate) fn has(query: Option<&str>, name: &str) -> bool {
    let query = query.unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(found, _)| found == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_where_they_are_and_text_where_not() {
        for (query, json) in [
            ("", "{}"),
            ("a=2&b=3", r#"{"a":2,"b":3}"#),
            ("name=Ann+B&all=true", r#"{"all":true,"name":"Ann B"}"#),
            ("name=%222%22", r#"{"name":"2"}"#),
            ("list=%5B1%2C2%5D&x", r#"{"list":[1,2],"x":""}"#),
            ("broken=%7B", r#"{"broken":"{"}"#),
        ] {
            let written = arguments(query, None);
            assert_eq!(written, Ok(json.as_bytes().to_vec()), "{query}");
        }
        assert_eq!(arguments("a=1&a=2", None), Err("a".to_owned()));
        let beside = br#"{"a":1,"items":0}"#.to_vec();
        assert_eq!(arguments("a=1", Some("items")), Ok(beside));
        assert_eq!(arguments("items=1", Some("items")), Err("items".to_owned()));
        assert!(has(Some("openapi"), "openapi") && has(Some("x=1&openapi=3"), "openapi"));
        assert!(!has(Some("open=api"), "openapi") && !has(None, "openapi"));
    }
}
