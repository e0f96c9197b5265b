//! Tests of the expansion as text; that it compiles and runs is tested with core.

mod budget;
mod messages;
mod snapshots;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Item, Meta, parse_quote};

use crate::expand::remote_at;

/// Expands every interface in a source file, and leaves everything else.
fn expand_file(source: &str) -> String {
    let file = syn::parse_file(source).expect("the input parses");
    let expanded: TokenStream = file.items.into_iter().map(expand_item).collect();
    let expanded = syn::parse2(expanded).expect("the expansion parses");
    prettyplease::unparse(&expanded)
}

fn expand_item(mut item: Item) -> TokenStream {
    let Item::Trait(found) = &mut item else {
        return quote!(#item);
    };
    let Some(place) = found
        .attrs
        .iter()
        .position(|attribute| attribute.path().is_ident("remote"))
    else {
        return quote!(#item);
    };
    let options = options_of(&found.attrs.remove(place));
    remote_at(parse_quote!(::remoting), options, quote!(#found))
}

fn options_of(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    }
}
