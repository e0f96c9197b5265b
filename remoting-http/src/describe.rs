//! What is published, in JSON: for people, and for programs that have no trait.

use remoting_core::{InterfaceDescriptor, MethodDescriptor};
use serde::Serialize;

/// One publication.
#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    interface: &'static str,
    /// The number that a caller may send as `Remoting-Interface`.
    id: String,
    methods: Vec<Method>,
}

#[derive(Serialize)]
struct Method {
    name: &'static str,
    arguments: &'static [&'static str],
    /// May be called with GET.
    readonly: bool,
    /// May be called again when nobody knows whether it ran.
    idempotent: bool,
    /// Is answered before it has run.
    oneway: bool,
}

impl From<&'static MethodDescriptor> for Method {
    fn from(method: &'static MethodDescriptor) -> Self {
        Self {
            name: method.name,
            arguments: method.arguments,
            readonly: method.readonly,
            idempotent: method.idempotent,
            oneway: method.oneway,
        }
    }
}

#[derive(Serialize)]
struct Host<'a> {
    publications: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    interface: &'static str,
}

/// Describes one publication.
pub(crate) fn object(name: &str, interface: &'static InterfaceDescriptor) -> Vec<u8> {
    let methods = interface.methods.iter().map(Method::from).collect();
    let object = Object {
        name,
        interface: interface.name,
        id: format!("{:016x}", interface.id.0),
        methods,
    };
    serde_json::to_vec(&object).unwrap_or_default()
}

/// Lists all publications.
pub(crate) fn host(publications: &[(String, &'static InterfaceDescriptor)]) -> Vec<u8> {
    let publications = publications
        .iter()
        .map(|(name, interface)| Entry {
            name,
            interface: interface.name,
        })
        .collect();
    serde_json::to_vec(&Host { publications }).unwrap_or_default()
}
