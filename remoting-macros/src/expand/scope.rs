//! Names, types and generics that several parts of an expansion need.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericParam, Generics, Type, parse_quote};

use crate::ast::{Answer, Interface, Method};
use crate::types::replace_self;

use super::generics::{phantom, valued};

/// What surrounds every part of one expansion.
pub(crate) struct Scope {
    /// `Account<K>`.
    pub(crate) interface: TokenStream,
    /// `AccountProxy<K>`.
    pub(crate) proxy: Type,
    /// `AccountFactory<K>`.
    pub(crate) factory: Type,
    /// `AccountActivator<K>`.
    pub(crate) activator: Type,
    /// The generics of all implementations: the trait's, each type parameter a value.
    generics: Generics,
    /// The type parameters as a type that owns none of them.
    phantom: Option<Type>,
}

impl Scope {
    /// Prepares the expansion of `interface`.
    pub(crate) fn of(interface: &Interface) -> Self {
        let (_, arguments, _) = interface.generics().split_for_impl();
        let ident = interface.ident();
        let [proxy, factory, activator] = ["Proxy", "Factory", "Activator"].map(|suffix| {
            let name = interface.named(suffix);
            parse_quote!(#name #arguments)
        });
        Self {
            interface: quote!(#ident #arguments),
            proxy,
            factory,
            activator,
            generics: valued(interface.generics()),
            phantom: phantom(interface.generics()),
        }
    }

    /// Writes `impl<..> head where ..  { body }`, with `extra` after the trait's own parameters.
    pub(crate) fn implement(
        &self,
        extra: Option<GenericParam>,
        head: &TokenStream,
        body: &TokenStream,
    ) -> TokenStream {
        let mut generics = self.generics.clone();
        generics.params.extend(extra);
        let (parameters, _, bounds) = generics.split_for_impl();
        quote!(impl #parameters #head #bounds { #body })
    }

    /// The field that makes a generic type use its parameters.
    pub(crate) fn phantom_field(&self) -> Option<TokenStream> {
        self.phantom
            .as_ref()
            .map(|ty| quote!(::core::marker::PhantomData<#ty>))
    }

    /// The value of [`Scope::phantom_field`].
    pub(crate) fn phantom_value(&self) -> Option<TokenStream> {
        self.phantom
            .as_ref()
            .map(|_| quote!(::core::marker::PhantomData))
    }

    /// `Call<T, E>` for what a method returns, with `Self` read as the proxy.
    pub(crate) fn call(&self, answer: &Answer) -> TokenStream {
        let whole = answer
            .whole
            .as_ref()
            .map(|whole| replace_self(whole, &self.proxy));
        let value = answer
            .value
            .as_ref()
            .map(|value| replace_self(value, &self.proxy));
        if let Some(error) = &answer.error {
            return quote!(__private::Call<#value, #error>);
        }
        if answer.is_ours() {
            return quote!(__private::Call<#value, __private::Error>);
        }
        // An alias that is no `Result` is reported where it is written.
        quote_spanned! {place_of(answer)=>
            __private::Call<<#whole as __private::Outcome>::Value, <#whole as __private::Outcome>::Error>
        }
    }
}

/// A name for a local of ours, which no argument of the user's can clash with.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The place of what the user wrote, for generated code: an error which the compiler
/// finds in tokens with this span points at `theirs`.
pub(crate) fn place_of(theirs: impl ToTokens) -> Span {
    let first = theirs.to_token_stream().into_iter().next();
    let place = first.map_or_else(Span::call_site, |first| first.span());
    Span::call_site().located_at(place)
}

/// A method's place as it is written by hand: without the type that `quote` adds.
pub(super) fn number(method: &Method) -> Literal {
    Literal::usize_unsuffixed(method.index)
}
