//! Constructors: the factory, the activator, and what the server does to construct.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Type, parse_quote};

use crate::ast::{Interface, Method};
use crate::types::replace_self;

use super::dispatcher::{Run, borrows_call, given, object_parameter};
use super::handle::{common_traits, handle};
use super::proxy::encoded;
use super::scope::{Scope, local, number};

/// Writes the factory and the activator's type.
pub(super) fn items(interface: &Interface, scope: &Scope) -> TokenStream {
    let (krate, name) = (&interface.krate, interface.ident());
    let factory = factory(interface, scope);
    let activator_doc = format!(" Activates an object that implements [`{name}`] at a server.");
    let activator = handle(
        interface,
        scope,
        ("Activator", &activator_doc),
        &quote!(#krate::__private::Activator),
    );
    quote! {
        #factory
        #activator
    }
}

/// Writes what is implemented for the activator, and how the server constructs.
pub(super) fn implementations(interface: &Interface, scope: &Scope) -> TokenStream {
    let (proxy, activator) = (&scope.proxy, &scope.activator);
    let callers = interface
        .constructors()
        .map(|method| activating(interface, scope, method));
    let inherent = scope.implement(None, &quote!(#activator), &quote!(#(#callers)*));
    let common = scope
        .phantom_field()
        .map(|_| common_traits(interface, "Activator"));
    let made = interface.named("Activator");
    let fields = [quote!(activator)].into_iter().chain(scope.phantom_value());
    let activatable = scope.implement(
        None,
        &quote!(__private::Activatable for #proxy),
        &quote! {
            type Activator = #activator;
            fn activator(activator: __private::Activator) -> #activator { #made(#(#fields),*) }
        },
    );
    let construct = construct(interface, scope);
    let construct_with = construct_with(interface, scope);
    quote!(#inherent #common #activatable #construct #construct_with)
}

/// Writes the factory trait.
fn factory(interface: &Interface, scope: &Scope) -> TokenStream {
    let (visibility, contract) = (interface.visibility(), &scope.interface);
    let name = interface.ident();
    let doc = format!(
        " Creates objects that implement [`{name}`], where that takes more than the arguments."
    );
    let object_doc = format!(" What is created: an implementor of [`{name}`].");
    let methods = interface.constructors().map(factory_method);
    let factory = interface.named("Factory");
    let generics = interface.generics();
    let bounds = &generics.where_clause;
    quote! {
        #[doc = #doc]
        #[allow(deprecated)]
        #visibility trait #factory #generics: ::core::marker::Send + ::core::marker::Sync + 'static #bounds {
            #[doc = #object_doc]
            type Object: #contract + 'static;
            #(#methods)*
        }
    }
}

/// Writes the factory's method for one constructor.
fn factory_method(method: &Method) -> TokenStream {
    let (ident, declared) = (method.ident(), method.declared());
    let docs = method.docs(&format!(
        " Creates the object for the constructor `{ident}`."
    ));
    let object: Type = parse_quote!(Self::Object);
    let output = method
        .answer
        .whole
        .as_ref()
        .map(|whole| replace_self(whole, &object));
    quote! {
        #docs
        fn #ident(&self, #declared) -> impl ::core::future::Future<Output = #output> + ::core::marker::Send;
    }
}

/// Writes the activator's method for one constructor.
fn activating(interface: &Interface, scope: &Scope, method: &Method) -> TokenStream {
    let visibility = interface.visibility();
    let (ident, declared) = (method.ident(), method.declared());
    let docs = method.docs(&format!(
        " Activates an object by its constructor `{ident}`."
    ));
    let answer = scope.call(&method.answer);
    let (index, values) = (number(method), encoded(method));
    quote! {
        #docs
        #visibility fn #ident(&self, #declared) -> #answer { self.0.construct(&INTERFACE, #index, #values) }
    }
}

/// Writes the construction by the type's own constructors.
fn construct(interface: &Interface, scope: &Scope) -> TokenStream {
    let proxy = &scope.proxy;
    let arms = interface.constructors().map(|method| {
        let (index, ident, given) = (number(method), method.ident(), given(method));
        let run = Run::new(method, quote!(__T::#ident(#(#given),*)));
        let closure = run.closure(&quote!(_));
        let way = way(method);
        quote!(#index => call.#way(#closure),)
    });
    let function = quote! {
        fn construct(call: __private::ConstructorCall<'_>) -> __private::Made<__T> {
            match call.index() {
                #(#arms)*
                _ => call.unknown(),
            }
        }
    };
    scope.implement(
        Some(object_parameter(scope)),
        &quote!(__private::Construct<__T> for #proxy),
        &function,
    )
}

/// Writes the construction by a factory.
fn construct_with(interface: &Interface, scope: &Scope) -> TokenStream {
    let (proxy, factory) = (&scope.proxy, &scope.factory);
    let maker = local("factory");
    let arms = interface.constructors().map(|method| {
        let (index, ident, given) = (number(method), method.ident(), given(method));
        let run = Run::new(method, quote!(#maker.#ident(#(#given),*)));
        let closure = run.closure(&quote!(#maker));
        let way = way(method);
        quote!(#index => call.#way(#closure),)
    });
    let function = quote! {
        type Object = __F::Object;
        fn construct(call: __private::ConstructorCall<'_, __F>) -> __private::Made<__F::Object> {
            match call.index() {
                #(#arms)*
                _ => call.unknown(),
            }
        }
    };
    scope.implement(
        Some(parse_quote!(__F: #factory)),
        &quote!(__private::ConstructWith<__F> for #proxy),
        &function,
    )
}

/// How core runs a constructor.
fn way(method: &Method) -> TokenStream {
    if borrows_call(method) {
        quote!(construct_ref)
    } else {
        quote!(construct)
    }
}
