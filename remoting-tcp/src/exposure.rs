//! Who could do what with a channel that other machines reach, and whether its owner wants that.
//!
//! | | callers are known | they are not |
//! |---|---|---|
//! | TLS | fine | refused, unless `allow_anonymous` |
//! | clear text | refused, unless `allow_plaintext` | refused, unless `allow_plaintext` |

use remoting_core::channel::Acceptor;

use crate::security::Security;

/// What stands between a channel and those who can reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelter {
    /// Nobody on the way can read or change what is sent.
    pub is_secure: bool,
    /// Who calls has proved who it is.
    pub knows_callers: bool,
}

impl Shelter {
    /// What a channel has with its settings, at a host.
    pub fn of(security: &Security, acceptor: &Acceptor) -> Self {
        Self {
            is_secure: security.is_secure(),
            knows_callers: security.knows_clients() || acceptor.denies_strangers(),
        }
    }
}

/// What the owner of a channel has allowed although others reach it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowed {
    pub(crate) plaintext: bool,
    pub(crate) anonymous: bool,
}

/// What others who can reach a channel could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exposed {
    /// Nothing that was not meant.
    Nothing,
    /// Read and change what is sent, or call without saying who they are. Its owner has allowed it.
    Allowed(&'static str),
    /// The same, and nobody has allowed it; says what, and what to do.
    Refused(&'static str),
}

impl Exposed {
    pub(crate) fn of(shelter: Shelter, allowed: Allowed) -> Self {
        let (what, advice, is_allowed) = match (shelter.is_secure, shelter.knows_callers) {
            (true, true) => return Self::Nothing,
            (true, false) => (
                "asks nobody who they are",
                "asks nobody who they are; listen on `127.0.0.1`, ask clients for a certificate or give the host \
                 an authenticator, or call `allow_anonymous()` if everybody may call",
                allowed.anonymous || allowed.plaintext,
            ),
            (false, true) => (
                "sends clear text",
                "sends clear text; listen on `127.0.0.1`, use TLS, or call `allow_plaintext()` if the network \
                 is trusted",
                allowed.plaintext,
            ),
            (false, false) => (
                "sends clear text and asks nobody who they are",
                "sends clear text and asks nobody who they are; listen on `127.0.0.1`, use TLS and \
                 authentication, or call `allow_plaintext()` if the network is trusted",
                allowed.plaintext,
            ),
        };
        if is_allowed {
            Self::Allowed(what)
        } else {
            Self::Refused(advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Shelter = Shelter {
        is_secure: false,
        knows_callers: false,
    };

    #[test]
    fn what_is_allowed_is_said_once_more_when_it_is_done() {
        let secure = Shelter {
            is_secure: true,
            ..OPEN
        };
        let known = Shelter {
            knows_callers: true,
            ..OPEN
        };
        let plaintext = Allowed {
            plaintext: true,
            anonymous: false,
        };
        let anonymous = Allowed {
            plaintext: false,
            anonymous: true,
        };
        for (shelter, allowed, is_allowed) in [
            (OPEN, plaintext, true),
            (OPEN, anonymous, false),
            (known, plaintext, true),
            (known, anonymous, false),
            (secure, plaintext, true),
            (secure, anonymous, true),
        ] {
            let exposed = Exposed::of(shelter, allowed);
            assert_eq!(
                matches!(exposed, Exposed::Allowed(_)),
                is_allowed,
                "{shelter:?} {allowed:?}"
            );
        }
    }
}
