//! Looks for everything that cannot work, and says why and what to do instead.
//!
//! Every check notes its errors and goes on, so that one build shows them all.

mod answer;
mod argument;
mod method;

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{GenericParam, TraitItem, TypeParamBound};

use crate::ast::{Interface, Method};
use crate::errors::Errors;
use crate::hash::fnv1a32;

/// Checks the whole interface and marks the methods that are not sound.
pub(crate) fn check(interface: &mut Interface, errors: &mut Errors) {
    check_trait(interface, errors);
    check_items(interface, errors);
    check_numbers(interface, errors);
    check_renames(interface, errors);
    let proxy = interface.named("Proxy");
    for method in &mut interface.methods {
        let before = errors.len();
        method::check(method, &proxy, errors);
        method.sound &= errors.len() == before;
    }
}

/// Checks what stands before the trait's body.
fn check_trait(interface: &Interface, errors: &mut Errors) {
    let item = &interface.item;
    if let Some(unsafety) = &item.unsafety {
        errors.push(
            unsafety,
            "an interface cannot be `unsafe`: its callers are in other processes",
        );
    }
    if let Some(auto) = &item.modifiers.auto_token {
        errors.push(auto, "an `auto` trait has no methods to call");
    }
    for attribute in item
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
    {
        errors.push(
            attribute,
            "write `#[cfg]` above `#[remote]`, so that it applies to the proxy as well",
        );
    }
    for parameter in &item.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            let text = "an interface has no lifetimes: the object is in another process and borrows nothing here";
            errors.push(lifetime, text);
        }
    }
    for bound in item.supertraits.iter().filter(|bound| !is_harmless(bound)) {
        let text = format!(
            "an interface stands alone: `{}` would have to implement `{}` as well; \
             let one object offer both interfaces instead",
            interface.named("Proxy"),
            typed(bound),
        );
        errors.push(bound, text);
    }
}

/// Tells whether every proxy fulfils the bound: `Send`, `Sync` or `'static`.
pub(crate) fn is_harmless(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last();
            last.is_some_and(|segment| ["Send", "Sync"].iter().any(|name| segment.ident == name))
        }
        TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
        _ => false,
    }
}

/// Refuses everything in the trait that is not a function.
fn check_items(interface: &Interface, errors: &mut Errors) {
    for item in &interface.item.items {
        match item {
            TraitItem::Fn(_) => {}
            TraitItem::Type(found) => {
                let text = "an interface has no associated types; use a type parameter of the trait, or name the type";
                errors.push(quote_head(&found.type_token, &found.ident), text);
            }
            TraitItem::Const(found) => {
                let text = "an interface has no associated constants: their value would be that of another process; \
                            write a method";
                errors.push(quote_head(&found.const_token, &found.ident), text);
            }
            TraitItem::Macro(found) => {
                errors.push(
                    &found.mac.path,
                    "`#[remote]` sees no methods behind a macro call; write them out",
                );
            }
            other => errors.push(
                other,
                "an interface has only methods: `async fn name(&self, ..) -> Result<T, E>;`",
            ),
        }
    }
}

/// Refuses two methods, or two constructors, that have one number on the wire.
fn check_numbers(interface: &Interface, errors: &mut Errors) {
    let mut taken: HashMap<(bool, u32), &Method> = HashMap::new();
    for method in &interface.methods {
        let name = method.wire_name();
        let number = fnv1a32(name.as_bytes());
        let Some(other) = taken.insert((method.is_constructor(), number), method) else {
            continue;
        };
        let place = method
            .marks
            .rename
            .as_ref()
            .map_or_else(|| method.ident().to_token_stream(), quote_one);
        if other.wire_name() == name {
            errors.push(
                place,
                format!(
                    "`{}` has the wire name `{name}` already; choose another",
                    other.ident()
                ),
            );
        } else {
            let text = format!(
                "`{name}` and `{}` have the same number on the wire ({number:08x}); rename one of them",
                other.wire_name()
            );
            errors.push(place, text);
        }
    }
}

/// The interfaces of the library's own, which every object has beside its own.
const BUILT_IN: [&str; 2] = ["remoting.Lease", "remoting.Object"];

/// Refuses wire names that all objects answer to already.
fn check_renames(interface: &Interface, errors: &mut Errors) {
    for method in &interface.methods {
        let Some(name) = &method.marks.rename else {
            continue;
        };
        if name.value().starts_with('$') && !BUILT_IN.contains(&&*interface.wire_name) {
            errors.push(
                name,
                "wire names that begin with `$` belong to the library; choose another",
            );
        }
    }
}

/// Tokens as the user typed them, for a message.
pub(crate) fn typed(tokens: impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" (", "("),
        (" :", ":"),
    ]
    .iter()
    .fold(text, |text, (from, to)| text.replace(from, to))
}

fn quote_head(keyword: &impl ToTokens, ident: &Ident) -> TokenStream {
    quote!(#keyword #ident)
}

fn quote_one(tokens: &impl ToTokens) -> TokenStream {
    quote!(#tokens)
}
