//! What is written instead of an interface that has errors.
//!
//! Code that uses the interface should not have to fail as well: the trait is
//! there, and so are the proxy, the dispatcher and the rest, able to do nothing.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, TraitItem};

use crate::ast::{Interface, Method};
use crate::errors::Errors;
use crate::expand::{Scope, assemble, contract, forwarding, hollow_dispatcher, signature};
use crate::types::hides_type;
use crate::valid::is_harmless;

/// The errors, and stubs of everything the interface would have had.
pub(crate) fn stubs(interface: &Interface, errors: Errors) -> TokenStream {
    let errors = errors.into_tokens();
    if interface.generics().lifetimes().next().is_some() {
        let contract = contract(interface);
        return quote!(#errors #contract);
    }
    let scope = Scope::of(interface);
    let forwarding = can_implement(interface).then(|| hollow_contract(interface, &scope));
    let code = assemble(
        interface,
        &scope,
        &quote!(#forwarding),
        &hollow_dispatcher(&scope),
    );
    quote!(#errors #code)
}

/// The errors of something that is not a trait, and the thing itself.
pub(crate) fn not_a_trait(item: TokenStream, mut errors: Errors) -> TokenStream {
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(found)) => {
            errors.push(found.impl_token, "`#[remote]` belongs on the trait; an `impl` needs no attribute");
        }
        Ok(Item::TraitAlias(found)) => {
            errors.push(found.trait_token, "`#[remote]` belongs on a trait of its own, not on an alias");
        }
        Ok(Item::Trait(_)) => {}
        Ok(_) => errors.push(
            item.clone().into_iter().take(1).collect::<TokenStream>(),
            "`#[remote]` belongs on a trait: the interface that an object offers to other processes",
        ),
        Err(error) => errors.push_error(error),
    }
    let errors = errors.into_tokens();
    quote!(#errors #item)
}

/// Tells whether a proxy could implement the trait at all.
fn can_implement(interface: &Interface) -> bool {
    let item = &interface.item;
    let functions = item
        .items
        .iter()
        .all(|item| matches!(item, TraitItem::Fn(_)));
    let nameable = interface
        .methods
        .iter()
        .filter_map(|method| method.answer.whole.as_ref())
        .all(|ty| !hides_type(ty));
    item.unsafety.is_none() && functions && nameable && item.supertraits.iter().all(is_harmless)
}

/// The trait's implementation by a proxy that can call the sound methods only.
fn hollow_contract(interface: &Interface, scope: &Scope) -> TokenStream {
    let (contract, proxy) = (&scope.interface, &scope.proxy);
    let methods = interface
        .methods
        .iter()
        .map(|method| hollow_method(scope, method));
    scope.implement(None, &quote!(#contract for #proxy), &quote!(#(#methods)*))
}

fn hollow_method(scope: &Scope, method: &Method) -> TokenStream {
    if method.sound {
        return forwarding(scope, method);
    }
    let signature = signature(method);
    if method.signature.asyncness.is_some() {
        quote!(#[allow(unused)] #signature { async move { loop {} } })
    } else {
        quote!(#[allow(unused)] #signature { loop {} })
    }
}
