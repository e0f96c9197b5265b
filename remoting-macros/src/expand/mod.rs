//! Writes the code of a valid interface.
//!
//! The public items stand beside the trait; all that needs no name of its own is
//! inside one `const _`, where `__private` is the only name brought in.

mod activation;
mod contract;
mod descriptor;
mod dispatcher;
mod generics;
mod handle;
mod proxy;
mod scope;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemTrait, Path};

use crate::ast::Interface;
use crate::attr::Options;
use crate::errors::Errors;
use crate::{fallback, valid};

pub(crate) use contract::{contract, signature};
pub(crate) use dispatcher::hollow as hollow_dispatcher;
pub(crate) use proxy::forwarding;
pub(crate) use scope::Scope;

/// Expands `#[remote(options)] item`, with the library found at `krate`.
pub(crate) fn remote_at(krate: Path, options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(options, &mut errors);
    let Ok(found) = syn::parse2::<ItemTrait>(item.clone()) else {
        return fallback::not_a_trait(item, errors);
    };
    let mut interface = Interface::read(found, krate, options, &mut errors);
    valid::check(&mut interface, &mut errors);
    if errors.is_empty() {
        valid_interface(&interface)
    } else {
        fallback::stubs(&interface, errors)
    }
}

/// Writes a valid interface.
fn valid_interface(interface: &Interface) -> TokenStream {
    let scope = Scope::of(interface);
    let forwarding = proxy::contract_implementation(interface, &scope);
    let dispatcher = dispatcher::implementation(interface, &scope);
    assemble(interface, &scope, &forwarding, &dispatcher)
}

/// Puts the parts together; the trait's implementation by the proxy and the
/// dispatcher are given, because `fallback` has others.
pub(crate) fn assemble(
    interface: &Interface,
    scope: &Scope,
    forwarding: &TokenStream,
    dispatcher: &TokenStream,
) -> TokenStream {
    let krate = &interface.krate;
    let contract = contract(interface);
    let types = handle::proxy_and_dispatcher(interface, scope);
    let descriptor = descriptor::descriptor(interface);
    let proxy = proxy::implementations(interface, scope);
    let success = interface
        .methods
        .iter()
        .any(dispatcher::borrows_call)
        .then(|| {
            quote!(
                use ::core::result::Result::Ok;
            )
        });
    let activates = interface.has_constructors();
    let activation_items = activates.then(|| activation::items(interface, scope));
    let activation = activates.then(|| activation::implementations(interface, scope));
    quote! {
        #contract
        #types
        #activation_items
        #[allow(clippy::all, dead_code, deprecated, refining_impl_trait)]
        const _: () = {
            use #krate::__private;
            #success
            #descriptor
            #proxy
            #forwarding
            #dispatcher
            #activation
        };
    }
}
