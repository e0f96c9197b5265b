//! What is published, as OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.0>): for tools that draw
//! pages or write clients.
//!
//! The types of arguments and results are known to the trait's own program alone. So a value is
//! any value here; how many arguments there are and how they are called is said.

mod components;

use percent_encoding::utf8_percent_encode;
use remoting_core::{InterfaceDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use self::components::{by_status, in_query, reference, results, usual_headers};
use crate::answer::JSON;
use crate::route::{OUTSIDE, is_ticket, url_of};
use crate::stream::LINES;

/// The most paths of a document: one who asks for it sends hardly anything.
const MOST_PATHS: usize = 1000;

/// Describes one publication.
///
/// - `path`: what stands before its name, empty unless the host is mounted.
pub(crate) fn object(path: &str, name: &str, interface: &InterfaceDescriptor) -> Vec<u8> {
    let version = format!("{:016x}", interface.signature);
    let paths = paths_of(name, interface).collect();
    document(path, (name, &version), paths)
}

/// Describes all publications, the version being that of the rules by which they are called; nothing
/// if they are too many for one document.
///
/// - `path`: what stands before their names, empty unless the host is mounted.
pub(crate) fn host(
    path: &str,
    publications: &[(String, &'static InterfaceDescriptor)],
) -> Option<Vec<u8>> {
    let each = publications.iter();
    let paths: usize = each
        .map(|(_, interface)| interface.methods.len() + interface.constructors.len())
        .sum();
    if paths > MOST_PATHS {
        return None;
    }
    let paths = publications
        .iter()
        .flat_map(|(name, interface)| paths_of(name, interface))
        .collect();
    Some(document(path, ("objects", "1"), paths))
}

fn document(path: &str, (title, version): (&str, &str), paths: Map<String, Value>) -> Vec<u8> {
    let server = if path.is_empty() { "/" } else { path };
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": version },
        "servers": [{ "url": server }],
        "paths": paths,
        "components": components::all(),
    });
    document.to_string().into_bytes()
}

/// The paths of a publication: its methods, and its constructors.
fn paths_of<'a>(
    name: &'a str,
    interface: &'a InterfaceDescriptor,
) -> impl Iterator<Item = (String, Value)> + 'a {
    let shared = json!([
        reference("parameters", "timeout"),
        reference("parameters", "headers"),
        reference("parameters", "traceparent"),
        reference("parameters", "tracestate"),
        {
            "name": "Remoting-Interface",
            "in": "header",
            "description": "The interface that is meant; another one is refused with 412.",
            "schema": { "const": format!("{:016x}", interface.id.0) },
        },
    ]);
    let with_shared = move |mut operations: Map<String, Value>| {
        operations.insert("parameters".to_owned(), shared.clone());
        Value::Object(operations)
    };
    let methods = interface.methods.iter().map(move |method| {
        let mut operations = Map::new();
        operations.insert("post".to_owned(), post(name, interface, method));
        if method.readonly {
            operations.insert("get".to_owned(), get(name, interface, method));
        }
        (url_of("", name, method.name), operations)
    });
    // Objects are made by publications; one that has a ticket is made.
    let made_there = if is_ticket(name) {
        &[]
    } else {
        interface.constructors
    };
    let constructors = made_there.iter().map(move |constructor| {
        let path = utf8_percent_encode(constructor.name, OUTSIDE);
        let activate = activate(name, interface, constructor);
        let operations = Map::from_iter([("post".to_owned(), activate)]);
        (format!("/{name}:{path}"), operations)
    });
    let all = methods.chain(constructors);
    all.map(move |(path, operations)| (path, with_shared(operations)))
}

fn post(name: &str, interface: &InterfaceDescriptor, method: &MethodDescriptor) -> Value {
    let taken = json!({
        "description": "The call was taken; nobody waits for its end.",
        "headers": usual_headers(),
    });
    let answers = if method.oneway {
        json!({ "202": taken })
    } else {
        let mut answers = results(method);
        answers["202"] = taken;
        answers
    };
    let mut post = operation(name, interface, method, answers);
    add_body(&mut post, method);
    let mut parameters = Vec::new();
    if !method.streams && method.stream_argument.is_none() {
        parameters.push(reference("parameters", "key"));
    }
    if !method.oneway {
        parameters.push(reference("parameters", "prefer"));
    }
    if method.stream_argument.is_some() {
        parameters.extend(in_query(method, method.stream_argument));
    }
    post["parameters"] = parameters.into();
    post
}

