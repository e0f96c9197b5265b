//! Who is at the other end: an address, a certificate, and whom the host takes it for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use crate::text::printable;

/// How much of a name is shown, in bytes.
const SHOWN: usize = 256;

/// Who is at the other end of a call, as far as it is known.
///
/// Displayed, it is the address, or a word where there is none: `local` for a caller in this
/// process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    name: Arc<str>,
    address: Option<SocketAddr>,
    in_process: bool,
    /// Code of the host's own process, which calls its own objects.
    own: bool,
    certificate: Option<Arc<Certificate>>,
    principal: Option<Principal>,
    /// Whether the host's authenticator has said who it is.
    logged_in: bool,
    /// Whether it only passes on what somebody else wants, wherever that one is.
    relays: bool,
}

impl Peer {
    /// Somebody at an address. One of IPv4 that is written as one of IPv6 is taken for what it is.
    pub fn at(address: SocketAddr) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self {
            address: Some(address),
            ..Self::named(&address.to_string())
        }
    }

    /// Somebody without an address.
    ///
    /// - `name`: for logs; control characters are taken out.
    pub fn named(name: &str) -> Self {
        Self {
            name: printable(name, SHOWN).into(),
            address: None,
            in_process: false,
            own: false,
            certificate: None,
            principal: None,
            logged_in: false,
            relays: false,
        }
    }

    /// Somebody in this process.
    ///
    /// - `name`: for logs.
    pub fn in_process(name: &str) -> Self {
        Self {
            in_process: true,
            ..Self::named(name)
        }
    }

    /// Who calls an object of its own process.
    pub(crate) fn local() -> Arc<Self> {
        static LOCAL: LazyLock<Arc<Peer>> = LazyLock::new(|| {
            Arc::new(Peer {
                own: true,
                ..Peer::in_process("local")
            })
        });
        Arc::clone(&LOCAL)
    }

    /// Adds the certificate by which the peer has proved who it is. By itself, its owner is the principal.
    #[must_use]
    pub fn with_certificate(mut self, certificate: Option<Certificate>) -> Self {
        self.principal = certificate.as_ref().and_then(Certificate::owner);
        self.certificate = certificate.map(Arc::new);
        self
    }

    /// Says that the peer is a gateway, which passes on what somebody else wants.
    #[must_use]
    pub fn relaying(mut self) -> Self {
        self.relays = true;
        self
    }

    /// Says whom the host takes the peer for.
    pub(crate) fn logged_in(mut self, principal: Option<Principal>) -> Self {
        self.principal = principal;
        self.logged_in = true;
        self
    }

    /// Whether the host has found out whom it takes the peer for.
    pub(crate) fn is_logged_in(&self) -> bool {
        self.logged_in
    }

    /// Where the peer is, if it has an address.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The certificate by which the peer has proved who it is: with mutual TLS.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// Whom the host takes the peer for; nothing for a stranger.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// Whether the peer may do what is reserved for a role.
    pub fn has_role(&self, role: &str) -> bool {
        let principal = self.principal.as_ref();
        principal.is_some_and(|principal| principal.has_role(role))
    }

    /// Whether it is code of the host's own process, which may do everything.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    /// What stands for the peer where limits count by address.
    #[doc(hidden)]
    pub fn source(&self) -> Option<IpAddr> {
        self.address.map(|address| source(address.ip()))
    }

    /// Whether whoever calls is on this machine. A gateway that says that it is one is not who calls; of one that does
    /// not, everybody behind it seems to be here.
    pub fn is_on_this_machine(&self) -> bool {
        if self.relays {
            return false;
        }
        let address = self.address.map(|address| address.ip());
        self.in_process || address.as_ref().is_some_and(IpAddr::is_loopback)
    }
}

/// What stands for an address where limits count by address: one client has all IPv6 addresses that begin with the same 64 bits.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What a certificate says of its owner. Only those that were verified become one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// Its subject, as RFC 4514 writes names: `CN=billing,O=Example`. May be empty.
    pub subject: String,
    /// Its other names, each with its kind: `DNS:bank.example`, `IP:192.0.2.1`, `email:ann@example`, `URI:spiffe://…`. So
    /// none of them is taken for a subject.
    pub names: Vec<String>,
}

impl Certificate {
    /// - `subject`: as RFC 4514 writes names.
    /// - `names`: with their kinds.
    pub fn new(subject: impl Into<String>, names: Vec<String>) -> Self {
        let subject = subject.into();
        Self { subject, names }
    }

    /// Its owner: the subject, or the first other name of one without.
    fn owner(&self) -> Option<Principal> {
        let subject = Some(&self.subject).filter(|subject| !subject.is_empty());
        subject.or(self.names.first()).map(Principal::new)
    }

    /// The subject, if there is one, and all other names.
    pub(crate) fn all_names(&self) -> Vec<&str> {
        let subject = Some(&self.subject).filter(|subject| !subject.is_empty());
        subject
            .into_iter()
            .chain(&self.names)
            .map(String::as_str)
            .collect()
    }

    /// Whether the certificate has a name: its whole subject, or one of the other names.
    pub fn is_named(&self, name: &str) -> bool {
        self.subject == name || self.names.iter().any(|own| own == name)
    }
}

/// Whom a host takes a caller for: a name, and the roles that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: Arc<str>,
    roles: Arc<[String]>,
}

impl Principal {
    /// Somebody without roles.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self {
            name: name.as_ref().into(),
            roles: Arc::default(),
        }
    }

    /// Adds a role.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        let own = self.roles.iter().cloned();
        self.roles = own.chain([role.into()]).collect();
        self
    }

    /// The name, by which quotas are counted.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The roles.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(String::as_str)
    }

    /// Whether the principal has a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().any(|own| own == role)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_on_this_machine_by_its_address_or_in_its_process() {
        for (address, here) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("192.0.2.1:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            let peer = Peer::at(address.parse().unwrap());
            assert_eq!(peer.is_on_this_machine(), here, "{address}");
        }
        assert!(Peer::in_process("local").is_on_this_machine());
        assert!(!Peer::named("127.0.0.1:1").is_on_this_machine());
        let gateway = Peer::at("127.0.0.1:1".parse().unwrap()).relaying();
        assert!(!gateway.is_on_this_machine());
    }

    #[test]
    fn all_addresses_that_one_client_may_have_count_as_one() {
        for (address, counts_as) in [
            ("192.0.2.1:1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
            ("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::"),
            ("[2001:db8:1:3:3:4:5:6]:1", "2001:db8:1:3::"),
        ] {
            let peer = Peer::at(address.parse().unwrap());
            assert_eq!(peer.source(), Some(counts_as.parse().unwrap()));
        }
    }

    #[test]
    fn roles_are_those_of_the_principal() {
        let stranger = Peer::named("somebody");
        assert!(!stranger.has_role("teller"));
        let ann = Principal::new("ann").role("teller").role("clerk");
        let peer = stranger.logged_in(Some(ann));
        assert!(peer.has_role("teller") && peer.has_role("clerk") && !peer.has_role("tell"));
    }

    #[test]
    fn a_name_that_would_break_a_log_line_is_cleaned() {
        assert!(
            !Peer::named("a\n\u{1b}[31m")
                .to_string()
                .contains(['\n', '\u{1b}'])
        );
    }
}
