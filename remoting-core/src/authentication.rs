//! Who a caller is: what it shows, and who decides what that proves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::peer::{Certificate, Peer, Principal};
use crate::secret::Secret;

/// How many bytes a token has at most.
pub(crate) const MAX_TOKEN: usize = 4096;

/// What becomes of somebody who wants to be let in.
pub type Admitted<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Principal>, Denied>> + Send + 'a>>;

/// Decides who the callers of a host are, before anything else of theirs is looked at.
///
/// It is asked once for each session, and for each request that comes without one. One that takes longer
/// than `Limits::handshake_time` has denied. (.NET: `IAuthorizeRemotingConnection`.)
///
/// ```
/// use remoting_core::{Admitted, Authenticator, Credentials, Denied, Principal};
///
/// struct Passwords;
///
/// impl Authenticator for Passwords {
///     fn authenticate<'a>(&'a self, shown: Credentials<'a>) -> Admitted<'a> {
///         Box::pin(async move {
///             match shown.token() {
///                 None => Ok(None), // a stranger, who may do what needs no role
///                 Some("open sesame") => Ok(Some(Principal::new("ali").role("cave"))),
///                 Some(_) => Err(Denied::new("a wrong token")),
///             }
///         })
///     }
/// }
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Gives whom the host is to take somebody for; nothing for a stranger who is let in all the same.
    ///
    /// # Errors
    ///
    /// Who is denied gets `Unauthenticated` without a reason; the reason goes into the log of the host.
    fn authenticate<'a>(&'a self, shown: Credentials<'a>) -> Admitted<'a>;

    /// Whether nobody is let in whom it does not know. Where strangers are, a host that others reach needs
    /// `allow_anonymous` all the same.
    fn denies_strangers(&self) -> bool {
        true
    }
}

/// What somebody shows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    token: Option<&'a Secret>,
    peer: &'a Peer,
}

impl<'a> Credentials<'a> {
    pub(crate) fn new(token: Option<&'a Secret>, peer: &'a Peer) -> Self {
        Self { token, peer }
    }

    /// The token that was sent along. It may be anything; compare it in constant time.
    pub fn token(&self) -> Option<&'a str> {
        self.token.map(Secret::expose)
    }

    /// The certificate by which the peer has proved who it is.
    pub fn certificate(&self) -> Option<&'a Certificate> {
        self.peer.certificate()
    }

    /// Where the peer is.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }
}

/// What a channel shows of this side to those whom it dials.
#[derive(Debug, Clone)]
pub struct Token(Source);

#[derive(Debug, Clone)]
enum Source {
    Word(Secret),
    #[cfg(feature = "signed-tokens")]
    Key(Arc<str>, Secret),
}

impl Token {
    /// Always the same word, of at most 4,096 bytes.
    pub fn new(token: impl Into<Secret>) -> Self {
        Self(Source::Word(token.into()))
    }

    /// A new word for each session and each request, which is good once, for a minute: of no use at that host to who
    /// sees it.
    ///
    /// - `name`: the principal's that the host knows by the key.
    /// - `key`: see [`Principals::key`].
    #[cfg(feature = "signed-tokens")]
    pub fn signed(name: impl AsRef<str>, key: impl Into<Secret>) -> Self {
        Self(Source::Key(name.as_ref().into(), key.into()))
    }

    /// The word for one session, or one request.
    pub fn mint(&self) -> Secret {
        match &self.0 {
            Source::Word(word) => word.clone(),
            #[cfg(feature = "signed-tokens")]
            Source::Key(name, key) => crate::signed::mint(name, key, crate::signed::now()),
        }
    }
}

impl From<&str> for Token {
    fn from(token: &str) -> Self {
        Self::new(token)
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self::new(token)
    }
}

impl From<Secret> for Token {
    fn from(token: Secret) -> Self {
        Self::new(token)
    }
}

/// Why somebody is not let in, for the log of the host and for nobody else.
#[derive(Debug, Clone)]
pub struct Denied(String);

