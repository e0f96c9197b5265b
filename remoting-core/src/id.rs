//! Identifiers and the hashes they are made of.
//!
//! Each kind of number that travels has a type of its own, so that a slot cannot
//! be taken for a call. Names become numbers by FNV-1a (PROTOCOL.md, section
//! "Names and numbers").

use std::fmt;

/// The number of a call: a place in its caller's table of open calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u32);

/// The number of an exported object inside one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// The number of a stream: a place in its producer's table of open streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// The 32-bit hash of a method's wire name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MethodId(pub u32);

/// The 64-bit hash of an interface's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfaceId(pub u64);

impl fmt::Debug for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InterfaceId({:016x})", self.0)
    }
}

/// Names the lock of one server object, wherever a call that holds it goes on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockToken(pub [u8; 8]);

impl LockToken {
    /// Makes a token that no peer can guess.
    pub fn random() -> Self {
        Self(random_bytes())
    }
}

/// Makes a word that stands for an object outside of all sessions, and that nobody can guess: 128 random
/// bits in base64url (RFC 4648).
pub(crate) fn ticket() -> String {
    format!("{TICKET}{}", unguessable())
}

/// 128 random bits in base64url, 22 letters.
pub fn unguessable() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let number = u128::from_be_bytes(random_bytes());
    let letters = (0..22).rev().map(|place| {
        let index = usize::try_from(number >> (6 * place) & 63).unwrap_or_default();
        char::from(LETTERS[index])
    });
    letters.collect()
}

/// What tickets begin with.
pub(crate) const TICKET: &str = "rt1.";

impl MethodId {
    /// Hashes a method's wire name.
    pub const fn of(name: &str) -> Self {
        Self(fnv1a32(name.as_bytes()))
    }
}

impl InterfaceId {
    /// Hashes an interface's name.
    pub const fn of(name: &str) -> Self {
        Self(fnv1a64(name.as_bytes()))
    }
}

/// Fills an array from the operating system's generator.
///
/// # Panics
///
/// If the operating system has no randomness to give, which it tells only on a
/// machine that is broken beyond this library's help.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let [bytes] = random_arrays();
    bytes
}

/// The same for several arrays, by one call of the operating system.
///
/// # Panics
///
/// As [`random_bytes`] does.
pub(crate) fn random_arrays<const N: usize, const COUNT: usize>() -> [[u8; N]; COUNT] {
    let mut arrays = [[0; N]; COUNT];
    getrandom::fill(arrays.as_flattened_mut())
        .expect("the operating system's random generator answers");
    arrays
}

const fn fnv1a32(bytes: &[u8]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    hash
}

const fn fnv1a64(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_a_word_that_is_never_made_twice() {
        let (one, other) = (ticket(), ticket());
        assert_ne!(one, other);
        assert_eq!(one.len(), 26);
        assert!(one.starts_with(TICKET), "{one}");
        assert!(crate::url::check_name(&one).is_ok(), "{one}");
    }

    #[test]
    fn the_hashes_are_those_of_the_published_test_values() {
        assert_eq!(fnv1a32(b""), 0x811c_9dc5);
        assert_eq!(fnv1a32(b"foobar"), 0xbf9c_f968);
        assert_eq!(fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
