//! The keys of the file, as data.
//!
//! Reading, suggestions, the environment, the dump and the tests all work from this one table, so that
//! a key cannot be known to one of them and not to another.

use std::time::Duration;

use super::limits::{LIMITS, LIMITS_OF_CHANNELS};

/// One key that the file may have.
#[derive(Debug)]
pub struct Key {
    /// Where it stands, with `*` for a name that the user chooses: `channels.*.listen`.
    pub path: &'static str,
    /// What its value has to be.
    pub kind: Kind,
    /// Whether the table that it belongs to is nothing without it.
    pub required: bool,
    /// What holds without it, as it would be written in the file; `None`: nothing.
    pub default: Option<&'static str>,
    /// What it is for.
    pub doc: &'static str,
}

impl Key {
    /// The parts of the path.
    pub fn segments(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.path.split('.')
    }
}

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text but the empty one.
    Text,
    /// `host:port`, to listen on.
    Address,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number.
    Number {
        /// The least that it may be.
        least: i64,
        /// The most that it may be.
        most: i64,
    },
    /// A number of bytes, with or without a unit.
    Size {
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
    },
    /// A length of time.
    Time {
        /// The least that it may be.
        least: Duration,
        /// Whether it may be `infinite`.
        infinite: bool,
    },
    /// A list of texts.
    Texts,
    /// Where a secret is: `env:NAME` or `file:PATH`.
    Secret,
    /// A file that is there.
    Path,
    /// A file that is there, or where a secret is.
    PathOrSecret,
    /// The URL of an object.
    Url,
}

/// The longest time that can be written: ten years of 365 days.
pub const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// A time of any length.
pub(super) const TIME: Kind = Kind::Time {
    least: Duration::ZERO,
    infinite: false,
};

/// A time that is not nothing.
pub(super) const SOME_TIME: Kind = Kind::Time {
    least: Duration::from_millis(1),
    infinite: false,
};

/// A time that may have no end.
const LEASE: Kind = Kind::Time {
    least: Duration::ZERO,
    infinite: true,
};

const PRIORITIES: Kind = Kind::Number {
    least: i32::MIN as i64,
    most: i32::MAX as i64,
};

const ERROR_DETAIL: Kind = Kind::Choice(&["off", "local-only", "on"]);
const PROTOCOLS: Kind = Kind::Choice(&["tcp", "http"]);
const FORMATTERS: Kind = Kind::Choice(&["message-pack", "json"]);
const CONNECT_POLICIES: Kind = Kind::Choice(&["fail-fast", "wait"]);
const ACTIVATIONS: Kind = Kind::Choice(&["singleton", "single-call", "activated"]);

pub(super) const fn key(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        path,
        kind,
        required: false,
        default: None,
        doc,
    }
}

pub(super) const fn with_default(
    path: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key {
        default: Some(default),
        ..key(path, kind, doc)
    }
}

const fn required(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        required: true,
        ..key(path, kind, doc)
    }
}

/// All keys, in the order in which they are shown.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    let tables = [HOST, LIMITS, CHANNELS, LIMITS_OF_CHANNELS, NAMED];
    tables.into_iter().flatten()
}

