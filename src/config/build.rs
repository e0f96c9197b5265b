//! From settings to a host: first all checks that need the program's types, then the host.
//!
//! Nothing is bound or registered before everything is checked. What can still fail then is the world:
//! an address in use, another host's registration. The half-made host is dropped, and takes all with it.

use remoting_core::{Error, Host, LeasePolicy, Principal, Principals, Result};

use super::Config;
use super::channels;
use super::classes::{Classes, Terms};
use super::mistake::{Mistake, Mistakes, listed, shown};
use super::path::KeyPath;
use super::settings::{Activation, ClientSettings, PublicationSettings, Settings};
use super::sinks;

/// Checks what only the program's types can tell.
pub(crate) fn check(config: &Config, classes: &Classes, mistakes: &mut Mistakes) {
    for name in classes.twice() {
        let text = format!(
            "the program has added {} twice; add it under two names",
            shown(name)
        );
        let start = KeyPath::default();
        mistakes.add(&config.found.origin(&start), &start, text);
    }
    for publication in &config.settings.publications {
        check_class(config, classes, publication, mistakes);
    }
    for channel in &config.settings.channels {
        for (key, error) in channels::unusable(channel) {
            let path = channel.at.with(key);
            if !mistakes.are_about(&path) {
                mistakes.add(&config.found.origin(&path), &path, error.message());
            }
        }
    }
    sinks::check(config, classes, mistakes);
    for (group, entries) in client_entries(config) {
        for entry in entries {
            check_interface(config, classes, group, entry, mistakes);
        }
    }
}

const ACTIVATED: &str = "activated";