fn get(name: &str, interface: &InterfaceDescriptor, method: &MethodDescriptor) -> Value {
    let mut get = operation(name, interface, method, results(method));
    get["parameters"] = in_query(method, None).into();
    get
}

fn activate(name: &str, interface: &InterfaceDescriptor, constructor: &MethodDescriptor) -> Value {
    let mut headers = usual_headers();
    headers["Location"] = json!({
        "description": "Where the new object is called.",
        "required": true,
        "schema": { "type": "string", "format": "uri-reference" },
    });
    headers["Remoting-Lease"] = json!({
        "description": "For how many seconds it is kept unless it is called or renewed; for ever without it.",
        "schema": { "type": "integer", "minimum": 0 },
    });
    let made = json!({ "201": {
        "description": "The object was made; its path stands in the body too.",
        "headers": headers,
        "content": { JSON: { "schema": { "type": "string" } } },
    }});
    let mut post = operation(name, interface, constructor, made);
    add_body(&mut post, constructor);
    post["parameters"] = json!([reference("parameters", "key")]);
    post
}

/// What all operations have.
///
/// - `answers`: those to a call that went well.
fn operation(
    name: &str,
    interface: &InterfaceDescriptor,
    method: &MethodDescriptor,
    mut answers: Value,
) -> Value {
    for status in by_status().keys() {
        answers[status.to_string()] = reference("responses", &status.to_string());
    }
    answers["422"] = reference("responses", "422");
    answers["default"] = reference("responses", "default");
    let mut said = Vec::new();
    if method.readonly {
        said.push("Changes nothing.");
    }
    if method.idempotent {
        said.push("May be called again when nobody knows whether it ran.");
    }
    let mut operation = json!({
        "tags": [name],
        "summary": format!("{}.{}", interface.name, method.name),
        "responses": answers,
    });
    if !said.is_empty() {
        operation["description"] = said.join(" ").into();
    }
    operation
}

