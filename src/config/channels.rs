//! Channels as the settings want them, of the kinds that are compiled in.

#![cfg_attr(
    not(all(
        feature = "tcp",
        feature = "http",
        feature = "msgpack",
        feature = "json",
        any(feature = "tls", feature = "tls-aws-lc")
    )),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        unused_mut,
        unused_variables,
        reason = "for what is not compiled in; `check.rs` refuses it"
    )
)]

use remoting_core::channel::Channel;
use remoting_core::sink::SinkRef;
use remoting_core::{Error, HostBuilder, Token};

use super::settings::{ChannelSettings, Format, Protocol};

/// Adds a channel to a host.
///
/// - `sinks`: what its calls pass through.
pub(crate) fn add(
    builder: HostBuilder,
    settings: &ChannelSettings,
    sinks: Vec<SinkRef>,
) -> HostBuilder {
    match settings.protocol {
        #[cfg(feature = "tcp")]
        Protocol::Tcp => builder.channel(tcp(settings, sinks)),
        #[cfg(feature = "http")]
        Protocol::Http => builder.channel(http(settings, sinks)),
        #[cfg(not(all(feature = "tcp", feature = "http")))]
        _ => builder,
    }
}

/// A channel of the same kind that does nothing, to be asked about URLs.
pub(crate) fn like(settings: &ChannelSettings) -> Option<Box<dyn Channel>> {
    match settings.protocol {
        #[cfg(feature = "tcp")]
        Protocol::Tcp => Some(Box::new(remoting_tcp::TcpChannel::client())),
        #[cfg(feature = "http")]
        Protocol::Http => Some(Box::new(remoting_http::HttpChannel::client())),
        #[cfg(not(all(feature = "tcp", feature = "http")))]
        _ => None,
    }
}

/// The keys of a channel whose values cannot be used, and why.
pub(crate) fn unusable(settings: &ChannelSettings) -> Vec<(&'static str, Error)> {
    let mut own = remoting_core::channel::ChannelSettings::new(settings.at.last());
    own.token = settings.token.clone().map(Token::from);
    let mut checked = vec![("token", own.check())];
    #[cfg(all(
        any(feature = "tcp", feature = "http"),
        any(feature = "tls", feature = "tls-aws-lc")
    ))]
    checked.extend([
        (
            "tls",
            settings
                .tls
                .as_ref()
                .map_or(Ok(()), |tls| server_tls(tls).check()),
        ),
        (
            "client-tls",
            settings
                .client_tls
                .as_ref()
                .map_or(Ok(()), |tls| client_tls(tls).check()),
        ),
    ]);
    let wrong = checked.into_iter();
    wrong
        .filter_map(|(key, checked)| Some((key, checked.err()?)))
        .collect()
}

/// A channel with all that both kinds have.
macro_rules! common {
    ($kind:ident, $settings:ident, $sinks:ident) => {{
        let channel = match &$settings.listen {
            Some(address) => $kind::listen(address),
            None => $kind::client(),
        };
        let channel = channel
            .named($settings.at.last())
            .priority($settings.priority)
            .limits($settings.limits.clone());
        let channel = match $settings.format {
            #[cfg(feature = "msgpack")]
            Format::MessagePack => channel.formatter(remoting_core::formatter::MessagePack),
            #[cfg(feature = "json")]
            Format::Json => channel.formatter(remoting_core::formatter::Json),
            #[cfg(not(all(feature = "msgpack", feature = "json")))]
            _ => channel,
        };
        let channel = $sinks
            .into_iter()
            .fold(channel, |channel, sink| channel.sink(sink));
        let channel = match $settings.connect_policy {
            Some(policy) => channel.connect_policy(policy),
            None => channel,
        };
        let channel = match &$settings.token {
            Some(token) => channel.token(token.clone()),
            None => channel,
        };
        #[cfg(all(
            any(feature = "tcp", feature = "http"),
            any(feature = "tls", feature = "tls-aws-lc")
        ))]
        let channel = match &$settings.tls {
            Some(tls) => channel.tls(server_tls(tls)),
            None => channel,
        };
        #[cfg(all(
            any(feature = "tcp", feature = "http"),
            any(feature = "tls", feature = "tls-aws-lc")
        ))]
        let channel = match &$settings.client_tls {
            Some(tls) => channel.client_tls(client_tls(tls)),
            None => channel,
        };
        if $settings.allow_plaintext {
            channel.allow_plaintext()
        } else {
            channel
        }
    }};
}

#[cfg(feature = "tcp")]
fn tcp(settings: &ChannelSettings, sinks: Vec<SinkRef>) -> remoting_tcp::TcpChannel {
    use remoting_tcp::TcpChannel;
    common!(TcpChannel, settings, sinks)
}

#[cfg(feature = "http")]
fn http(settings: &ChannelSettings, sinks: Vec<SinkRef>) -> remoting_http::HttpChannel {
    use remoting_http::HttpChannel;
    let mut channel = common!(HttpChannel, settings, sinks);
    for origin in &settings.origins {
        channel = channel.origin(origin);
    }
    for name in &settings.host_names {
        channel = channel.host_name(name);
    }
    channel
}

#[cfg(all(
    any(feature = "tcp", feature = "http"),
    any(feature = "tls", feature = "tls-aws-lc")
))]
fn server_tls(settings: &super::settings::ServerTls) -> crate::ServerTls {
    use crate::Pem;
    let tls = crate::ServerTls::new(Pem::file(&settings.certificate), pem(&settings.key));
    let tls = match settings.reload {
        Some(every) => tls.reload_every(every),
        None => tls,
    };
    match &settings.client_roots {
        Some(roots) if settings.optional_client => tls.optional_client_roots(Pem::file(roots)),
        Some(roots) => tls.client_roots(Pem::file(roots)),
        None => tls,
    }
}

#[cfg(all(
    any(feature = "tcp", feature = "http"),
    any(feature = "tls", feature = "tls-aws-lc")
))]
fn client_tls(settings: &super::settings::ClientTls) -> crate::ClientTls {
    use crate::Pem;
    let tls = crate::ClientTls::new();
    let tls = match &settings.roots {
        Some(roots) => tls.roots(Pem::file(roots)),
        None => tls,
    };
    match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => tls.identity(Pem::file(certificate), pem(key)),
        _ => tls,
    }
}

#[cfg(all(
    any(feature = "tcp", feature = "http"),
    any(feature = "tls", feature = "tls-aws-lc")
))]
fn pem(source: &super::settings::KeySource) -> crate::Pem {
    use super::settings::KeySource;
    match source {
        KeySource::File(path) => crate::Pem::file(path),
        KeySource::Secret(secret) => crate::Pem::text(secret.expose()),
    }
}