#[rustfmt::skip] // a table
const HOST: &[Key] = &[
    with_default("host.error-detail", ERROR_DETAIL, "\"local-only\"", "who is told how the server's code failed"),
    with_default("host.allow-plaintext", Kind::Flag, "false", "whether all channels may listen beyond this machine in clear text"),
    with_default("host.allow-anonymous", Kind::Flag, "false", "whether callers that nobody knows may call from beyond this machine"),
    with_default("host.insecure-listen", Kind::Flag, "false", "both `allow-plaintext` and `allow-anonymous`"),
    with_default("host.admit-strangers", Kind::Flag, "false", "whether callers are let in whom [principals] does not list, without roles"),
    with_default("host.connect-policy", CONNECT_POLICIES, "\"fail-fast\"", "whether calls wait for a server that cannot be reached"),
    key("host.client-sinks", Kind::Texts, "the program's sinks that calls pass through when they leave the host, the outermost one first"),
    key("host.server-sinks", Kind::Texts, "the program's sinks that calls pass through when they come to the host, the outermost one first"),
    with_default("lifetime.initial", LEASE, "\"5m\"", "how long a new lease runs (`0s`, like `infinite`: for ever)"),
    with_default("lifetime.renew-on-call", TIME, "\"2m\"", "how long a lease still runs, at least, after a call"),
    with_default("lifetime.sponsorship-timeout", TIME, "\"2m\"", "how long sponsors are asked"),
    with_default("lifetime.orphan-grace", TIME, "\"30s\"", "how long an object is kept whose last holder has vanished"),
    key("lifetime.max-lifetime", SOME_TIME, "when an object ends whoever holds it"),
    with_default("lifetime.classic", Kind::Flag, "false", "whether the lease alone decides, whoever holds the object"),
    key("lifetime.poll-time", TIME, "nothing (leases end on time, and nobody looks after them at intervals)"),
];

#[rustfmt::skip] // a table
const CHANNELS: &[Key] = &[
    required("channels.*.kind", PROTOCOLS, "what the channel speaks"),
    key("channels.*.listen", Kind::Address, "where it listens (without it, it only dials)"),
    with_default("channels.*.priority", PRIORITIES, "1", "channels of higher priority are tried first"),
    with_default("channels.*.formatter", FORMATTERS, "\"message-pack\"", "how calls that leave through it are written"),
    with_default("channels.*.allow-plaintext", Kind::Flag, "false", "whether it may listen beyond this machine, and send its token there, in clear text"),
    key("channels.*.connect-policy", CONNECT_POLICIES, "whether calls that leave through it wait for a server that cannot be reached (without it, as [host] has it)"),
    key("channels.*.origins", Kind::Texts, "the origins whose pages may call"),
    key("channels.*.host-names", Kind::Texts, "names that the server may be called by"),
    key("channels.*.sinks", Kind::Texts, "the program's sinks that calls pass through when they leave or come through it, behind those of the host"),
    key("channels.*.token", Kind::Secret, "what the channel shows when it dials"),
    required("channels.*.tls.certificate", Kind::Path, "the certificates that a listening channel shows"),
    required("channels.*.tls.key", Kind::PathOrSecret, "the key of its certificate"),
    key("channels.*.tls.client-roots", Kind::Path, "who vouches for the certificates of clients"),
    with_default("channels.*.tls.optional-client", Kind::Flag, "false", "whether clients without a certificate are let in too"),
    key("channels.*.tls.reload", SOME_TIME, "how often the files are looked at again, to use them when they have changed"),
    key("channels.*.client-tls.roots", Kind::Path, "who vouches for the certificates of servers"),
    key("channels.*.client-tls.certificate", Kind::Path, "the certificates that a dialling channel shows"),
    key("channels.*.client-tls.key", Kind::PathOrSecret, "the key of its certificate"),
];

#[rustfmt::skip] // a table
const NAMED: &[Key] = &[
    required("publications.*.class", Kind::Text, "which of the program's classes is offered"),
    required("publications.*.activation", ACTIVATIONS, "when its objects are made"),
    key("publications.*.lease", LEASE, "how long a new lease of its objects runs (`0s`, like `infinite`: for ever)"),
    key("publications.*.sinks", Kind::Texts, "the program's sinks that calls of its objects pass through, behind those of the host"),
    key("publications.*.roles", Kind::Texts, "who may call (one of the roles will do, and an empty list lets nobody in)"),
    required("publications.*.methods.*.roles", Kind::Texts, "who of those may call one method"),
    required("client.activated.*.url", Kind::Url, "where objects of the interface are activated"),
    required("client.well-known.*.url", Kind::Url, "where the one object of the interface is"),
    key("principals.*.token", Kind::Secret, "the token by which a caller is known"),
    key("principals.*.certificate", Kind::Text, "the subject, or another name, of the certificate by which a caller is known"),
    key("principals.*.roles", Kind::Texts, "what the caller may do"),
];
