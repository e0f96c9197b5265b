//! What the file says, in types: what a host is built from.
//!
//! Entries that lack what they need are left out here; a mistake tells of each.

#![cfg_attr(
    not(all(feature = "http", any(feature = "tls", feature = "tls-aws-lc"))),
    allow(
        dead_code,
        reason = "for what is not compiled in; `check.rs` refuses it"
    )
)]

use std::path::PathBuf;
use std::time::Duration;

use remoting_core::{ChannelLimits, ConnectPolicy, ErrorDetail, LeasePolicy, Limits, Secret};

use super::limits;
use super::path::KeyPath;
use super::read::Found;
use super::value::Value;

/// All settings of a host.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) host: HostSettings,
    pub(crate) lifetime: LeasePolicy,
    pub(crate) limits: Limits,
    pub(crate) channels: Vec<ChannelSettings>,
    pub(crate) publications: Vec<PublicationSettings>,
    pub(crate) activated: Vec<ClientSettings>,
    pub(crate) well_known: Vec<ClientSettings>,
    pub(crate) principals: Vec<PrincipalSettings>,
}

/// The table `[host]`.
#[derive(Debug)]
pub(crate) struct HostSettings {
    pub(crate) error_detail: ErrorDetail,
    pub(crate) connect_policy: ConnectPolicy,
    pub(crate) allow_plaintext: bool,
    pub(crate) allow_anonymous: bool,
    /// Whether callers are let in that are no principals, where there are any.
    pub(crate) admit_strangers: bool,
    pub(crate) client_sinks: Vec<String>,
    pub(crate) server_sinks: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Http,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    MessagePack,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Singleton,
    SingleCall,
    Activated,
}

/// A table `[channels.NAME]`.
#[derive(Debug)]
pub(crate) struct ChannelSettings {
    /// The table.
    pub(crate) at: KeyPath,
    pub(crate) protocol: Protocol,
    pub(crate) listen: Option<String>,
    pub(crate) priority: i32,
    pub(crate) format: Format,
    pub(crate) allow_plaintext: bool,
    pub(crate) connect_policy: Option<ConnectPolicy>,
    pub(crate) origins: Vec<String>,
    pub(crate) host_names: Vec<String>,
    pub(crate) sinks: Vec<String>,
    pub(crate) token: Option<Secret>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) client_tls: Option<ClientTls>,
    pub(crate) limits: ChannelLimits,
}

/// What a listening channel shows.
#[derive(Debug)]
pub(crate) struct ServerTls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: KeySource,
    pub(crate) client_roots: Option<PathBuf>,
    pub(crate) optional_client: bool,
    pub(crate) reload: Option<Duration>,
}

/// What a dialling channel shows and trusts.
#[derive(Debug)]
pub(crate) struct ClientTls {
    pub(crate) roots: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<KeySource>,
}

/// Where the key of a certificate is.
#[derive(Debug)]
pub(crate) enum KeySource {
    File(PathBuf),
    Secret(Secret),
}

/// A table `[publications.NAME]`.
#[derive(Debug)]
pub(crate) struct PublicationSettings {
    pub(crate) at: KeyPath,
    pub(crate) class: String,
    pub(crate) activation: Activation,
    /// How long a lease runs, if that is said; `Some(None)`: for ever.
    pub(crate) lease: Option<Option<Duration>>,
    pub(crate) sinks: Vec<String>,
    pub(crate) roles: Option<Vec<String>>,
    /// The methods that have roles of their own.
    pub(crate) methods: Vec<(String, Vec<String>)>,
}

/// A table `[client.activated.INTERFACE]` or `[client.well-known.INTERFACE]`.
#[derive(Debug)]
pub(crate) struct ClientSettings {
    pub(crate) at: KeyPath,
    pub(crate) url: String,
}

