//! Checks what a method returns.

use proc_macro2::Ident;
use syn::visit::{self, Visit};
use syn::{Lifetime, Path, Type, TypeImplTrait, TypeReference, TypeTraitObject};

use crate::ast::Method;
use crate::attr::Mark;
use crate::errors::Errors;
use crate::types::{is_unit, is_word, last_segment, path_of, peel, type_arguments};

use super::argument::check_path;
use super::typed;

/// Names that are surely no alias of a `Result`.
const NO_RESULTS: [&str; 28] = [
    "Arc", "Box", "BTreeMap", "BTreeSet", "HashMap", "HashSet", "Option", "Rc", "Self", "String",
    "Vec", "VecDeque", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize",
    "u8", "u16", "u32", "u64", "u128", "usize",
];

/// Checks the return type of a method of the interface that `proxy` calls.
pub(super) fn check(method: &Method, proxy: &Ident, errors: &mut Errors) {
    let Some(whole) = &method.answer.whole else {
        let text = format!(
            "`{}` returns nothing, but a call can fail on the way; return `Result<(), E>`, \
             where `E: From<remoting::Error>`",
            method.ident()
        );
        errors.push(method.ident(), text);
        return;
    };
    if !may_be_result(whole) {
        let text = format!(
            "`{0}` is not a `Result`, but a call can fail on the way; return `Result<{0}, E>`, \
             where `E: From<remoting::Error>`",
            typed(whole)
        );
        errors.push(whole, text);
        return;
    }
    if method.is_constructor() {
        check_constructor(method, whole, errors);
    } else {
        Unreturnable { proxy, errors }.visit_type(whole);
        check_oneway(method, whole, errors);
    }
}

/// Tells whether the tokens leave open that the type is a `Result`.
fn may_be_result(whole: &Type) -> bool {
    match (peel(whole), last_segment(whole)) {
        (Type::ImplTrait(_), _) => false,
        (Type::Path(_), Some(segment)) => !NO_RESULTS.iter().any(|name| segment.ident == name),
        (Type::Path(_) | Type::Macro(_), _) => true,
        _ => false,
    }
}

/// A constructor returns `Result<Self, E>`, or an alias with `Self` in it.
fn check_constructor(method: &Method, whole: &Type, errors: &mut Errors) {
    let arguments = last_segment(whole)
        .and_then(type_arguments)
        .unwrap_or_default();
    let makes_self = match &method.answer.value {
        Some(value) => is_word(value, "Self"),
        None => arguments.iter().any(|argument| is_word(argument, "Self")),
    };
    if !makes_self {
        let text = format!(
            "`#[constructor]` returns `Result<Self, E>`: the new object, not `{}`",
            typed(whole)
        );
        errors.push(whole, text);
    }
}

fn check_oneway(method: &Method, whole: &Type, errors: &mut Errors) {
    let Some(value) = method.answer.value.as_ref().filter(|value| !is_unit(value)) else {
        return;
    };
    if method.marks.has(Mark::Oneway) {
        let text = format!(
            "nobody waits for what a `#[oneway]` method returns: return `Result<(), E>` instead of `{}`, \
             or take `#[oneway]` away",
            typed(whole)
        );
        errors.push(value, text);
    }
}

/// Finds parts of a return type that cannot travel.
struct Unreturnable<'c> {
    proxy: &'c Ident,
    errors: &'c mut Errors,
}

impl<'ast> Visit<'ast> for Unreturnable<'_> {
    fn visit_type_reference(&mut self, found: &'ast TypeReference) {
        let text = format!(
            "`{}` borrows from an object in another process; return an owned value",
            typed(found)
        );
        self.errors.push(found, text);
    }

    fn visit_lifetime(&mut self, found: &'ast Lifetime) {
        if found.ident == "_" {
            let text = "this borrows from an object in another process; return an owned value";
            self.errors.push(found, text);
        }
    }

    fn visit_type_impl_trait(&mut self, found: &'ast TypeImplTrait) {
        let text = format!(
            "`{}` has no name to decode by; name the type, or return a proxy",
            typed(found)
        );
        self.errors.push(found, text);
    }

    fn visit_type_trait_object(&mut self, found: &'ast TypeTraitObject) {
        let text = format!(
            "`{}` cannot be decoded: nobody knows its type; name the type, or return a proxy",
            typed(found)
        );
        self.errors.push(found, text);
    }

    fn visit_type(&mut self, found: &'ast Type) {
        if path_of(found).is_some_and(|path| path.is_ident("Self")) {
            let text = format!(
                "a method that returns `Self` would move the object to its caller; return `{}`, \
                 or mark it `#[constructor]` and take no `self`",
                self.proxy
            );
            self.errors.push(found, text);
        } else {
            visit::visit_type(self, found);
        }
    }

    fn visit_path(&mut self, found: &'ast Path) {
        check_path(found, self.errors);
        visit::visit_path(self, found);
    }
}
