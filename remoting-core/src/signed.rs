//! Tokens that are good once, and only for a short time: signed with a key that both sides know.
//!
//! `rs1.EXPIRES.NONCE.MAC.NAME`: seconds since 1970, 16 random bytes and an HMAC-SHA256 (RFC 2104) of all the rest, in
//! hexadecimal digits, and whom the token is of. Whoever sees one cannot use it again, nor make another.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::authentication::Denied;
use crate::id::random_bytes;
use crate::secret::Secret;

/// How these tokens begin.
pub(crate) const PREFIX: &str = "rs1.";

/// How long a token is good.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// How much further in the future a token may end: clocks differ.
const SKEW: Duration = Duration::from_secs(60);

/// How many tokens are remembered at most that were used and are not over.
const REMEMBERED: usize = 65_536;

const NONCE: usize = 16;
const MAC: usize = 32;

/// Makes a token.
///
/// - `now`: since 1970.
pub(crate) fn mint(name: &str, key: &Secret, now: Duration) -> Secret {
    let expires = now.saturating_add(GOOD_FOR).as_secs();
    let nonce = hexadecimal(&random_bytes::<NONCE>());
    let signed = signed_part(expires, &nonce, name);
    let mac = hexadecimal(&hmac(key, &signed).finalize().into_bytes());
    Secret::new(format!("{PREFIX}{expires}.{nonce}.{mac}.{name}"))
}

/// How much time has gone since 1970, by the clock on the wall.
pub(crate) fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// A token that was read, and whose signature was not looked at.
pub(crate) struct Claim<'a> {
    expires: u64,
    nonce: &'a str,
    nonce_bytes: [u8; NONCE],
    mac: [u8; MAC],
    /// Whom it says it is of.
    pub(crate) name: &'a str,
}

impl<'a> Claim<'a> {
    /// Reads a token; nothing if it is none of these.
    pub(crate) fn read(token: &'a str) -> Option<Self> {
        let mut parts = token.strip_prefix(PREFIX)?.splitn(4, '.');
        let expires = parts.next()?;
        let is_number = !expires.is_empty() && expires.bytes().all(|byte| byte.is_ascii_digit());
        let nonce = parts.next()?;
        let nonce_bytes = bytes_of(nonce)?;
        let mac = bytes_of(parts.next()?)?;
        let name = parts.next()?;
        Some(Self {
            expires: expires.parse().ok().filter(|_| is_number)?,
            nonce,
            nonce_bytes,
            mac,
            name,
        })
    }

    /// Checks that a token was signed with a key, is not over, and was not used.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn check(&self, key: &Secret, used: &Used, now: Duration) -> Result<(), Denied> {
        let signed = signed_part(self.expires, self.nonce, self.name);
        // In a time that does not depend on where they differ.
        hmac(key, &signed)
            .verify_slice(&self.mac)
            .map_err(|_| Denied::new("its token was signed with another key"))?;
        let latest = now.saturating_add(GOOD_FOR).saturating_add(SKEW);
        if self.expires < now.as_secs() {
            return Err(Denied::new(
                "its token is over; are the clocks of both machines right?",
            ));
        }
        if self.expires > latest.as_secs() {
            return Err(Denied::new(
                "its token is good for too long; are the clocks of both machines right?",
            ));
        }
        used.take(self.nonce_bytes, self.expires, now)
    }
}

/// The tokens of one key that were used and are not over.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    /// Tokens that were made before are not good: nobody knows which of them were used.
    since: u64,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    expires: HashMap<[u8; NONCE], u64>,
    /// The second at which those that are over were forgotten last.
    tidied: u64,
}

impl Used {
    /// None was used yet.
    pub(crate) fn begin(now: Duration) -> Self {
        Self {
            since: now.as_secs(),
            table: Arc::default(),
        }
    }

