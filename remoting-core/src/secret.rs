//! Words that prove who somebody is, and that nobody else may see.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A word that is shown nowhere: Debug and Display write `<redacted>`. Its memory is overwritten when
/// it is dropped, and two are compared in a time that does not depend on where they differ.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes a word in.
    pub fn new(word: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(word.into())))
    }

    /// The word itself, for whoever has to send or check it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no word at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is this word.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.0.as_bytes().ct_eq(word.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.expose())
    }
}

impl Eq for Secret {}

impl From<&str> for Secret {
    fn from(word: &str) -> Self {
        Self::new(word)
    }
}

impl From<String> for Secret {
    fn from(word: String) -> Self {
        Self::new(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_nowhere_and_is_its_own_word_only() {
        let secret = Secret::new("canary");
        assert_eq!(format!("{secret} {secret:?}"), "<redacted> <redacted>");
        assert!(secret.is("canary") && !secret.is("canarx") && !secret.is("canary1"));
        assert_eq!(secret, Secret::from("canary"));
    }
}
