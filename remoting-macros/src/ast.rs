//! The tree of our own that the later passes work on.
//!
//! Reading never fails: what does not fit is left out here and named by `valid`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{
    Attribute, Block, FnArg, Generics, ItemTrait, Pat, PatType, Path, ReceiverKind, ReturnType,
    Signature, TraitItem, TraitItemFn, Type, Visibility, parse_quote,
};

use crate::attr::{Mark, Marks, Options, take_default};
use crate::errors::Errors;
use crate::passing::Passing;
use crate::types::{is_byte_vec, last_segment, path_of, type_arguments};

/// The trait that becomes an interface.
pub(crate) struct Interface {
    /// Where the generated code finds the library.
    pub(crate) krate: Path,
    /// The name that peers agree on.
    pub(crate) wire_name: String,
    /// The trait as the user wrote it.
    pub(crate) item: ItemTrait,
    /// All methods and constructors, in the order of the trait.
    pub(crate) methods: Vec<Method>,
}

/// A method or constructor.
pub(crate) struct Method {
    /// Its place among the methods, or among the constructors.
    pub(crate) index: usize,
    /// Its attributes without ours.
    pub(crate) attributes: Vec<Attribute>,
    /// What our attributes say.
    pub(crate) marks: Marks,
    /// The signature as the user wrote it, without `#[default]`.
    pub(crate) signature: Signature,
    /// How it takes `self`.
    pub(crate) receiver: Receiver,
    /// The arguments after `self`.
    pub(crate) arguments: Vec<Argument>,
    /// What it returns.
    pub(crate) answer: Answer,
    /// The body, if it has one.
    pub(crate) body: Option<Block>,
    /// Whether `valid` found nothing wrong with it.
    pub(crate) sound: bool,
}

/// How a method takes `self`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// Not at all.
    None,
    /// `&self`.
    Shared,
    /// `&mut self`.
    Exclusive,
    /// Some other way.
    Other,
}

/// An argument.
pub(crate) struct Argument {
    /// The name; one of ours where the user wrote a pattern.
    pub(crate) name: Ident,
    /// The pattern that the user wrote instead of a name.
    pub(crate) pattern: Option<Pat>,
    /// The type as the user wrote it.
    pub(crate) ty: Type,
    /// `#[default]`.
    pub(crate) default: Option<Attribute>,
    /// How it travels.
    pub(crate) passing: Passing,
}

/// What a method returns, as far as the tokens tell it.
#[derive(Default)]
pub(crate) struct Answer {
    /// The whole type, unless nothing is written.
    pub(crate) whole: Option<Type>,
    /// The `T` of `Result<T, E>` or `Result<T>`; an alias does not show it.
    pub(crate) value: Option<Type>,
    /// The `E` of `Result<T, E>`.
    pub(crate) error: Option<Type>,
}

impl Interface {
    /// Reads a trait.
    pub(crate) fn read(
        item: ItemTrait,
        krate: Path,
        options: Options,
        errors: &mut Errors,
    ) -> Self {
        let wire_name = options
            .name
            .map_or_else(|| item.ident.unraw().to_string(), |name| name.value());
        let mut methods: Vec<Method> = Vec::new();
        for part in &item.items {
            if let TraitItem::Fn(function) = part {
                let mut method = Method::read(function, errors);
                let same = |other: &&Method| other.is_constructor() == method.is_constructor();
                method.index = methods.iter().filter(same).count();
                methods.push(method);
            }
        }
        Self {
            krate: options.krate.unwrap_or(krate),
            wire_name,
            item,
            methods,
        }
    }

    /// The trait's name.
    pub(crate) fn ident(&self) -> &Ident {
        &self.item.ident
    }

    /// The name of a generated item, such as `AccountProxy` for the suffix `Proxy`.
    ///
    /// It counts as written by the macro, so the compiler does not warn when the user
    /// has no use for it.
    pub(crate) fn named(&self, suffix: &str) -> Ident {
        let span = Span::call_site().located_at(self.ident().span());
        format_ident!("{}{suffix}", self.ident(), span = span)
    }

    /// The trait's visibility, which all that is generated shares.
    pub(crate) fn visibility(&self) -> &Visibility {
        &self.item.vis
    }

    /// The trait's generics.
    pub(crate) fn generics(&self) -> &Generics {
        &self.item.generics
    }

    /// The sound methods that take `self`.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Method> {
        self.methods
            .iter()
            .filter(|method| method.sound && !method.is_constructor())
    }

    /// The sound constructors.
    pub(crate) fn constructors(&self) -> impl Iterator<Item = &Method> {
        self.methods
            .iter()
            .filter(|method| method.sound && method.is_constructor())
    }

    /// Tells whether the trait has constructors.
    pub(crate) fn has_constructors(&self) -> bool {
        self.methods.iter().any(Method::is_constructor)
    }
}