    fn take(&self, nonce: [u8; NONCE], expires: u64, now: Duration) -> Result<(), Denied> {
        if expires < self.since.saturating_add(GOOD_FOR.as_secs()) {
            return Err(Denied::new(
                "its token was made before this host began; another one will do",
            ));
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now.as_secs();
        // At most once a second, whoever asks how often.
        if table.expires.len() >= REMEMBERED && table.tidied != second {
            table.tidied = second;
            table.expires.retain(|_, expires| *expires >= second);
        }
        if table.expires.len() >= REMEMBERED {
            return Err(Denied::new(
                "too many tokens of the key are used at the moment",
            ));
        }
        match table.expires.insert(nonce, expires) {
            None => Ok(()),
            Some(_) => Err(Denied::new("its token was used before")),
        }
    }
}

fn signed_part(expires: u64, nonce: &str, name: &str) -> String {
    format!("{PREFIX}{expires}.{nonce}.{name}")
}

fn hmac(key: &Secret, text: &str) -> Hmac<Sha256> {
    let keyed = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes());
    let mut hmac = keyed.expect("HMAC takes keys of every length");
    hmac.update(text.as_bytes());
    hmac
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// As many bytes from hexadecimal digits in lower case, and nothing else.
fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != N.checked_mul(2)? || !text.bytes().all(is_lower) {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(place * 2..place * 2 + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn judge(token: &str, key: &str, used: &Used, now: Duration) -> Result<(), String> {
        let claim = Claim::read(token).ok_or("unreadable")?;
        let checked = claim.check(&Secret::new(key), used, now);
        checked.map_err(|denied| denied.to_string())
    }

    #[test]
    fn a_token_is_good_once_and_for_a_minute() {
        let used = Used::begin(NOW);
        let token = mint("ann.of.sales", &Secret::new("key"), NOW);
        let token = token.expose();
        assert_eq!(Claim::read(token).unwrap().name, "ann.of.sales");
        let other = judge(token, "another key", &used, NOW);
        assert!(other.unwrap_err().contains("another key"));
        assert_eq!(judge(token, "key", &used, NOW), Ok(()));
        assert!(
            judge(token, "key", &used, NOW)
                .unwrap_err()
                .contains("used before")
        );
        let late = NOW + GOOD_FOR + Duration::from_secs(1);
        assert!(
            judge(token, "key", &Used::begin(NOW - SKEW), late)
                .unwrap_err()
                .contains("is over")
        );
        let early = NOW - SKEW - Duration::from_secs(1);
        assert!(
            judge(token, "key", &Used::begin(NOW - SKEW), early)
                .unwrap_err()
                .contains("too long")
        );
    }

    #[test]
    fn each_change_of_a_token_is_noticed() {
        let token = mint("ann", &Secret::new("key"), NOW);
        let token = token.expose();
        for place in 0..token.len() {
            for with in ["0", "a", "."] {
                let mut changed = token.to_owned();
                changed.replace_range(place..=place, with);
                if changed != token {
                    assert!(
                        judge(&changed, "key", &Used::begin(NOW - SKEW), NOW).is_err(),
                        "{changed}"
                    );
                }
            }
            let cut = token.get(..place).unwrap();
            assert!(
                judge(cut, "key", &Used::begin(NOW - SKEW), NOW).is_err(),
                "{cut}"
            );
        }
        assert!(judge(&format!("{token}x"), "key", &Used::begin(NOW - SKEW), NOW).is_err());
    }

    #[test]
    fn a_token_that_was_made_before_the_host_began_is_not_good() {
        let token = mint("ann", &Secret::new("key"), NOW);
        let later = Used::begin(NOW + Duration::from_secs(1));
        let judged = judge(token.expose(), "key", &later, NOW + Duration::from_secs(2));
        assert!(judged.unwrap_err().contains("before this host began"));
    }

    #[test]
    fn used_tokens_are_forgotten_when_they_are_over_and_no_more_are_remembered_than_may_be() {
        let used = Used::begin(Duration::ZERO);
        let nonce = |number: usize| {
            let mut nonce = [0; NONCE];
            nonce[..8].copy_from_slice(&number.to_le_bytes());
            nonce
        };
        for number in 0..REMEMBERED {
            used.take(nonce(number), 70, Duration::ZERO).unwrap();
        }
        assert!(
            used.take(nonce(REMEMBERED), 70, Duration::from_secs(1))
                .is_err()
        );
        used.take(nonce(REMEMBERED), 120, Duration::from_secs(71))
            .unwrap();
        assert_eq!(used.table.lock().unwrap().expires.len(), 1);
    }
}
