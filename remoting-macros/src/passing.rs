//! How an argument gets from the caller to the method.
//!
//! A borrowed argument has no owner at the server, so it is decoded into something
//! that owns it, or that borrows from the call's own bytes, and lent to the method.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::Type;

use crate::types::{argument_of, is_byte_slice, is_byte_vec, is_word, peel};

/// The ways an argument travels.
pub(crate) enum Passing {
    /// `T`: encoded and decoded as it is.
    Owned,
    /// `#[default] T`: may be missing.
    Defaulted,
    /// `Vec<u8>`: bytes instead of a sequence of numbers.
    OwnedBytes,
    /// `&str`.
    Text,
    /// `&[u8]`.
    Bytes,
    /// `Option<&str>`.
    MaybeText,
    /// `Option<&[u8]>`.
    MaybeBytes,
    /// `&T`, with its `T`.
    Lent(Type),
    /// `Option<&T>`, with its `T`.
    MaybeLent(Type),
}

impl Passing {
    /// Finds the way for an argument of type `ty`.
    pub(crate) fn of(ty: &Type, default: bool) -> Self {
        if default {
            return Self::Defaulted;
        }
        if let Some(target) = borrowed(ty) {
            return match target {
                text if is_word(text, "str") => Self::Text,
                bytes if is_byte_slice(bytes) => Self::Bytes,
                other => Self::Lent(other.clone()),
            };
        }
        match argument_of(ty, "Option").and_then(borrowed) {
            Some(text) if is_word(text, "str") => Self::MaybeText,
            Some(bytes) if is_byte_slice(bytes) => Self::MaybeBytes,
            Some(other) => Self::MaybeLent(other.clone()),
            None if is_byte_vec(ty) => Self::OwnedBytes,
            None => Self::Owned,
        }
    }

    /// Tells whether the decoded value borrows from the call's bytes.
    pub(crate) fn borrows_call(&self) -> bool {
        matches!(
            self,
            Self::Text | Self::Bytes | Self::MaybeText | Self::MaybeBytes
        )
    }

    /// What the caller encodes for the argument `name`.
    pub(crate) fn encoded(&self, name: &Ident) -> TokenStream {
        match self {
            Self::OwnedBytes => quote!(__private::ByteVec(#name)),
            Self::Bytes => quote!(__private::Blob::new(#name)),
            Self::MaybeBytes => quote!(#name.map(__private::Blob::new)),
            Self::Owned
            | Self::Defaulted
            | Self::Text
            | Self::MaybeText
            | Self::Lent(_)
            | Self::MaybeLent(_) => quote!(#name),
        }
    }

    /// The type that the server decodes an argument of type `ty` into.
    pub(crate) fn decoded(&self, ty: &Type) -> TokenStream {
        match self {
            Self::Owned => quote!(#ty),
            Self::Defaulted => quote!(__private::Defaulted<#ty>),
            Self::OwnedBytes => quote!(__private::ByteVec),
            Self::Text => quote!(__private::Text<'_>),
            Self::Bytes => quote!(__private::Blob<'_>),
            Self::MaybeText => quote!(::core::option::Option<__private::Text<'_>>),
            Self::MaybeBytes => quote!(::core::option::Option<__private::Blob<'_>>),
            Self::Lent(target) => quote!(#target),
            Self::MaybeLent(target) => quote!(::core::option::Option<#target>),
        }
    }

    /// What the method is given of the decoded value `name`.
    pub(crate) fn given(&self, name: &Ident) -> TokenStream {
        match self {
            Self::Owned => quote!(#name),
            Self::Defaulted | Self::OwnedBytes => quote!(#name.0),
            Self::Text | Self::Bytes | Self::Lent(_) => quote!(&#name),
            Self::MaybeText | Self::MaybeBytes => quote!(#name.as_deref()),
            Self::MaybeLent(_) => quote!(#name.as_ref()),
        }
    }
}

/// The `T` of `&T`.
fn borrowed(ty: &Type) -> Option<&Type> {
    match peel(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => Some(&reference.elem),
        _ => None,
    }
}
