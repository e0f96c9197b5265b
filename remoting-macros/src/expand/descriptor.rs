//! The interface's descriptor: names, numbers and what the attributes ask for.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::ast::{Interface, Method, Receiver};
use crate::attr::Mark;
use crate::hash::fnv1a64;

/// Writes `static INTERFACE`.
pub(super) fn descriptor(interface: &Interface) -> TokenStream {
    let name = &interface.wire_name;
    let signature = signature_hash(interface);
    let methods: Vec<_> = interface.calls().map(method_descriptor).collect();
    let constructors: Vec<_> = interface.constructors().map(method_descriptor).collect();
    let methods = (!methods.is_empty()).then(|| quote!(.methods(&[#(#methods),*])));
    let constructors =
        (!constructors.is_empty()).then(|| quote!(.constructors(&[#(#constructors),*])));
    quote! {
        static INTERFACE: __private::InterfaceDescriptor =
            __private::InterfaceDescriptor::new(#name, #signature) #methods #constructors;
    }
}

/// Writes the descriptor of one method.
fn method_descriptor(method: &Method) -> TokenStream {
    let name = method.wire_name();
    let arguments = method.arguments.iter().map(|argument| argument.wire_name());
    let exclusive = (method.receiver == Receiver::Exclusive).then(|| quote!(.exclusive()));
    let setters = [
        (Mark::Oneway, quote!(.oneway())),
        (Mark::Idempotent, quote!(.idempotent())),
        (Mark::Readonly, quote!(.readonly())),
        (Mark::Detached, quote!(.detached())),
        (Mark::CancelSafe, quote!(.cancel_safe())),
        (Mark::Blocking, quote!(.blocking())),
    ];
    let set = setters
        .into_iter()
        .filter(|(mark, _)| method.marks.has(*mark))
        .map(|(_, setter)| setter);
    let streams =
        mentions(method.answer.to_token_stream(), "Streaming").then(|| quote!(.streams()));
    let stream_argument = stream_argument(method).map(|place| quote!(.stream_argument(#place)));
    let roles = &method.marks.roles;
    let roles = (!roles.is_empty()).then(|| quote!(.roles(&[#(#roles),*])));
    quote!(__private::MethodDescriptor::new(#name, &[#(#arguments),*]) #exclusive #(#set)* #streams #stream_argument #roles)
}

/// The place of the argument that is a stream, where there is one such and no more.
fn stream_argument(method: &Method) -> Option<usize> {
    let arguments = method.arguments.iter().enumerate();
    let mut streams =
        arguments.filter(|(_, argument)| mentions(argument.ty.to_token_stream(), "Streaming"));
    let (place, _) = streams.next()?;
    streams.next().is_none().then_some(place)
}

/// Whether a word stands somewhere in a type.
fn mentions(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => mentions(group.stream(), word),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Sums up all signatures, so that two ends can tell that their versions differ.
fn signature_hash(interface: &Interface) -> u64 {
    let mut text = interface.wire_name.clone();
    for method in interface.calls().chain(interface.constructors()) {
        text.push_str(&format!("\n{} {:?} ", method.wire_name(), method.receiver));
        for argument in &method.arguments {
            text.push_str(&format!(
                "{}:{},",
                argument.wire_name(),
                without_spaces(&argument.ty)
            ));
        }
        text.push_str(&format!("->{}", without_spaces(&method.answer)));
    }
    fnv1a64(text.as_bytes())
}

/// The tokens as text; spaces are left out because compilers differ in where they put them.
fn without_spaces(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    text.retain(|letter| !letter.is_whitespace());
    text
}
