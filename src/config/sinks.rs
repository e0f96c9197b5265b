//! The sinks of the program that a file can name.

use remoting_core::HostBuilder;
use remoting_core::sink::SinkRef;

use super::Config;
use super::classes::Classes;
use super::mistake::{Mistakes, listed, shown};
use super::path::KeyPath;

impl Classes {
    /// Lets the file have calls pass through a sink, wherever it names it: `server-sinks = ["demo.Audit"]`.
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
        let known = names.iter().filter_map(|name| self.sinks.get(name));
        known.cloned().collect()
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
    let publications = config.settings.publications.iter();
    all.extend(publications.map(|own| (own.at.with("sinks"), &own.sinks)));
    for (path, names) in all {
        for name in names
            .iter()
            .filter(|name| !classes.sinks.contains_key(*name))
        {
            let known = listed(classes.sinks.keys().map(String::as_str));
            let name = shown(name);
            let text = match known.as_str() {
                "" => format!(
                    "the program has no sink {name}, nor any other; add it to its `Classes`"
                ),
                _ => format!("the program has no sink {name}; it has {known}"),
            };
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
