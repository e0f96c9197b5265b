//! What the proxy can do: every method is one call into core.
//!
//! What the compiler finds wrong with a result is reported where its type is written.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse_quote;

use crate::ast::{Interface, Method, Receiver};

use super::handle::common_traits;
use super::scope::{Scope, number, place_of};

/// Writes everything that is implemented for the proxy but the trait itself.
pub(super) fn implementations(interface: &Interface, scope: &Scope) -> TokenStream {
    let proxy = &scope.proxy;
    let fields = [quote!(reference)].into_iter().chain(scope.phantom_value());
    let stub = scope.implement(
        None,
        &quote!(__private::Stub for #proxy),
        &quote! {
            fn interface() -> &'static __private::InterfaceDescriptor { &INTERFACE }
            fn from_reference(reference: __private::Reference) -> Self { Self(#(#fields),*) }
            fn reference(&self) -> &__private::Reference { &self.0 }
        },
    );
    let common = scope
        .phantom_field()
        .map(|_| common_traits(interface, "Proxy"));
    let methods = interface.methods.iter().filter(|method| method.sound);
    let methods = methods.map(|method| match method.is_constructor() {
        true => activating(interface, scope, method),
        false => calling(interface, scope, method),
    });
    let inherent = scope.implement(None, &quote!(#proxy), &quote!(#(#methods)*));
    let travelling = travelling(scope);
    quote!(#stub #travelling #common #inherent)
}

/// Writes what lets the proxy stand in arguments and results.
fn travelling(scope: &Scope) -> TokenStream {
    let proxy = &scope.proxy;
    let serialize = scope.implement(
        None,
        &quote!(__private::Serialize for #proxy),
        &quote! {
            fn serialize<__S: __private::Writer>(&self, to: __S) -> __private::Written<__S> {
                __private::board(self, to)
            }
        },
    );
    let deserialize = scope.implement(
        Some(parse_quote!('a)),
        &quote!(__private::Deserialize<'a> for #proxy),
        &quote! {
            fn deserialize<__D: __private::Reader<'a>>(from: __D) -> __private::Read<'a, Self, __D> {
                __private::alight(from)
            }
        },
    );
    quote!(#serialize #deserialize)
}

/// Writes the trait's implementation by the proxy.
pub(super) fn contract_implementation(interface: &Interface, scope: &Scope) -> TokenStream {
    let (contract, proxy) = (&scope.interface, &scope.proxy);
    let methods = interface
        .methods
        .iter()
        .map(|method| forwarding(scope, method));
    scope.implement(None, &quote!(#contract for #proxy), &quote!(#(#methods)*))
}

/// Writes the inherent method that calls.
fn calling(interface: &Interface, scope: &Scope, method: &Method) -> TokenStream {
    let visibility = interface.visibility();
    let (ident, declared) = (method.ident(), method.declared());
    let docs = method.docs(&format!(" Calls `{ident}` of the server object."));
    let answer = scope.call(&method.answer);
    let (index, values) = (number(method), encoded(method));
    let call = if method.answer.is_bytes() {
        "call_bytes"
    } else {
        "call"
    };
    let place = place_of(&method.answer);
    let call = Ident::new(call, place);
    quote_spanned! {place=>
        #docs
        #visibility fn #ident(&self, #declared) -> #answer { self.0.#call(&INTERFACE, #index, #values) }
    }
}

/// Writes the inherent function that activates at the registered URL.
fn activating(interface: &Interface, scope: &Scope, method: &Method) -> TokenStream {
    let visibility = interface.visibility();
    let (ident, declared) = (method.ident(), method.declared());
    let docs = method.docs(&format!(
        " Activates an object by its constructor `{ident}`."
    ));
    let answer = scope.call(&method.answer);
    let (index, values) = (number(method), encoded(method));
    quote_spanned! {place_of(&method.answer)=>
        #docs
        #visibility fn #ident(#declared) -> #answer { __private::activate_registered(&INTERFACE, #index, #values) }
    }
}

/// Writes the trait's method on the proxy: the inherent one of the same name.
pub(crate) fn forwarding(scope: &Scope, method: &Method) -> TokenStream {
    let (ident, declared) = (method.ident(), method.declared());
    let answer = scope.call(&method.answer);
    let names: Vec<_> = method.names().collect();
    let place = place_of(&method.answer);
    let (receiver, this) = match method.receiver {
        Receiver::Shared => (
            quote_spanned!(place=> &self,),
            quote_spanned!(place=> self,),
        ),
        Receiver::Exclusive => (
            quote_spanned!(place=> &mut self,),
            quote_spanned!(place=> self,),
        ),
        Receiver::None | Receiver::Other => (quote!(), quote!()),
    };
    quote_spanned!(place=> fn #ident(#receiver #declared) -> #answer { Self::#ident(#this #(#names),*) })
}

/// The arguments as the tuple that is encoded.
///
/// An argument that cannot be encoded is reported where its type is written.
pub(super) fn encoded(method: &Method) -> TokenStream {
    let values = method.arguments.iter().map(|argument| {
        let mut name = argument.name.clone();
        name.set_span(place_of(&argument.ty));
        argument.passing.encoded(&name)
    });
    quote!((#(#values,)*))
}
