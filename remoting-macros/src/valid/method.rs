//! Checks one method: its head, its marks, and that these fit together.

use proc_macro2::Ident;
use syn::{FnArg, GenericParam, Receiver as Syntax, ReceiverKind, Safety};

use crate::ast::{Method, Receiver};
use crate::attr::Mark;
use crate::errors::Errors;

use super::{answer, argument, typed};

/// How many arguments core can encode.
const MOST_ARGUMENTS: usize = 12;

/// Checks a method of the interface that `proxy` calls.
pub(super) fn check(method: &Method, proxy: &Ident, errors: &mut Errors) {
    check_head(method, errors);
    check_generics(method, errors);
    check_receiver(method, errors);
    check_marks(method, errors);
    check_attributes(method, errors);
    argument::check_all(method, errors);
    check_count(method, errors);
    answer::check(method, proxy, errors);
    if let (Some(body), false) = (&method.body, method.is_constructor()) {
        let text = "a method of an interface has no body: a proxy has nothing to run it on; \
                    write a function that takes `&impl Trait`";
        errors.push(body, text);
    }
}

/// Checks the words before `fn`.
fn check_head(method: &Method, errors: &mut Errors) {
    let signature = &method.signature;
    if signature.asyncness.is_none() {
        let text = format!(
            "`{}` is not an `async fn`: a call waits for another process",
            method.ident()
        );
        errors.push(signature.fn_token, text);
    }
    if let Some(constness) = &signature.constness {
        errors.push(constness, "a `const fn` cannot wait for another process");
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        errors.push(
            unsafety,
            "a method of an interface cannot be `unsafe`: its callers are in other processes",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.push(
            abi,
            "a method of an interface has no ABI: it is called by message",
        );
    }
    if let Some(variadic) = &signature.variadic {
        errors.push(
            variadic,
            "a method of an interface has a fixed number of arguments; take a `Vec`",
        );
    }
}

fn check_generics(method: &Method, errors: &mut Errors) {
    let generics = &method.signature.generics;
    for parameter in &generics.params {
        let text = match parameter {
            GenericParam::Lifetime(_) => {
                "a method of an interface has no lifetimes: nothing is borrowed from another process; leave it out"
            }
            GenericParam::Type(_) | GenericParam::Const(_) => {
                "a method of an interface has no type parameters: the server could not know which to run; \
                 put the parameter on the trait, or write one method for each type"
            }
        };
        errors.push(parameter, text);
    }
    if let (true, Some(bounds)) = (generics.params.is_empty(), &generics.where_clause) {
        errors.push(
            bounds,
            "a method of an interface has no bounds of its own; put them on the trait",
        );
    }
}

fn check_receiver(method: &Method, errors: &mut Errors) {
    let written = method
        .signature
        .inputs
        .iter()
        .find_map(|input| match input {
            FnArg::Receiver(receiver) => Some(receiver),
            FnArg::Typed(_) => None,
        });
    match (written, method.is_constructor()) {
        (Some(receiver), true) => {
            errors.push(
                receiver,
                "`#[constructor]` takes no `self`: there is no object yet",
            );
        }
        (Some(receiver), false) if method.receiver == Receiver::Other => {
            errors.push(receiver, refused_receiver(receiver));
        }
        (None, false) => {
            let text = format!(
                "`{}` has no `self`: write `&self`, or `#[constructor]` if it creates an object",
                method.ident()
            );
            errors.push(method.ident(), text);
        }
        (Some(_), false) | (None, true) => {}
    }
}

/// Says why a way to take `self` does not work.
fn refused_receiver(receiver: &Syntax) -> String {
    let written = typed(receiver);
    match &receiver.kind {
        ReceiverKind::Value => {
            format!("`{written}` would move the object to its caller; write `&self` or `&mut self`")
        }
        ReceiverKind::Reference(..) => {
            format!(
                "`{written}` names a lifetime, but no caller borrows the object; write `&self` or `&mut self`"
            )
        }
        _ => format!(
            "`{written}` would hand out the server object itself; write `&self` or `&mut self`"
        ),
    }
}

/// Checks that the marks fit the method and each other.
fn check_marks(method: &Method, errors: &mut Errors) {
    let exclusive = method.receiver == Receiver::Exclusive;
    let shared = method.receiver == Receiver::Shared;
    if let (Some(readonly), true) = (method.marks.get(Mark::Readonly), exclusive) {
        errors.push(
            readonly,
            "`#[readonly]` changes nothing, so it takes `&self`, not `&mut self`",
        );
    }
    if let (Some(cancel_safe), true) = (method.marks.get(Mark::CancelSafe), shared) {
        errors.push(
            cancel_safe,
            "`#[cancel_safe]` is for `&mut self`: a `&self` method may be cut anyway",
        );
    }
    if let (Some(cancel_safe), true) = (
        method.marks.get(Mark::CancelSafe),
        method.marks.has(Mark::Detached),
    ) {
        errors.push(
            cancel_safe,
            "`#[cancel_safe]` may be cut and `#[detached]` runs to its end; choose one",
        );
    }
    if method.is_constructor() {
        for mark in [Mark::Oneway, Mark::Readonly, Mark::CancelSafe] {
            if let Some(attribute) = method.marks.get(mark) {
                let text = format!(
                    "`#[{}]` does not fit a constructor, which creates an object",
                    mark.name()
                );
                errors.push(attribute, text);
            }
        }
    }
}

fn check_attributes(method: &Method, errors: &mut Errors) {
    for attribute in method
        .attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
    {
        let text = "a method cannot come and go by `#[cfg]`: both ends need the same interface; \
                    put it on the whole trait, above `#[remote]`";
        errors.push(attribute, text);
    }
}

fn check_count(method: &Method, errors: &mut Errors) {
    if let Some(first) = method.arguments.get(MOST_ARGUMENTS) {
        let count = method.arguments.len();
        let text = format!(
            "{count} arguments are too many: {MOST_ARGUMENTS} can be sent; put some into a struct"
        );
        errors.push(&first.name, text);
    }
}
