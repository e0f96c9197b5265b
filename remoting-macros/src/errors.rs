//! Collects errors, so that one build shows all of them.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The errors found so far.
#[derive(Default)]
pub(crate) struct Errors {
    found: Vec<syn::Error>,
}

impl Errors {
    /// Notes an error at `tokens`, which the user wrote.
    pub(crate) fn push(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.found.push(syn::Error::new_spanned(tokens, message));
    }

    /// Notes an error that syn found.
    pub(crate) fn push_error(&mut self, error: syn::Error) {
        self.found.push(error);
    }

    /// How many errors were found.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// Tells whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The messages, for tests.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.found.iter().map(ToString::to_string).collect()
    }

    /// Turns the errors into tokens that make the compiler show each of them.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.found
            .iter()
            .map(syn::Error::to_compile_error)
            .collect()
    }
}

/// Finds the one of `known` that the user may have meant by `typed`.
///
/// One or two letters wrong, missing or too many count as a slip; in a short word
/// only one, because there two letters make another word.
pub(crate) fn did_you_mean<'k>(typed: &str, known: &[&'k str]) -> Option<&'k str> {
    let allowed = if typed.len() > 4 { 2 } else { 1 };
    known
        .iter()
        .map(|word| (distance(typed, word), *word))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, word)| word)
}

/// Counts the letters to insert, remove or replace to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, have) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, want) in row.iter_mut().skip(1).zip(to.chars()) {
            let replaced = diagonal + usize::from(have != want);
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        row[0] = line + 1;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod unit {
    use super::{did_you_mean, distance};

    #[test]
    fn the_distance_of_two_words_counts_single_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("name", "name"), 0);
        assert_eq!(distance("nam", "name"), 1);
        assert_eq!(distance("idempotant", "idempotent"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        assert_eq!(did_you_mean("nam", &["crate", "name"]), Some("name"));
        assert_eq!(did_you_mean("onewya", &["oneway"]), Some("oneway"));
        assert_eq!(did_you_mean("inline", &["oneway", "rename"]), None);
    }
}