impl Method {
    /// Reads a method.
    fn read(function: &TraitItemFn, errors: &mut Errors) -> Self {
        let before = errors.len();
        let mut attributes = function.attrs.clone();
        let marks = Marks::take(&mut attributes, errors);
        let mut signature = function.sig.clone();
        let mut receiver = Receiver::None;
        let mut arguments = Vec::new();
        for input in &mut signature.inputs {
            match input {
                FnArg::Receiver(found) => receiver = Receiver::read(&found.kind),
                FnArg::Typed(typed) => {
                    let default = take_default(&mut typed.attrs, errors);
                    arguments.push(Argument::read(typed, default));
                }
            }
        }
        let answer = Answer::read(&signature.output);
        let body = function.default.clone();
        let sound = errors.len() == before;
        Self {
            index: 0,
            attributes,
            marks,
            signature,
            receiver,
            arguments,
            answer,
            body,
            sound,
        }
    }

    /// Tells whether this is a constructor.
    pub(crate) fn is_constructor(&self) -> bool {
        self.marks.has(Mark::Constructor)
    }

    /// The method's name.
    pub(crate) fn ident(&self) -> &Ident {
        &self.signature.ident
    }

    /// The name that peers know the method by.
    pub(crate) fn wire_name(&self) -> String {
        match &self.marks.rename {
            Some(name) => name.value(),
            None => self.ident().unraw().to_string(),
        }
    }

    /// The names of the arguments.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Ident> {
        self.arguments.iter().map(|argument| &argument.name)
    }

    /// The arguments as they are declared: `name: Type`.
    pub(crate) fn declared(&self) -> TokenStream {
        let arguments = self
            .arguments
            .iter()
            .map(|Argument { name, ty, .. }| quote!(#name: #ty));
        quote!(#(#arguments),*)
    }

    /// The user's documentation, or `fallback` where there is none; and whether the method is deprecated.
    pub(crate) fn docs(&self, fallback: &str) -> TokenStream {
        let named = |name| {
            let attributes = self.attributes.iter();
            attributes.filter(move |attribute| attribute.path().is_ident(name))
        };
        let deprecated = named("deprecated");
        if named("doc").next().is_none() {
            return quote!(#[doc = #fallback] #(#deprecated)*);
        }
        let docs = named("doc");
        quote!(#(#docs)* #(#deprecated)*)
    }
}

impl Receiver {
    fn read(kind: &ReceiverKind) -> Self {
        match kind {
            ReceiverKind::Reference(_, None, None) => Self::Shared,
            ReceiverKind::Reference(_, None, Some(_)) => Self::Exclusive,
            _ => Self::Other,
        }
    }
}

impl Argument {
    /// Reads an argument, and takes a pattern out of the signature, where it could not stay.
    ///
    /// The name counts as written by the macro, because the compiler points at a part of
    /// an expression only if all of it is.
    fn read(typed: &mut PatType, default: Option<Attribute>) -> Self {
        let ty = typed.ty.as_ref().clone();
        let passing = Passing::of(&ty, default.is_some());
        let (mut name, pattern) = match plain_name(&typed.pat) {
            Some(name) => (name.clone(), None),
            None => {
                let pattern = std::mem::replace(typed.pat.as_mut(), parse_quote!(_));
                (Ident::new("_refused", Span::call_site()), Some(pattern))
            }
        };
        name.set_span(Span::call_site().located_at(name.span()));
        Self {
            name,
            pattern,
            ty,
            default,
            passing,
        }
    }

    /// The name that peers know the argument by.
    pub(crate) fn wire_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// The name of a pattern that is nothing but a name.
pub(crate) fn plain_name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(name)
            if name.by_ref.is_none() && name.mutability.is_none() && name.subpat.is_none() =>
        {
            Some(&name.ident)
        }
        _ => None,
    }
}

impl Answer {
    fn read(output: &ReturnType) -> Self {
        let ReturnType::Type(_, whole) = output else {
            return Self::default();
        };
        let result = last_segment(whole).filter(|segment| segment.ident == "Result");
        let (value, error) = match result.and_then(type_arguments).as_deref() {
            Some([value, error]) => (Some((*value).clone()), Some((*error).clone())),
            Some([value]) => (Some((*value).clone()), None),
            _ => (None, None),
        };
        Self {
            whole: Some(whole.as_ref().clone()),
            value,
            error,
        }
    }

    /// Tells whether the value is `Vec<u8>`, which travels as bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        self.value.as_ref().is_some_and(is_byte_vec)
    }

    /// Tells whether this is `remoting::Result<T>`, whose error is known.
    pub(crate) fn is_ours(&self) -> bool {
        let path = self.whole.as_ref().and_then(path_of);
        let parent = path.and_then(|path| path.segments.iter().rev().nth(1));
        let named = |name: &str| parent.is_some_and(|segment| segment.ident == name);
        self.value.is_some()
            && self.error.is_none()
            && (named("remoting") || named("remoting_core"))
    }
}

impl ToTokens for Answer {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.whole.to_tokens(tokens);
    }
}
