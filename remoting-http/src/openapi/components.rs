//! What all operations of a document share, and refer to.

use std::collections::BTreeMap;

use remoting_core::MethodDescriptor;
use serde_json::{Value, json};

use crate::answer::JSON;
use crate::codes::{APP, CODES, KEY_REUSED, REASONS, STREAM_GONE};
use crate::replay::LONGEST_KEY;
use crate::stream::{EVENTS, LINES};

/// All components that operations refer to.
pub(super) fn all() -> Value {
    json!({
        "parameters": parameters(),
        "headers": headers(),
        "responses": errors(),
        "schemas": { "Error": error_schema() },
    })
}

/// The headers of each answer to a call.
pub(super) fn usual_headers() -> Value {
    json!({
        "Remoting-Executed": reference("headers", "executed"),
        "Remoting-Replayed": reference("headers", "replayed"),
        "Remoting-Headers": reference("headers", "own"),
    })
}

/// The answers to a call that went well.
pub(super) fn results(method: &MethodDescriptor) -> Value {
    let any = json!({ "schema": {} });
    let (result, nothing, content) = match method.streams {
        false => (
            "The result.",
            "The result is nothing.",
            json!({ JSON: any }),
        ),
        true => (
            "The stream: one item in each line or event, and then how it has ended.",
            "All events have been received before.",
            json!({ LINES: any, EVENTS: any }),
        ),
    };
    json!({
        "200": { "description": result, "headers": usual_headers(), "content": content },
        "204": { "description": nothing, "headers": usual_headers() },
    })
}

/// Arguments in the query.
///
/// - `beside`: the place of one that is none of them.
pub(super) fn in_query(method: &MethodDescriptor, beside: Option<usize>) -> Vec<Value> {
    let arguments = method.arguments.iter().enumerate();
    let own = arguments.filter(|(place, _)| Some(*place) != beside);
    let parameters = own.map(|(_, argument)| {
        json!({ "name": argument, "in": "query", "content": { JSON: { "schema": {} } } })
    });
    parameters.collect()
}

/// Leads to a component of the document.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn parameters() -> Value {
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "description": description, "schema": schema });
    let text = || json!({ "type": "string" });
    json!({
        "timeout": header(
            "Remoting-Timeout-Ms",
            "How long the caller waits, in milliseconds; the server gives the call up then.",
            json!({ "type": "integer", "minimum": 0 }),
        ),
        "headers": header("Remoting-Headers", "The caller's own headers, written like a form.", text()),
        "traceparent": header("traceparent", "W3C Trace Context.", text()),
        "tracestate": header("tracestate", "What tracers on the way have noted there.", text()),
        "key": header(
            "Idempotency-Key",
            "A word that is new for each call: sent again with it, the call does not run again.",
            json!({ "type": "string", "minLength": 1, "maxLength": LONGEST_KEY }),
        ),
        "prefer": header(
            "Prefer",
            "With `respond-async` the call is answered with 202 when it is taken.",
            text(),
        ),
    })
}

fn headers() -> Value {
    json!({
        "executed": {
            "description": "Whether the server's code ran.",
            "required": true,
            "schema": { "enum": ["yes", "no", "unknown"] },
        },
        "replayed": {
            "description": "Says that the answer is that of an earlier request with the same key.",
            "schema": { "const": "yes" },
        },
        "own": {
            "description": "The headers that the method has set, written like a form.",
            "schema": { "type": "string" },
        },
        "retry": {
            "description": "After how many seconds another try is welcome.",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
        },
    })
}

/// The codes of each status.
pub(super) fn by_status() -> BTreeMap<u16, Vec<&'static str>> {
    let mut all = BTreeMap::<u16, Vec<&str>>::new();
    let of_kinds = CODES.iter().map(|(_, name, status)| (*name, *status));
    for (name, status) in of_kinds.chain([KEY_REUSED, STREAM_GONE]) {
        all.entry(status).or_default().push(name);
    }
    all
}

fn errors() -> Value {
    let error = |description: &str| {
        json!({
            "description": description,
            "headers": usual_headers(),
            "content": { JSON: { "schema": reference("schemas", "Error") } },
        })
    };
    let mut errors = json!({
        "422": error("The method's own error; its value is in `details`."),
        "default": error("The request was refused before it was a call."),
    });
    for (status, names) in by_status() {
        let mut error = error(&names.join(", "));
        if matches!(status, 429 | 503) {
            error["headers"]["Retry-After"] = reference("headers", "retry");
        }
        errors[status.to_string()] = error;
    }
    errors
}

fn error_schema() -> Value {
    let codes = CODES
        .iter()
        .map(|(_, name, _)| *name)
        .chain([APP, KEY_REUSED.0, STREAM_GONE.0]);
    let codes: Value = codes.collect();
    let reasons: Value = REASONS.iter().map(|(_, word)| *word).collect();
    json!({
        "type": "object",
        "required": ["code", "message", "executed"],
        "properties": {
            "code": { "enum": codes },
            "message": { "type": "string" },
            "executed": { "enum": ["yes", "no", "unknown"] },
            "reason": { "enum": reasons, "description": "Why an object is gone." },
            "correlation": {
                "type": "string",
                "pattern": "^[0-9a-f]{16}$",
                "description": "The number under which the server's log has the details.",
            },
            "details": { "description": "The method's own error." },
        },
    })
}