/// A table `[principals.NAME]`.
#[derive(Debug)]
pub(crate) struct PrincipalSettings {
    pub(crate) at: KeyPath,
    pub(crate) token: Option<Secret>,
    pub(crate) certificate: Option<String>,
    pub(crate) roles: Vec<String>,
}

impl Settings {
    pub(crate) fn of(found: &Found) -> Self {
        let tables = |parts: &[&str]| {
            let table = parts
                .iter()
                .fold(KeyPath::default(), |at, part| at.with(part));
            found
                .tables(&table)
                .into_iter()
                .map(|at| Table { found, at })
        };
        let client = |group: &str| {
            let entries = tables(&["client", group]);
            let entries = entries.filter_map(|table| {
                let url = table.text("url")?;
                let at = table.at;
                Some(ClientSettings { at, url })
            });
            entries.collect()
        };
        Self {
            host: host(found),
            lifetime: lifetime(&Table::at(found, "lifetime")),
            limits: limits(&Table::at(found, "limits"), limits::set),
            channels: tables(&["channels"])
                .filter_map(|table| channel(&table))
                .collect(),
            publications: tables(&["publications"])
                .filter_map(|table| publication(&table))
                .collect(),
            activated: client("activated"),
            well_known: client("well-known"),
            principals: tables(&["principals"]).map(principal).collect(),
        }
    }
}

/// A table of the file, with a way to its values for each type.
struct Table<'a> {
    found: &'a Found,
    at: KeyPath,
}

impl<'a> Table<'a> {
    fn at(found: &'a Found, name: &str) -> Self {
        let at = KeyPath::of([name]);
        Self { found, at }
    }

