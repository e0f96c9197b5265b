//! The trait's generic parameters in the shapes that generated items need.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{ConstParam, GenericParam, Generics, Type, TypeParam, WherePredicate, parse_quote};

/// The parameters of a type's declaration: without bounds, with defaults.
pub(super) fn declared(generics: &Generics) -> TokenStream {
    angled(generics.params.iter().map(|parameter| match parameter {
        GenericParam::Type(TypeParam {
            ident,
            default: Some((equals, ty)),
            ..
        }) => quote!(#ident #equals #ty),
        GenericParam::Type(TypeParam { ident, .. }) => quote!(#ident),
        GenericParam::Lifetime(_) | GenericParam::Const(_) => quote!(#parameter),
    }))
}

/// The parameters without bounds or defaults, and `extra` after them.
pub(super) fn bare(generics: &Generics, extra: Option<&Ident>) -> TokenStream {
    let own = generics.params.iter().map(|parameter| match parameter {
        GenericParam::Type(TypeParam { ident, .. }) => quote!(#ident),
        GenericParam::Const(ConstParam { ident, ty, .. }) => quote!(const #ident: #ty),
        GenericParam::Lifetime(_) => quote!(#parameter),
    });
    angled(own.chain(extra.map(|extra| quote!(#extra))))
}

/// The generics, with the demand that values of each type parameter can travel.
pub(super) fn valued(generics: &Generics) -> Generics {
    let mut valued = generics.clone();
    if generics.type_params().next().is_some() {
        let bounds = valued.make_where_clause();
        for TypeParam { ident, .. } in generics.type_params() {
            let bound: WherePredicate = parse_quote!(#ident: __private::Value);
            bounds.predicates.push(bound);
        }
    }
    valued
}

/// A function pointer that mentions all type parameters: always `Send`, `Sync` and `Copy`.
pub(super) fn phantom(generics: &Generics) -> Option<Type> {
    let parameters: Vec<&Ident> = generics
        .type_params()
        .map(|parameter| &parameter.ident)
        .collect();
    match parameters.as_slice() {
        [] => None,
        [only] => Some(parse_quote!(fn() -> #only)),
        several => Some(parse_quote!(fn() -> (#(#several),*))),
    }
}

fn angled(parameters: impl Iterator<Item = TokenStream>) -> TokenStream {
    let parameters: Vec<_> = parameters.collect();
    if parameters.is_empty() {
        TokenStream::new()
    } else {
        quote!(<#(#parameters),*>)
    }
}
