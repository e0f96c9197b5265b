//! The server's end: finds the method a call means, gives it its arguments.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{GenericParam, parse_quote};

use crate::ast::{Interface, Method, Receiver};

use super::scope::{Scope, local, number, place_of};

/// Writes the dispatcher.
pub(super) fn implementation(interface: &Interface, scope: &Scope) -> TokenStream {
    let arms = interface.calls().map(arm);
    let dispatch = dispatch(
        scope,
        &quote! {
            match call.index() {
                #(#arms)*
                _ => call.unknown(),
            }
        },
    );
    let proxy = &scope.proxy;
    let exclusive = interface
        .calls()
        .any(|method| method.receiver == Receiver::Exclusive);
    let shared = (!exclusive)
        .then(|| scope.implement(None, &quote!(__private::Shared for #proxy), &quote!()));
    quote!(#dispatch #shared)
}

/// Writes a dispatcher that knows no method, for an interface that has errors.
pub(crate) fn hollow(scope: &Scope) -> TokenStream {
    let proxy = &scope.proxy;
    let dispatch = dispatch(scope, &quote!(call.unknown()));
    let shared = scope.implement(None, &quote!(__private::Shared for #proxy), &quote!());
    quote!(#dispatch #shared)
}

/// The parameter that stands for the server object's type.
pub(super) fn object_parameter(scope: &Scope) -> GenericParam {
    let interface = &scope.interface;
    parse_quote!(__T: #interface + 'static)
}

fn dispatch(scope: &Scope, body: &TokenStream) -> TokenStream {
    let proxy = &scope.proxy;
    let function = quote! {
        fn dispatch(call: __private::IncomingCall<'_, __T>) -> __private::Dispatched { #body }
    };
    scope.implement(
        Some(object_parameter(scope)),
        &quote!(__private::Dispatch<__T> for #proxy),
        &function,
    )
}

/// Writes the arm of one method.
fn arm(method: &Method) -> TokenStream {
    let (index, ident, given) = (number(method), method.ident(), given(method));
    let object = local("it");
    let exclusive = method.receiver == Receiver::Exclusive;
    let mutable = exclusive.then(|| quote!(mut));
    let run = Run::new(method, quote!((&#mutable *#object).#ident(#(#given),*)));
    let closure = run.closure(&quote!(#mutable #object));
    let place = place_of(ident);
    let way = match (exclusive, borrows_call(method)) {
        (false, false) => quote_spanned!(place=> shared),
        (false, true) => quote_spanned!(place=> shared_ref),
        (true, false) => quote_spanned!(place=> exclusive),
        (true, true) => quote_spanned!(place=> exclusive_ref),
    };
    quote!(#index => call.#way(#closure),)
}

/// Tells whether an argument borrows from the call's bytes.
pub(super) fn borrows_call(method: &Method) -> bool {
    method
        .arguments
        .iter()
        .any(|argument| argument.passing.borrows_call())
}

/// What the method is given for each argument.
pub(super) fn given(method: &Method) -> Vec<TokenStream> {
    method
        .arguments
        .iter()
        .map(|argument| argument.passing.given(&argument.name))
        .collect()
}

/// The running of one method: its arguments decoded, then its future.
///
/// What the compiler finds wrong with either is reported at the method's name.
pub(super) struct Run<'m> {
    method: &'m Method,
    call: TokenStream,
    place: Span,
}

impl<'m> Run<'m> {
    /// Prepares the running of `method` by the expression `call`.
    pub(super) fn new(method: &'m Method, call: TokenStream) -> Self {
        Self {
            method,
            call,
            place: place_of(method.ident()),
        }
    }

    /// The closure for core; `first` is its argument before the call's own.
    pub(super) fn closure(&self, first: &TokenStream) -> TokenStream {
        let names = self.method.names();
        let arguments = self.method.arguments.iter();
        let types = arguments.map(|argument| argument.passing.decoded(&argument.ty));
        let decoded = quote!((#(#names,)*): (#(#types,)*));
        let future = self.future();
        if !borrows_call(self.method) {
            return quote_spanned!(self.place=> |#first, #decoded| async move { #future.await });
        }
        let bytes = local("arguments");
        quote_spanned! {self.place=>
            |#first, #bytes| async move {
                let #decoded = #bytes.decode()?;
                Ok(#future.await)
            }
        }
    }

    /// The future of the method.
    fn future(&self) -> TokenStream {
        let call = &self.call;
        if self.method.answer.is_bytes() {
            quote_spanned!(self.place=> __private::bytes(#call))
        } else {
            quote!(#call)
        }
    }
}