/// The arguments: a list, or an object with their names. Some may be left out, and nobody but the
/// trait's own program knows which. Of those with a stream that is the body, an item in each line.
fn add_body(operation: &mut Value, method: &MethodDescriptor) {
    if method.arguments.is_empty() {
        return;
    }
    if method.stream_argument.is_some() {
        let items = json!({ LINES: { "schema": {} } });
        operation["requestBody"] = json!({ "required": true, "content": items });
        return;
    }
    let list = method.arguments.iter().map(|name| json!({ "title": name }));
    let list: Value = list.collect();
    let names = method.arguments.iter().map(|name| (*name, json!({})));
    let names: Value = names.collect();
    let schema = json!({ "oneOf": [
        { "type": "array", "prefixItems": list, "items": false },
        { "type": "object", "properties": names, "additionalProperties": false },
    ]});
    operation["requestBody"] = json!({
        "required": true,
        "content": { JSON: { "schema": schema } },
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::CODES;

    static ACCOUNT: InterfaceDescriptor = InterfaceDescriptor::new("Account", 7)
        .methods(&[
            MethodDescriptor::new("balance", &[])
                .readonly()
                .idempotent(),
            MethodDescriptor::new("history", &["from", "to"]).readonly(),
            MethodDescriptor::new("withdraw", &["cents", "why"]).exclusive(),
            MethodDescriptor::new("note", &["text"]).oneway(),
            MethodDescriptor::new("größe", &[]),
            MethodDescriptor::new("doubled", &["by", "numbers"])
                .streams()
                .stream_argument(1),
        ])
        .constructors(&[MethodDescriptor::new("open", &["owner"])]);

    fn described() -> Value {
        serde_json::from_slice(&object("/objects", "bank", &ACCOUNT)).unwrap()
    }

    /// Each `$ref` in a value.
    fn references(value: &Value) -> Vec<&str> {
        match value {
            Value::Object(fields) => {
                let own = fields.get("$ref").and_then(Value::as_str);
                own.into_iter()
                    .chain(fields.values().flat_map(references))
                    .collect()
            }
            Value::Array(items) => items.iter().flat_map(references).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_publication_has_a_path_for_each_method_and_constructor() {
        let document = described();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(
            document["info"],
            json!({ "title": "bank", "version": "0000000000000007" })
        );
        assert_eq!(document["servers"][0]["url"], "/objects");
        let paths = document["paths"].as_object().unwrap();
        let names: Vec<&str> = paths.keys().map(String::as_str).collect();
        let expected = [
            "/bank/balance",
            "/bank/doubled",
            "/bank/gr%C3%B6%C3%9Fe",
            "/bank/history",
            "/bank/note",
            "/bank/withdraw",
            "/bank:open",
        ];
        assert_eq!(names, expected);
        for (path, operations) in paths {
            let readable = ["/bank/balance", "/bank/history"].contains(&path.as_str());
            assert_eq!(operations.get("get").is_some(), readable, "{path}");
            assert!(operations.get("post").is_some(), "{path}");
        }
    }

    #[test]
    fn arguments_are_a_list_or_have_names() {
        let document = described();
        let body = &document["paths"]["/bank/withdraw"]["post"]["requestBody"];
        let schema = json!({ "oneOf": [
            {
                "type": "array",
                "prefixItems": [{ "title": "cents" }, { "title": "why" }],
                "items": false,
            },
            {
                "type": "object",
                "properties": { "cents": {}, "why": {} },
                "additionalProperties": false,
            },
        ]});
        assert_eq!(body["content"]["application/json"]["schema"], schema);
        let parameters = &document["paths"]["/bank/history"]["get"]["parameters"];
        let any = json!({ "application/json": { "schema": {} } });
        let query = |name| json!({ "name": name, "in": "query", "content": any });
        assert_eq!(*parameters, json!([query("from"), query("to")]));
        let balance = &document["paths"]["/bank/balance"]["post"];
        assert_eq!(balance.get("requestBody"), None);
    }

    #[test]
    fn a_stream_is_a_body_and_what_is_beside_it_stands_in_the_query() {
        let document = described();
        let doubled = &document["paths"]["/bank/doubled"]["post"];
        let any = json!({ "schema": {} });
        assert_eq!(doubled["requestBody"]["content"], json!({ LINES: any }));
        let query = json!({ "name": "by", "in": "query", "content": { JSON: any } });
        let parameters = json!([reference("parameters", "prefer"), query]);
        assert_eq!(doubled["parameters"], parameters);
        let answer = &doubled["responses"]["200"]["content"];
        assert_eq!(*answer, json!({ LINES: any, "text/event-stream": any }));
    }

    #[test]
    fn each_answer_has_its_status_and_its_headers() {
        let document = described();
        let answers = |path: &str| document["paths"][path]["post"]["responses"].clone();
        let has = |path, status: &str| answers(path).get(status).is_some();
        for (path, good, bad) in [
            ("/bank/withdraw", &["200", "202", "204"][..], &["201"][..]),
            ("/bank/note", &["202"], &["200", "201", "204"]),
            ("/bank:open", &["201"], &["200", "202", "204"]),
        ] {
            assert!(good.iter().all(|status| has(path, status)), "{path}");
            assert!(!bad.iter().any(|status| has(path, status)), "{path}");
            for (_, code, status) in CODES {
                assert!(has(path, &status.to_string()), "{path}: {code}");
            }
            assert!(has(path, "422") && has(path, "default"), "{path}");
        }
        let made = &answers("/bank:open")["201"]["headers"];
        assert_eq!(made["Location"]["required"], true);
        assert!(made.get("Remoting-Lease").is_some());
        let conflict = &document["components"]["responses"]["409"];
        assert_eq!(conflict["description"], "reentrant, key_reused");
        let busy = &document["components"]["responses"]["503"];
        assert_eq!(busy["description"], "overloaded, disconnected");
        assert!(busy["headers"].get("Retry-After").is_some());
    }

    #[test]
    fn an_object_that_has_a_ticket_is_called_and_makes_no_others() {
        let document = object("", "~/rt1.AbC", &ACCOUNT);
        let document: Value = serde_json::from_slice(&document).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.contains_key("/~/rt1.AbC/withdraw"));
        assert_eq!(paths.len(), ACCOUNT.methods.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = described();
        let all = references(&document);
        assert!(all.len() > 50, "{}", all.len());
        for reference in all {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn a_host_has_the_paths_of_all_its_publications() {
        let all = [("bank".to_owned(), &ACCOUNT), ("vip".to_owned(), &ACCOUNT)];
        let document: Value = serde_json::from_slice(&host("", &all).unwrap()).unwrap();
        assert_eq!(document["servers"][0]["url"], "/");
        assert_eq!(document["paths"].as_object().unwrap().len(), 14);
        let nothing: Value = serde_json::from_slice(&host("", &[]).unwrap()).unwrap();
        assert_eq!(nothing["paths"], json!({}));
        let many: Vec<_> = (0..MOST_PATHS).map(|n| (n.to_string(), &ACCOUNT)).collect();
        assert_eq!(host("", &many), None);
    }
}
