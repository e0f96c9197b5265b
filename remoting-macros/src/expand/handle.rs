//! The types that users hold: `AccountProxy`, `AccountDispatcher`, `AccountActivator`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{ConstParam, GenericParam, TypeParam};

use crate::ast::Interface;

use super::generics::{bare, declared};
use super::scope::Scope;

/// Writes the proxy's type and the dispatcher's alias.
pub(super) fn proxy_and_dispatcher(interface: &Interface, scope: &Scope) -> TokenStream {
    let (krate, visibility, name) = (&interface.krate, interface.visibility(), interface.ident());
    let proxy_doc = format!(" A proxy of an object that implements [`{name}`].");
    let proxy_type = handle(
        interface,
        scope,
        ("Proxy", &proxy_doc),
        &quote!(#krate::__private::Reference),
    );
    let proxy = &scope.proxy;
    let dispatcher = interface.named("Dispatcher");
    let dispatcher_doc = format!(" Offers objects that implement [`{name}`].");
    let object = object_parameter(interface);
    let parameters = bare(interface.generics(), Some(&object));
    quote! {
        #proxy_type
        #[doc = #dispatcher_doc]
        #visibility type #dispatcher #parameters = #krate::Dispatcher<#proxy, #object>;
    }
}

/// Writes a type around something of core's, such as `AccountProxy(Reference)`.
///
/// `derive` would ask of each type parameter what it asks of the type, so a type with
/// parameters gets its implementations from [`common_traits`].
pub(super) fn handle(
    interface: &Interface,
    scope: &Scope,
    (suffix, doc): (&str, &str),
    inner: &TokenStream,
) -> TokenStream {
    let visibility = interface.visibility();
    let name = interface.named(suffix);
    let parameters = declared(interface.generics());
    let plain = scope.phantom_field().is_none();
    let compared = (plain && suffix == "Proxy")
        .then(|| quote!(#[derive(::core::cmp::PartialEq, ::core::cmp::Eq, ::core::hash::Hash)]));
    let common = plain.then(|| quote!(#[derive(::core::clone::Clone, ::core::fmt::Debug)]));
    let fields = [inner.clone()].into_iter().chain(scope.phantom_field());
    quote!(#compared #[doc = #doc] #common #visibility struct #name #parameters(#(#fields),*);)
}

/// Writes what `derive` would for a type with parameters, without bounds on them.
pub(super) fn common_traits(interface: &Interface, suffix: &str) -> TokenStream {
    let (_, arguments, _) = interface.generics().split_for_impl();
    let parameters = bare(interface.generics(), None);
    let name = interface.named(suffix);
    let text = name.to_string();
    let compared = (suffix == "Proxy").then(|| {
        quote! {
            impl #parameters ::core::cmp::PartialEq for #name #arguments {
                fn eq(&self, other: &Self) -> bool { self.0 == other.0 }
            }
            impl #parameters ::core::cmp::Eq for #name #arguments {}
            impl #parameters ::core::hash::Hash for #name #arguments {
                fn hash<__H: ::core::hash::Hasher>(&self, state: &mut __H) {
                    ::core::hash::Hash::hash(&self.0, state)
                }
            }
        }
    });
    quote! {
        impl #parameters ::core::clone::Clone for #name #arguments {
            fn clone(&self) -> Self { Self(::core::clone::Clone::clone(&self.0), self.1) }
        }
        impl #parameters ::core::fmt::Debug for #name #arguments {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_tuple(#text).field(&self.0).finish()
            }
        }
        #compared
    }
}

/// The name of the parameter that stands for the object's type.
fn object_parameter(interface: &Interface) -> Ident {
    let taken = interface.generics().params.iter().any(|parameter| {
        matches!(
            parameter,
            GenericParam::Type(TypeParam { ident, .. }) | GenericParam::Const(ConstParam { ident, .. })
                if ident == "T"
        )
    });
    let name = if taken { "__T" } else { "T" };
    Ident::new(name, proc_macro2::Span::call_site())
}
