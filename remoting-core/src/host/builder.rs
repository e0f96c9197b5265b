//! How a host is put together.

use std::sync::Arc;

use super::{Host, HostInner};
use crate::authentication::Authenticator;
use crate::channel::Channel;
use crate::error::{ErrorDetail, Result};
use crate::formatter::{Formatter, FormatterRef};
use crate::lifetime::LeasePolicy;
use crate::limits::Limits;
use crate::proxy::ConnectPolicy;
use crate::sink::SinkRef;

/// Collects what a host is made of; made by `Host::builder`.
#[must_use = "a builder makes nothing until `start`"]
#[derive(Default)]
pub struct HostBuilder {
    channels: Vec<Box<dyn Channel>>,
    settings: HostSettings,
}

/// What a host is told when it begins.
#[derive(Default)]
pub(super) struct HostSettings {
    pub(super) formatters: Vec<FormatterRef>,
    pub(super) limits: Limits,
    pub(super) allow_plaintext: bool,
    pub(super) allow_anonymous: bool,
    pub(super) on_own_runtime: bool,
    pub(super) policy: LeasePolicy,
    pub(super) connect_policy: ConnectPolicy,
    pub(super) authenticator: Option<Arc<dyn Authenticator>>,
    pub(super) error_detail: ErrorDetail,
    pub(super) client_sinks: Vec<SinkRef>,
    pub(super) server_sinks: Vec<SinkRef>,
}

impl HostBuilder {
    /// Adds a channel.
    pub fn channel(mut self, channel: impl Channel) -> Self {
        self.channels.push(Box::new(channel));
        self
    }

    /// Adds a formatter that the host reads, beside MessagePack and JSON.
    ///
    /// One with the same codec replaces the one that is there.
    pub fn formatter(mut self, formatter: impl Formatter) -> Self {
        self.settings.formatters.push(FormatterRef::from(formatter));
        self
    }

    /// Replaces the default bounds. A channel may have some of its own, by its `limits`.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets how long objects live for which nothing else was said; without it, the default policy.
    pub fn lease(mut self, policy: LeasePolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Says what calls do where there is no connection; without it, they fail fast.
    pub fn connect_policy(mut self, policy: ConnectPolicy) -> Self {
        self.settings.connect_policy = policy;
        self
    }

    /// Lets channels listen beyond this machine without encryption and authentication.
    ///
    /// Everybody who can reach the port can then call everything that is published, and
    /// everybody on the way can read it.
    pub fn allow_plaintext(mut self) -> Self {
        self.settings.allow_plaintext = true;
        self
    }

    /// Lets channels with TLS listen beyond this machine although callers do not say who they are.
    ///
    /// Everybody who can reach the port can then call everything that is published and has no
    /// guard.
    pub fn allow_anonymous(mut self) -> Self {
        self.settings.allow_anonymous = true;
        self
    }

    /// Says who finds out who callers are. Without one, those with a certificate are whom it names, and
    /// everybody else is a stranger.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.settings.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Says who may see the details of errors in this host's code; without it, callers on this machine.
    pub fn error_detail(mut self, detail: ErrorDetail) -> Self {
        self.settings.error_detail = detail;
        self
    }

    /// Has each call that leaves the host through a channel pass through a sink, inside of those that were added before.
    ///
    /// In .NET: a sink of the `clientProviders`.
    pub fn client_sink(mut self, sink: impl Into<SinkRef>) -> Self {
        self.settings.client_sinks.push(sink.into());
        self
    }

    /// Has each call that comes to the host through a channel pass through a sink, inside of those that were added before
    /// and outside of those of what is published.
    ///
    /// In .NET: a sink of the `serverProviders`.
    pub fn server_sink(mut self, sink: impl Into<SinkRef>) -> Self {
        self.settings.server_sinks.push(sink.into());
        self
    }

    /// Drives the connections that the host dials on a runtime of the library's own, with one thread,
    /// rather than on the runtime of the first caller.
    ///
    /// For a host that outlives the runtimes that use it, one for each test for example: no call
    /// ends because another caller's runtime does.
    pub fn own_runtime(mut self) -> Self {
        self.settings.on_own_runtime = true;
        self
    }

    /// Starts the host: registers the channels in order, and listens where they do.
    ///
    /// # Errors
    ///
    /// Those of [`Host::register_channel`], for the first channel that fails; nothing
    /// stays bound then.
    pub async fn start(mut self) -> Result<Host> {
        let channels = std::mem::take(&mut self.channels);
        let host = self.build();
        for channel in channels {
            host.register_boxed(channel).await?;
        }
        let channels = host.channels().len();
        tracing::info!(target: "remoting::host", channels, "started");
        Ok(host)
    }

    /// Makes the host without listening anywhere: for one that only calls others.
    ///
    /// # Errors
    ///
    /// `ChannelTaken` if two channels have the same name.
    pub fn start_client(mut self) -> Result<Host> {
        let channels = std::mem::take(&mut self.channels);
        let host = self.build();
        for channel in channels {
            host.add_channel(channel)?;
        }
        Ok(host)
    }

    fn build(mut self) -> Host {
        let formatters = &mut self.settings.formatters;
        for known in builtin() {
            if !formatters
                .iter()
                .any(|formatter| formatter.codec() == known.codec())
            {
                formatters.push(known);
            }
        }
        Host::from_inner(HostInner::new(self.settings))
    }
}

/// The formatters that are compiled in.
fn builtin() -> Vec<FormatterRef> {
    vec![
        #[cfg(feature = "msgpack")]
        FormatterRef::from(crate::formatter::MessagePack),
        #[cfg(feature = "json")]
        FormatterRef::from(crate::formatter::Json),
    ]
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self
            .channels
            .iter()
            .map(|channel| channel.settings().name.clone())
            .collect();
        f.debug_struct("HostBuilder")
            .field("channels", &names)
            .field("formatters", &self.settings.formatters)
            .field("allow_plaintext", &self.settings.allow_plaintext)
            .field("client_sinks", &self.settings.client_sinks)
            .field("server_sinks", &self.settings.server_sinks)
            .finish_non_exhaustive()
    }
}
