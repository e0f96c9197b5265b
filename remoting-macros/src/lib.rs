//! The `#[remote]` attribute of `remoting`.
//!
//! The attribute turns a trait into an interface: the trait itself, a proxy that
//! implements it, a dispatcher that offers it, and, where the trait has
//! constructors, a factory and an activator. Use it through the crate you depend
//! on: `remoting::remote` or `remoting_core::remote`.
//!
//! The crate is a small compiler, one file for each pass:
//!
//! 1. `attr` reads attributes, `ast` turns the trait into a tree of our own;
//! 2. `valid` looks for everything that cannot work, `errors` collects it;
//! 3. `expand` writes the code of a valid interface, `fallback` that of an invalid
//!    one, so that one mistake shows as one error.
//!
//! The code that comes out only calls generic functions of `__private` in core. The
//! attribute is there twice: [`macro@remote`] names `::remoting_core`, and
//! [`macro@remote_facade`], which the crate `remoting` exports as `remote`, `::remoting`.

mod ast;
mod attr;
mod errors;
mod expand;
mod fallback;
mod hash;
mod passing;
mod types;
mod valid;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

use crate::expand::remote_at;

#[doc = include_str!("remote.md")]
#[proc_macro_attribute]
pub fn remote(options: TokenStream, item: TokenStream) -> TokenStream {
    let krate = syn::parse_quote!(::remoting_core);
    remote_at(krate, options.into(), item.into()).into()
}

#[doc = include_str!("remote.md")]
#[proc_macro_attribute]
pub fn remote_facade(options: TokenStream, item: TokenStream) -> TokenStream {
    let krate = syn::parse_quote!(::remoting);
    remote_at(krate, options.into(), item.into()).into()
}