impl Denied {
    /// - `reason`: holds no secret.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list of those who may come in, each known by a token or by the name in its certificate.
///
/// ```
/// use remoting_core::{Host, Principal, Principals};
///
/// # fn main() -> remoting_core::Result<()> {
/// # let from_a_file = "3Zp…";
/// let known = Principals::new()
///     .token(from_a_file, Principal::new("ann").role("teller"))
///     .certificate("CN=billing", Principal::new("billing").role("auditor"));
/// let host = Host::builder().authenticator(known).start_client()?;
/// # drop(host);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Principals {
    by_token: Vec<(Secret, Principal)>,
    by_certificate: Vec<(String, Principal)>,
    #[cfg(feature = "signed-tokens")]
    by_key: Vec<Signer>,
    strangers: bool,
}

/// Somebody who signs its tokens.
#[cfg(feature = "signed-tokens")]
#[derive(Clone)]
struct Signer {
    key: Secret,
    principal: Principal,
    /// The tokens that were used.
    used: crate::signed::Used,
}

impl Principals {
    /// A list with nobody on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds somebody who is known by a token: at least 128 random bits, written as text.
    #[must_use]
    pub fn token(mut self, token: impl Into<Secret>, principal: Principal) -> Self {
        self.by_token.push((token.into(), principal));
        self
    }

    /// Adds somebody who signs its tokens, each of which is good once: what a channel shows with
    /// [`Token::signed`]. The clocks of both machines may differ by a minute.
    ///
    /// A name may have several keys, for as long as one takes the other's place. A token is good once for as long as this list lives,
    /// and one that was made before is not good at all: give each host a key of its own, so that none can use at another what it
    /// was shown.
    ///
    /// - `key`: at least 256 random bits, written as text, which nobody else has.
    #[cfg(feature = "signed-tokens")]
    #[must_use]
    pub fn key(mut self, key: impl Into<Secret>, principal: Principal) -> Self {
        self.by_key.push(Signer {
            key: key.into(),
            principal,
            used: crate::signed::Used::begin(crate::signed::now()),
        });
        self
    }

    /// Adds somebody who is known by its certificate.
    ///
    /// - `name`: the whole subject, `CN=billing,O=Example`, or one of the other names with its kind, `DNS:billing.example`.
    #[must_use]
    pub fn certificate(mut self, name: impl Into<String>, principal: Principal) -> Self {
        self.by_certificate.push((name.into(), principal));
        self
    }

    /// Lets in those too who show neither; they have no role.
    #[must_use]
    pub fn or_strangers(mut self) -> Self {
        self.strangers = true;
        self
    }

    fn find(&self, shown: Credentials<'_>) -> Result<Option<Principal>, Denied> {
        if let Some(token) = shown.token() {
            #[cfg(feature = "signed-tokens")]
            if let Some(claim) = crate::signed::Claim::read(token) {
                return self.find_signer(&claim).map(Some);
            }
            // All are looked at, so that the time tells nothing of how far a guess got.
            let all = self.by_token.iter();
            let found = all.fold(None, |found, (own, principal)| {
                if own.is(token) {
                    Some(principal)
                } else {
                    found
                }
            });
            return found
                .filter(|_| !token.is_empty())
                .cloned()
                .map(Some)
                .ok_or_else(|| Denied::new("its token is none of those that are known"));
        }
        if let Some(certificate) = shown.certificate() {
            let mut all = self.by_certificate.iter();
            let found = all.find(|(name, _)| certificate.is_named(name));
            if let Some((_, principal)) = found {
                return Ok(Some(principal.clone()));
            }
        }
        match (self.strangers, shown.certificate()) {
            (true, _) => Ok(None),
            (false, None) => Err(Denied::new(
                "it has shown neither a token nor a certificate",
            )),
            (false, Some(shown)) => Err(Denied::new(format!(
                "its certificate has none of the names that are known, but `{}`",
                shown.all_names().join("`, `")
            ))),
        }
    }
}

