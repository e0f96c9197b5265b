//! The sinks that a file can name: the program's, and some that need nothing of it.

use remoting_core::HostBuilder;
use remoting_core::sink::{Logging, Retry, SinkRef, Tracing};

use super::Config;
use super::classes::Classes;
use super::mistake::{Mistakes, listed, shown};
use super::path::KeyPath;

impl Classes {
    /// Lets the file have calls pass through a sink, wherever it names it: `server-sinks = ["demo.Audit"]`.
    ///
    /// The file can name `remoting.Logging`, `remoting.Tracing` and `remoting.Retry` without that; a sink that is added under
    /// such a name takes its place.
    ///
    /// - `name`: what the file calls it.
    /// - `sink`: one for all places.
    #[must_use]
    pub fn sink(mut self, name: impl Into<String>, sink: impl Into<SinkRef>) -> Self {
        let name = name.into();
        if self.sinks.insert(name.clone(), sink.into()).is_some() {
            self.twice.push(name);
        }
        self
    }

    /// The sinks of some names, in their order, as far as they are known.
    pub(super) fn sinks_of(&self, names: &[String]) -> Vec<SinkRef> {
        names.iter().filter_map(|name| self.sink_of(name)).collect()
    }

    fn sink_of(&self, name: &str) -> Option<SinkRef> {
        self.sinks.get(name).cloned().or_else(|| ready(name))
    }
}

/// The names of the sinks that need nothing of the program.
const READY: [&str; 3] = ["remoting.Logging", "remoting.Tracing", "remoting.Retry"];

fn ready(name: &str) -> Option<SinkRef> {
    match name {
        "remoting.Logging" => Some(Logging::new().into()),
        "remoting.Tracing" => Some(Tracing::new().into()),
        "remoting.Retry" => Some(Retry::new().into()),
        _ => None,
    }
}

/// Checks that the program has the sinks that the file names.
pub(super) fn check(config: &Config, classes: &Classes, mistakes: &mut Mistakes) {
    let host = KeyPath::of(["host"]);
    let of_host = &config.settings.host;
    let mut all = vec![
        (host.with("client-sinks"), &of_host.client_sinks),
        (host.with("server-sinks"), &of_host.server_sinks),
    ];
    let channels = config.settings.channels.iter();
    all.extend(channels.map(|own| (own.at.with("sinks"), &own.sinks)));
    let publications = config.settings.publications.iter();
    all.extend(publications.map(|own| (own.at.with("sinks"), &own.sinks)));
    for (path, names) in all {
        for name in names.iter().filter(|name| classes.sink_of(name).is_none()) {
            let own = classes.sinks.keys().map(String::as_str);
            let known = listed(own.chain(READY));
            let text = format!("the program has no sink {}; it has {known}", shown(name));
            mistakes.add(&config.found.origin(&path), &path, text);
        }
    }
}

/// Has the calls of a host pass through the sinks that the file names for them.
pub(super) fn add(mut builder: HostBuilder, config: &Config, classes: &Classes) -> HostBuilder {
    let host = &config.settings.host;
    for sink in classes.sinks_of(&host.client_sinks) {
        builder = builder.client_sink(sink);
    }
    for sink in classes.sinks_of(&host.server_sinks) {
        builder = builder.server_sink(sink);
    }
    builder
}
