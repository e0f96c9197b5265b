//! Questions about types, asked by their tokens: a macro knows no others.

use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{GenericArgument, Path, PathArguments, PathSegment, Type, TypeImplTrait, TypePath};

/// Takes off parentheses and the invisible groups that `macro_rules!` puts around a type.
pub(crate) fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}

/// The path of a type that is a plain path.
pub(crate) fn path_of(ty: &Type) -> Option<&Path> {
    match peel(ty) {
        Type::Path(TypePath {
            qself: None, path, ..
        }) => Some(path),
        _ => None,
    }
}

/// The last part of a type's path: `Result<u8>` of `remoting::Result<u8>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    path_of(ty)?.segments.last()
}

/// The types between a segment's angle brackets, if there is nothing else there.
pub(crate) fn type_arguments(segment: &PathSegment) -> Option<Vec<&Type>> {
    match &segment.arguments {
        PathArguments::None => Some(Vec::new()),
        PathArguments::Parenthesized(_) => None,
        PathArguments::AngleBracketed(angle) => angle
            .args
            .iter()
            .map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
    }
}

/// The one type argument of `ty` if its path ends in `name`: `T` of `Option<T>`.
pub(crate) fn argument_of<'t>(ty: &'t Type, name: &str) -> Option<&'t Type> {
    let segment = last_segment(ty)?;
    let arguments = type_arguments(segment)?;
    match arguments.as_slice() {
        [only] if segment.ident == name => Some(only),
        _ => None,
    }
}

/// Tells whether `ty` is the single word `name`.
pub(crate) fn is_word(ty: &Type, name: &str) -> bool {
    path_of(ty).is_some_and(|path| path.is_ident(name))
}

/// Tells whether `ty` is `Vec<u8>`.
pub(crate) fn is_byte_vec(ty: &Type) -> bool {
    argument_of(ty, "Vec").is_some_and(|item| is_word(item, "u8"))
}

/// Tells whether `ty` is `[u8]`.
pub(crate) fn is_byte_slice(ty: &Type) -> bool {
    match peel(ty) {
        Type::Slice(slice) => is_word(&slice.elem, "u8"),
        _ => false,
    }
}

/// Tells whether `ty` is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(peel(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Tells whether `ty` contains an `impl Trait`.
pub(crate) fn hides_type(ty: &Type) -> bool {
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_impl_trait(&mut self, _: &'ast TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut find = Find(false);
    find.visit_type(ty);
    find.0
}

/// Writes `replacement` where `ty` says `Self`.
pub(crate) fn replace_self(ty: &Type, replacement: &Type) -> Type {
    struct Replace<'r>(&'r Type);
    impl VisitMut for Replace<'_> {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if is_word(ty, "Self") {
                *ty = self.0.clone();
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    let mut replaced = ty.clone();
    Replace(replacement).visit_type_mut(&mut replaced);
    replaced
}