#[cfg(feature = "signed-tokens")]
impl Principals {
    fn find_signer(&self, claim: &crate::signed::Claim<'_>) -> Result<Principal, Denied> {
        let mut denied = Denied::new("its token is of nobody who is known");
        for signer in &self.by_key {
            if signer.principal.name() != claim.name || signer.key.is_empty() {
                continue;
            }
            match claim.check(&signer.key, &signer.used, crate::signed::now()) {
                Ok(()) => return Ok(signer.principal.clone()),
                Err(why) => denied = why,
            }
        }
        Err(denied)
    }
}

impl Authenticator for Principals {
    fn authenticate<'a>(&'a self, shown: Credentials<'a>) -> Admitted<'a> {
        Box::pin(std::future::ready(self.find(shown)))
    }

    fn denies_strangers(&self) -> bool {
        !self.strangers
    }
}

impl fmt::Debug for Principals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |all: &mut dyn Iterator<Item = &Principal>| -> Vec<String> {
            all.map(ToString::to_string).collect()
        };
        #[cfg(feature = "signed-tokens")]
        let by_key = names(&mut self.by_key.iter().map(|own| &own.principal));
        #[cfg(not(feature = "signed-tokens"))]
        let by_key: [String; 0] = [];
        f.debug_struct("Principals")
            .field("by_key", &by_key)
            .field(
                "by_token",
                &names(&mut self.by_token.iter().map(|(_, own)| own)),
            )
            .field(
                "by_certificate",
                &names(&mut self.by_certificate.iter().map(|(_, own)| own)),
            )
            .field("strangers", &self.strangers)
            .finish()
    }
}

impl<A: Authenticator + ?Sized> Authenticator for Arc<A> {
    fn authenticate<'a>(&'a self, shown: Credentials<'a>) -> Admitted<'a> {
        (**self).authenticate(shown)
    }

    fn denies_strangers(&self) -> bool {
        (**self).denies_strangers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Principals {
        Principals::new()
            .token("first", Principal::new("ann"))
            .token("second", Principal::new("bob"))
            .certificate("CN=billing", Principal::new("billing"))
            .certificate("URI:spiffe://example/audit", Principal::new("audit"))
    }

    fn found(list: &Principals, token: Option<&str>, certificate: Option<Certificate>) -> String {
        let peer = Peer::named("somebody").with_certificate(certificate);
        let token = token.map(Secret::new);
        match list.find(Credentials::new(token.as_ref(), &peer)) {
            Ok(Some(principal)) => principal.name().to_owned(),
            Ok(None) => "a stranger".to_owned(),
            Err(denied) => denied.to_string(),
        }
    }

    #[test]
    fn somebody_is_who_its_token_or_certificate_says() {
        let (list, none) = (known(), Vec::new());
        assert_eq!(found(&list, Some("second"), None), "bob");
        assert_eq!(
            found(&list, None, Some(Certificate::new("CN=billing", none))),
            "billing"
        );
        let audit = Certificate::new("", vec!["URI:spiffe://example/audit".to_owned()]);
        assert_eq!(found(&list, None, Some(audit)), "audit");
    }

    #[test]
    fn nobody_else_is_let_in_and_a_wrong_token_is_never_overlooked() {
        let list = known();
        assert!(found(&list, None, None).contains("neither"));
        assert!(found(&list, Some("firs"), None).contains("token"));
        let other = Certificate::new("CN=billing,O=Other", Vec::new());
        assert!(found(&list, None, Some(other)).contains("none of the names"));
        let open = known().or_strangers();
        assert_eq!(found(&open, None, None), "a stranger");
        let billing = Certificate::new("CN=billing", Vec::new());
        assert!(found(&open, Some("third"), Some(billing)).contains("token"));
    }

    #[test]
    fn an_empty_token_is_nobodys() {
        let careless = Principals::new().token("", Principal::new("ann"));
        assert!(found(&careless, Some(""), None).contains("none of those"));
    }

    #[test]
    fn the_list_shows_no_token() {
        let text = format!("{:?}", known());
        assert!(text.contains("ann") && !text.contains("first"), "{text}");
    }
}
