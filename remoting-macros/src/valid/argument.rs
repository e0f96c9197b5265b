//! Checks the arguments of a method.

use syn::visit::{self, Visit};
use syn::{FnArg, Lifetime, PatType, Path, Type, TypeImplTrait, TypeReference, TypeTraitObject};

use crate::ast::{Argument, Method};
use crate::errors::Errors;
use crate::passing::Passing;
use crate::types::{argument_of, peel};

use super::typed;

/// Checks all arguments of a method.
pub(super) fn check_all(method: &Method, errors: &mut Errors) {
    let written = method
        .signature
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
    for (argument, written) in method.arguments.iter().zip(written) {
        check_pattern(argument, errors);
        check_attributes(written, errors);
        if argument.default.is_none() || check_default(argument, errors) {
            check_type(argument, errors);
        }
    }
}

fn check_pattern(argument: &Argument, errors: &mut Errors) {
    if let Some(pattern) = &argument.pattern {
        let text = format!(
            "`{}` is a pattern, but an argument travels by its name; write a plain name",
            typed(pattern)
        );
        errors.push(pattern, text);
    }
}

fn check_attributes(written: &PatType, errors: &mut Errors) {
    for attribute in written
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
    {
        errors.push(
            attribute,
            "an argument cannot come and go by `#[cfg]`: both ends need the same interface",
        );
    }
}

/// Tells whether an argument with `#[default]` can be made from nothing.
fn check_default(argument: &Argument, errors: &mut Errors) -> bool {
    let owned = matches!(
        Passing::of(&argument.ty, false),
        Passing::Owned | Passing::OwnedBytes
    );
    if !owned {
        let text = format!(
            "`#[default]` needs an owned value to make, and `{}` is borrowed",
            typed(&argument.ty)
        );
        errors.push(&argument.default, text);
    }
    owned
}

/// Looks for what cannot be sent: a lifetime, and more in the part that is decoded.
fn check_type(argument: &Argument, errors: &mut Errors) {
    let decoded = match &argument.passing {
        Passing::Text | Passing::Bytes | Passing::MaybeText | Passing::MaybeBytes => None,
        Passing::Lent(target) | Passing::MaybeLent(target) => Some(target),
        Passing::Owned | Passing::OwnedBytes | Passing::Defaulted => Some(&argument.ty),
    };
    let before = errors.len();
    if let Some(decoded) = decoded {
        Unsendable {
            whole: &argument.ty,
            errors,
        }
        .visit_type(decoded);
    }
    if let (Some(lifetime), true) = (borrowed_for(&argument.ty), errors.len() == before) {
        let text = format!(
            "`{}` is borrowed for the call only, not for `{lifetime}`; leave the lifetime out",
            typed(&argument.ty)
        );
        errors.push(lifetime, text);
    }
}

/// The `'static` of the reference that an argument is, or has in an `Option`.
fn borrowed_for(ty: &Type) -> Option<&Lifetime> {
    match peel(ty) {
        Type::Reference(reference) => reference
            .lifetime
            .as_ref()
            .filter(|lifetime| lifetime.ident == "static"),
        other => argument_of(other, "Option").and_then(borrowed_for),
    }
}

/// Finds parts of a type that cannot be decoded into something of its own.
struct Unsendable<'c> {
    whole: &'c Type,
    errors: &'c mut Errors,
}

impl<'ast> Visit<'ast> for Unsendable<'_> {
    fn visit_type_reference(&mut self, found: &'ast TypeReference) {
        let whole = typed(self.whole);
        let text = if found.mutability.is_some() {
            format!(
                "`{whole}` would change the caller's value over the network; take an owned value and return it"
            )
        } else {
            format!("`{whole}` borrows inside; take an owned value")
        };
        self.errors.push(found, text);
    }

    fn visit_lifetime(&mut self, found: &'ast Lifetime) {
        // A named one is an error where it is declared.
        if found.ident == "_" {
            let text = format!(
                "`{}` borrows inside; take an owned value",
                typed(self.whole)
            );
            self.errors.push(found, text);
        }
    }

    fn visit_type_slice(&mut self, found: &'ast syn::TypeSlice) {
        let text = format!(
            "`{}` has no size of its own to decode into; take an owned value: a `Vec`",
            typed(self.whole)
        );
        self.errors.push(found, text);
    }

    fn visit_type_impl_trait(&mut self, found: &'ast TypeImplTrait) {
        let text = format!(
            "`{}` is a type parameter in disguise; name the type, or take a proxy",
            typed(found)
        );
        self.errors.push(found, text);
    }

    fn visit_type_trait_object(&mut self, found: &'ast TypeTraitObject) {
        let text = format!(
            "`{}` cannot be decoded: nobody knows its type; name the type, or take a proxy",
            typed(found)
        );
        self.errors.push(found, text);
    }

    fn visit_path(&mut self, found: &'ast Path) {
        check_path(found, self.errors);
        visit::visit_path(self, found);
    }
}

/// Refuses the names that mean something else at the other end.
pub(super) fn check_path(found: &Path, errors: &mut Errors) {
    if found
        .segments
        .first()
        .is_some_and(|first| first.ident == "Self")
    {
        let text =
            "`Self` is one type here and another at the server; name the type, or use the proxy's";
        errors.push(found, text);
    }
}