    /// A table of the table, if there is one.
    fn table(&self, name: &str) -> Option<Table<'a>> {
        let (found, at) = (self.found, self.at.with(name));
        found.has_table(&at).then_some(Table { found, at })
    }

    /// The names of the table's values, with the values.
    fn values(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let items = self.found.items.iter();
        let own = items.filter(|(path, _)| path.table() == self.at);
        own.map(|(path, item)| (path.last(), &item.value))
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.found.value(&self.at.with(key))
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn texts(&self, key: &str) -> Option<Vec<String>> {
        match self.value(key)? {
            Value::Texts(texts) => Some(texts.clone()),
            _ => None,
        }
    }

    fn connect_policy(&self) -> Option<ConnectPolicy> {
        Some(match self.text("connect-policy")?.as_str() {
            "wait" => ConnectPolicy::Wait,
            _ => ConnectPolicy::FailFast,
        })
    }

    fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Flag(true)))
    }

    /// A time, if there is one; `Some(None)`: without end.
    fn time(&self, key: &str) -> Option<Option<Duration>> {
        match self.value(key)? {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    fn file(&self, key: &str) -> Option<PathBuf> {
        match self.value(key)? {
            Value::Path(_, place) => Some(place.clone()),
            _ => None,
        }
    }

    fn secret(&self, key: &str) -> Option<Secret> {
        match self.value(key)? {
            Value::Secret(secret) => Some(secret.clone()),
            _ => None,
        }
    }

    fn key_source(&self, key: &str) -> Option<KeySource> {
        let secret = self.secret(key).map(KeySource::Secret);
        secret.or_else(|| self.file(key).map(KeySource::File))
    }
}

fn host(found: &Found) -> HostSettings {
    let table = Table::at(found, "host");
    let insecure = table.flag("insecure-listen");
    let error_detail = match table.text("error-detail").as_deref() {
        Some("off") => ErrorDetail::Off,
        Some("on") => ErrorDetail::On,
        _ => ErrorDetail::LocalOnly,
    };
    HostSettings {
        error_detail,
        connect_policy: table.connect_policy().unwrap_or_default(),
        allow_plaintext: insecure || table.flag("allow-plaintext"),
        allow_anonymous: insecure || table.flag("allow-anonymous"),
        admit_strangers: table.flag("admit-strangers"),
        client_sinks: table.texts("client-sinks").unwrap_or_default(),
        server_sinks: table.texts("server-sinks").unwrap_or_default(),
    }
}

fn lifetime(table: &Table<'_>) -> LeasePolicy {
    let mut policy = if table.flag("classic") {
        LeasePolicy::classic()
    } else {
        LeasePolicy::new()
    };
    if let Some(initial) = table.time("initial") {
        policy = policy.initial(initial.unwrap_or_default());
    }
    if let Some(Some(time)) = table.time("renew-on-call") {
        policy = policy.renew_on_call(time);
    }
    if let Some(Some(time)) = table.time("sponsorship-timeout") {
        policy = policy.sponsorship_timeout(time);
    }
    if let Some(Some(time)) = table.time("orphan-grace") {
        policy = policy.orphan_grace(time);
    }
    if let Some(Some(time)) = table.time("max-lifetime") {
        policy = policy.max_lifetime(time);
    }
    policy
}

fn limits<L: Default>(table: &Table<'_>, set: fn(&mut L, &str, &Value)) -> L {
    let mut all = L::default();
    for (name, value) in table.values() {
        set(&mut all, name, value);
    }
    all
}

fn channel(table: &Table<'_>) -> Option<ChannelSettings> {
    let protocol = match table.text("kind")?.as_str() {
        "tcp" => Protocol::Tcp,
        _ => Protocol::Http,
    };
    let format = match table.text("formatter").as_deref() {
        Some("json") => Format::Json,
        _ => Format::MessagePack,
    };
    let priority = match table.value("priority") {
        Some(Value::Number(priority)) => i32::try_from(*priority).ok()?,
        _ => 1,
    };
    Some(ChannelSettings {
        at: table.at.clone(),
        protocol,
        listen: table.text("listen"),
        priority,
        format,
        allow_plaintext: table.flag("allow-plaintext"),
        connect_policy: table.connect_policy(),
        origins: table.texts("origins").unwrap_or_default(),
        host_names: table.texts("host-names").unwrap_or_default(),
        sinks: table.texts("sinks").unwrap_or_default(),
        token: table.secret("token"),
        tls: table.table("tls").and_then(|table| server_tls(&table)),
        client_tls: table.table("client-tls").map(|table| client_tls(&table)),
        limits: table
            .table("limits")
            .map(|table| limits(&table, limits::set_of_channel))
            .unwrap_or_default(),
    })
}

fn server_tls(table: &Table<'_>) -> Option<ServerTls> {
    Some(ServerTls {
        certificate: table.file("certificate")?,
        key: table.key_source("key")?,
        client_roots: table.file("client-roots"),
        optional_client: table.flag("optional-client"),
        reload: table.time("reload").flatten(),
    })
}

fn client_tls(table: &Table<'_>) -> ClientTls {
    ClientTls {
        roots: table.file("roots"),
        certificate: table.file("certificate"),
        key: table.key_source("key"),
    }
}

fn publication(table: &Table<'_>) -> Option<PublicationSettings> {
    let activation = match table.text("activation")?.as_str() {
        "singleton" => Activation::Singleton,
        "single-call" => Activation::SingleCall,
        _ => Activation::Activated,
    };
    let (found, methods) = (table.found, table.at.with("methods"));
    let methods = found.tables(&methods).into_iter().filter_map(|at| {
        let name = at.last().to_owned();
        let roles = Table { found, at }.texts("roles")?;
        Some((name, roles))
    });
    Some(PublicationSettings {
        at: table.at.clone(),
        class: table.text("class")?,
        activation,
        lease: table.time("lease"),
        sinks: table.texts("sinks").unwrap_or_default(),
        roles: table.texts("roles"),
        methods: methods.collect(),
    })
}

fn principal(table: Table<'_>) -> PrincipalSettings {
    PrincipalSettings {
        token: table.secret("token"),
        certificate: table.text("certificate"),
        roles: table.texts("roles").unwrap_or_default(),
        at: table.at,
    }
}
