//! What is published, in JSON: for people, and for programs that have no trait.

use remoting_core::{Description, InterfaceDescriptor};
use serde::Serialize;

/// One publication.
#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    #[serde(flatten)]
    description: Description,
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
    let description = interface.into();
    serde_json::to_vec(&Object { name, description }).unwrap_or_default()
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