fn client_entries(config: &Config) -> [(&'static str, &[ClientSettings]); 2] {
    [
        (ACTIVATED, &config.settings.activated),
        ("well-known", &config.settings.well_known),
    ]
}

fn check_class(
    config: &Config,
    classes: &Classes,
    publication: &PublicationSettings,
    mistakes: &mut Mistakes,
) {
    let mut wrong = |key: &str, text: String| {
        let path = publication.at.with(key);
        mistakes.add(&config.found.origin(&path), &path, text);
    };
    if publication.activation == Activation::SingleCall && publication.lease.is_some() {
        let text = "objects for single calls have no lease; remove the key";
        wrong("lease", text.to_owned());
    }
    let Some(class) = classes.class(&publication.class) else {
        let name = shown(&publication.class);
        let known = listed(classes.names());
        let text = if known.is_empty() {
            format!("the program has no class {name}, nor any other; add it to its `Classes`")
        } else {
            format!("the program has no class {name}; it has {known}")
        };
        return wrong("class", text);
    };
    if class.publish(publication.activation).is_none() {
        let name = shown(&publication.class);
        let text = if publication.activation == Activation::Activated {
            format!(
                "clients cannot make objects of {name}: write `singleton` or `single-call`, or add the class with `add_activated`"
            )
        } else {
            format!(
                "objects of {name} are made by clients alone: write `activated`, or add the class with `add`"
            )
        };
        wrong("activation", text);
    }
    for (name, _) in &publication.methods {
        let methods = class.interface.into_iter().flat_map(|interface| {
            let constructors = interface.constructors.iter();
            interface.methods.iter().chain(constructors)
        });
        if !methods.clone().any(|method| method.name == name) {
            let known = listed(methods.map(|method| method.name));
            let path = publication.at.with("methods").with(name);
            let text = format!("the interface has no such method; it has {known}");
            mistakes.add(&config.found.origin(&path), &path, text);
        }
    }
}

fn check_interface(
    config: &Config,
    classes: &Classes,
    group: &str,
    entry: &ClientSettings,
    mistakes: &mut Mistakes,
) {
    let known = classes.interfaces(group == ACTIVATED);
    if known.contains_key(entry.at.last()) {
        return;
    }
    let name = shown(entry.at.last());
    let add = if group == ACTIVATED {
        "activatable"
    } else {
        "proxy"
    };
    let add = format!("add it to its `Classes` with `{add}`");
    let listed = listed(known.keys().copied());
    let text = if listed.is_empty() {
        format!("the program has no interface {name} here, nor any other; {add}")
    } else {
        format!("the program has no interface {name} here; it has {listed}; {add}")
    };
    mistakes.add(&config.found.origin(&entry.at), &entry.at, text);
}

/// Makes the host of settings that were checked.
pub(crate) async fn build(config: &Config, classes: &Classes) -> Result<Host> {
    let settings = &config.settings;
    let mut builder = Host::builder()
        .limits(settings.limits.clone())
        .lease(settings.lifetime.clone())
        .error_detail(settings.host.error_detail)
        .connect_policy(settings.host.connect_policy);
    if settings.host.allow_plaintext {
        builder = builder.allow_plaintext();
    }
    if settings.host.allow_anonymous {
        builder = builder.allow_anonymous();
    }
    if !settings.principals.is_empty() {
        builder = builder.authenticator(known(settings));
    }
    builder = sinks::add(builder, config, classes);
    for channel in &settings.channels {
        builder = channels::add(builder, channel, classes.sinks_of(&channel.sinks));
    }
    // The channels are there to dial, and do not listen before there is something to find.
    let host = builder.start_client()?;
    for publication in &settings.publications {
        let published = publish(&host, settings.lifetime.clone(), classes, publication);
        published.map_err(|error| placed(config, &publication.at, &error))?;
    }
    for (group, entries) in client_entries(config) {
        for entry in entries {
            let register = classes.interfaces(group == ACTIVATED).get(entry.at.last());
            let registered = register.map_or(Ok(()), |register| register(&host, &entry.url));
            registered.map_err(|error| placed(config, &entry.at.with("url"), &error))?;
        }
    }
    for channel in &settings.channels {
        if let Some(handle) = host.channel(channel.at.last()) {
            let listening = handle.start_listening().await;
            listening.map_err(|error| placed(config, &channel.at.with("listen"), &error))?;
        }
    }
    tell(config);
    Ok(host)
}

/// Who may call.
fn known(settings: &Settings) -> Principals {
    let mut known = Principals::new();
    for entry in &settings.principals {
        let own = Principal::new(entry.at.last());
        let roles = entry.roles.iter();
        let principal = roles.fold(own, |own, role| own.role(role));
        if let Some(token) = &entry.token {
            known = known.token(token.clone(), principal.clone());
        }
        if let Some(name) = &entry.certificate {
            known = known.certificate(name, principal);
        }
    }
    match settings.host.admit_strangers {
        true => known.or_strangers(),
        false => known,
    }
}

fn tell(config: &Config) {
    let poll_time = KeyPath::of(["lifetime", "poll-time"]);
    if config.found.items.contains_key(&poll_time) {
        let text = "it has no effect, since leases end on time; remove the key";
        let warning = Mistake::new(config.found.origin(&poll_time), poll_time, text);
        tracing::warn!(target: "remoting::config", "{}", warning.line(&config.file));
    }
    let channels = config.settings.channels.len();
    tracing::info!(target: "remoting::host", channels, file = %config.file, "started");
}

/// The error of a part of the host, with the place in the file that it comes from.
fn placed(config: &Config, path: &KeyPath, error: &Error) -> Error {
    let origin = config.found.origin(path);
    let text = Mistake::new(origin, path.clone(), error.message()).line(&config.file);
    Error::new(error.kind(), text).with_source(error.clone())
}

fn publish(
    host: &Host,
    policy: LeasePolicy,
    classes: &Classes,
    publication: &PublicationSettings,
) -> Result<()> {
    let class = classes.class(&publication.class);
    let Some(publish) = class.and_then(|class| class.publish(publication.activation)) else {
        return Ok(());
    };
    let lease = publication
        .lease
        .map(|initial| policy.initial(initial.unwrap_or_default()));
    let terms = Terms {
        lease,
        sinks: classes.sinks_of(&publication.sinks),
        roles: publication.roles.as_deref(),
        methods: &publication.methods,
    };
    publish(host, publication.at.last(), terms)
}
