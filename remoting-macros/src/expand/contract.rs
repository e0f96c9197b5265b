//! The trait itself: as the user wrote it, with each `async fn` as a function that
//! returns a `Send` future.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    FnArg, ItemTrait, Signature, TraitItem, Type, TypeParamBound, parse_quote, parse_quote_spanned,
};

use crate::ast::{Interface, Method, plain_name};

use super::scope::place_of;

/// Writes the trait.
pub(crate) fn contract(interface: &Interface) -> TokenStream {
    let ItemTrait {
        attrs,
        vis,
        unsafety,
        ident,
        generics,
        supertraits,
        brace_token,
        items,
        ..
    } = &interface.item;
    let bounds = &generics.where_clause;
    let supertraits = supertraits.iter().map(|bound| quote!(#bound));
    let supertraits = supertraits.chain(missing_bounds(interface));
    let methods = interface
        .methods
        .iter()
        .map(|method| declaration(interface, method));
    // Only an interface with errors has anything else.
    let others = items
        .iter()
        .filter(|item| !matches!(item, TraitItem::Fn(_)));
    let mut contract =
        quote!(#(#attrs)* #vis #unsafety trait #ident #generics: #(#supertraits)+* #bounds);
    brace_token.surround(&mut contract, |body| {
        body.extend(quote!(#(#others)* #(#methods)*))
    });
    contract
}

/// `Send` and `Sync`, where the user did not write them already.
///
/// They count as written by the user, like whatever else ends the head of an item, so
/// that lints which mean the whole item point at it.
fn missing_bounds(interface: &Interface) -> impl Iterator<Item = TokenStream> {
    let written = |name: &str| {
        interface
            .item
            .supertraits
            .iter()
            .any(|bound| is_named(bound, name))
    };
    let place = interface.ident().span();
    let send = (!written("Send")).then(|| quote_spanned!(place=> ::core::marker::Send));
    let sync = (!written("Sync")).then(|| quote_spanned!(place=> ::core::marker::Sync));
    send.into_iter().chain(sync)
}

/// Tells whether a bound is the trait `name`.
fn is_named(bound: &TypeParamBound, name: &str) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == name),
        _ => false,
    }
}

/// Writes one function of the trait.
fn declaration(interface: &Interface, method: &Method) -> TokenStream {
    let attributes = &method.attributes;
    let mut signature = signature(method);
    if method.signature.asyncness.is_none() {
        let end = method
            .body
            .as_ref()
            .map_or_else(|| quote!(;), |body| quote!(#body));
        return quote!(#(#attributes)* #signature #end);
    }
    let place = end_of(method);
    if method.is_constructor() || !method.sound {
        let sized = parse_quote_spanned!(place=> Self: ::core::marker::Sized);
        signature
            .generics
            .make_where_clause()
            .predicates
            .push(sized);
    }
    let body = match &method.body {
        // What is around the body counts as ours, so that lints leave it alone.
        Some(block) => quote!({ async move #block }),
        None if method.is_constructor() => not_activatable(interface, method),
        None => quote_spanned!(place=> ;),
    };
    quote!(#(#attributes)* #signature #body)
}

/// The signature; that of an `async fn` as a function that returns a `Send` future.
pub(crate) fn signature(method: &Method) -> Signature {
    let mut signature = method.signature.clone();
    signature.constness = None;
    signature.variadic = None;
    if signature.asyncness.take().is_none() {
        return signature;
    }
    let nothing: Type = parse_quote!(());
    let output = method.answer.whole.as_ref().unwrap_or(&nothing);
    // The compiler tells of a future that is not `Send` at these tokens.
    let future = quote_spanned!(place_of(output)=> impl ::core::future::Future<Output = #output>);
    let send = quote_spanned!(end_of(method)=> ::core::marker::Send);
    signature.output = parse_quote!(-> #future + #send);
    signature
}

/// The span of what ends our signature, which counts as written by the user.
fn end_of(method: &Method) -> Span {
    let first = method.answer.to_token_stream().into_iter().next();
    first.map_or_else(|| method.ident().span(), |first| first.span())
}

/// The body of a constructor that the implementor did not write.
fn not_activatable(interface: &Interface, method: &Method) -> TokenStream {
    let krate = &interface.krate;
    let name = interface.ident().to_string();
    let names = method
        .signature
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => plain_name(&typed.pat),
            FnArg::Receiver(_) => None,
        });
    let names: Vec<_> = names.collect();
    let unused = (!names.is_empty()).then(|| quote!(let _ = (#(#names,)*);));
    let constructor = method.wire_name();
    quote!({ #unused #krate::__private::not_activatable(#name, #constructor) })
}
