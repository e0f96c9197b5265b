//! What no single key can tell: keys that need each other, or rule each other out.

use std::net::SocketAddr;

use remoting_core::channel::check_addresses;
use remoting_core::{ObjectUrl, Secret};

use super::channels;
use super::mistake::{Mistakes, shown};
use super::path::KeyPath;
use super::read::Found;
use super::settings::{ChannelSettings, ClientSettings, Format, Protocol, Settings};
use super::value::{Value, why_no_url};

/// The longest name of a publication.
const LONGEST_NAME: usize = 128;

/// Checks all that can be known without the program's classes.
pub(crate) fn check(found: &Found, settings: &Settings, mistakes: &mut Mistakes) {
    host(found, mistakes);
    for channel in &settings.channels {
        compiled_in(found, channel, mistakes);
        only_http(found, channel, mistakes);
        tls(found, channel, mistakes);
        beyond_this_machine(found, settings, channel, mistakes);
    }
    for table in found.tables(&KeyPath::of(["publications"])) {
        publication_name(found, &table, mistakes);
    }
    // Which schemes there are is not known where a channel is wrong.
    if !mistakes.are_about(&KeyPath::of(["channels"])) {
        for entry in settings.activated.iter().chain(&settings.well_known) {
            url(found, settings, entry, mistakes);
        }
    }
    principals(found, settings, mistakes);
    roles(found, settings, mistakes);
}

fn host(found: &Found, mistakes: &mut Mistakes) {
    let flag = |key: &str| match found.value(&KeyPath::of(["host", key])) {
        Some(Value::Flag(flag)) => Some(*flag),
        _ => None,
    };
    for key in ["allow-plaintext", "allow-anonymous"] {
        if flag("insecure-listen") == Some(true) && flag(key) == Some(false) {
            let path = KeyPath::of(["host", key]);
            let text = "it says the opposite of `insecure-listen`; remove one of them";
            mistakes.add(&found.origin(&path), &path, text);
        }
    }
}

/// Checks that the program was built with what a channel needs.
fn compiled_in(found: &Found, channel: &ChannelSettings, mistakes: &mut Mistakes) {
    let mut needs = |key: &str, feature: &str, is_there: bool| {
        let path = channel.at.with(key);
        if !is_there && found.items.contains_key(&path) {
            let text = format!(
                "the program was built without it; build `remoting` with the feature `{feature}`"
            );
            mistakes.add(&found.origin(&path), &path, text);
        }
    };
    match channel.protocol {
        Protocol::Tcp => needs("kind", "tcp", cfg!(feature = "tcp")),
        Protocol::Http => needs("kind", "http", cfg!(feature = "http")),
    }
    match channel.format {
        Format::MessagePack => needs("formatter", "msgpack", cfg!(feature = "msgpack")),
        Format::Json => needs("formatter", "json", cfg!(feature = "json")),
    }
    let has_tls = cfg!(any(feature = "tls", feature = "tls-aws-lc"));
    for key in ["tls", "client-tls"] {
        let path = channel.at.with(key);
        if !has_tls && found.has_table(&path) {
            let text = "the program was built without it; build `remoting` with the feature `tls`";
            mistakes.add(&found.origin(&path), &path, text);
        }
    }
}

fn only_http(found: &Found, channel: &ChannelSettings, mistakes: &mut Mistakes) {
    if channel.protocol == Protocol::Http {
        return;
    }
    for key in ["origins", "host-names"] {
        let path = channel.at.with(key);
        if found.items.contains_key(&path) {
            let text = "only channels of kind `http` have it; remove the key";
            mistakes.add(&found.origin(&path), &path, text);
        }
    }
}

fn tls(found: &Found, channel: &ChannelSettings, mistakes: &mut Mistakes) {
    let server = channel.at.with("tls");
    let listen = channel.at.with("listen");
    let only_dials = channel.listen.is_none() && !mistakes.are_about(&listen);
    if only_dials && found.has_table(&server) {
        let text = "it is what a listening channel shows, and this one only dials; \
                    add `listen`, or write [channels.NAME.client-tls]";
        mistakes.add(&found.origin(&server), &server, text);
    }
    let needs = |one: KeyPath, other: KeyPath, mistakes: &mut Mistakes| {
        let is_alone = found.items.contains_key(&one) && !found.items.contains_key(&other);
        if is_alone && !mistakes.are_about(&other) {
            let text = format!("it means nothing without {}; add it", shown(other.last()));
            mistakes.add(&found.origin(&one), &one, text);
        }
    };
    let client = channel.at.with("client-tls");
    needs(client.with("certificate"), client.with("key"), mistakes);
    needs(client.with("key"), client.with("certificate"), mistakes);
    let optional = server.with("optional-client");
    if matches!(found.value(&optional), Some(Value::Flag(true))) {
        needs(optional, server.with("client-roots"), mistakes);
    }
    let reload = server.with("reload");
    if found.items.contains_key(&reload)
        && matches!(found.value(&server.with("key")), Some(Value::Secret(_)))
    {
        let text = "certificates are renewed together with their keys, and a variable stays as it was; \
                    write the key's path, or remove `reload`";
        mistakes.add(&found.origin(&reload), &reload, text);
    }
}

/// Says who of the listed could never be known.
fn principals(found: &Found, settings: &Settings, mistakes: &mut Mistakes) {
    let all = KeyPath::of(["principals"]);
    let mut tls = settings
        .channels
        .iter()
        .filter_map(|channel| channel.tls.as_ref());
    let asks_for_certificates =
        tls.any(|tls| tls.client_roots.is_some()) || mistakes.are_about(&KeyPath::of(["channels"]));
    let mut wrong = |path: &KeyPath, text: &str| {
        if !mistakes.are_about(path) {
            mistakes.add(&found.origin(path), path, text);
        }
    };
    if settings.principals.is_empty() {
        if found.has_table(&all) {
            let text = "it lists nobody, and everybody would be let in; add [principals.NAME], or remove the table";
            wrong(&all, text);
        }
        let strangers = KeyPath::of(["host", "admit-strangers"]);
        if settings.host.admit_strangers {
            let text = "everybody is let in where nobody is listed; add [principals.NAME], or remove the key";
            wrong(&strangers, text);
        }
    }
    for principal in &settings.principals {
        match (&principal.token, &principal.certificate) {
            (None, None) => {
                let text = "nobody can be known by this; add `token` or `certificate`";
                wrong(&principal.at, text);
            }
            (_, Some(_)) if !asks_for_certificates => {
                let text = "no channel of the file asks clients for certificates; add `client-roots` to its \
                            [channels.NAME.tls], or remove the key";
                wrong(&principal.at.with("certificate"), text);
            }
            _ => {}
        }
    }
    for (index, principal) in settings.principals.iter().enumerate() {
        let others = settings.principals.get(..index).unwrap_or_default();
        let same_token = others
            .iter()
            .find(|other| same(&other.token, &principal.token));
        let same_name = others.iter().find(|other| {
            other.certificate.is_some() && other.certificate == principal.certificate
        });
        for (key, other) in [("token", same_token), ("certificate", same_name)] {
            if let Some(other) = other {
                let other = shown(other.at.last());
                let text = format!("{other} is known by the same; give each one of its own");
                wrong(&principal.at.with(key), &text);
            }
        }
    }
}

fn same(one: &Option<Secret>, other: &Option<Secret>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.expose() == other.expose(),
        _ => false,
    }
}

/// Says which roles nobody can have, since the file lists nobody.
fn roles(found: &Found, settings: &Settings, mistakes: &mut Mistakes) {
    if !settings.principals.is_empty() {
        return;
    }
    for publication in &settings.publications {
        let all = publication.at.with("methods");
        let methods = publication.methods.iter();
        let methods = methods.map(|(name, roles)| (all.with(name), roles));
        let whole = publication.roles.iter();
        let whole = whole.map(|roles| (publication.at.clone(), roles));
        for (table, _) in whole.chain(methods).filter(|(_, roles)| !roles.is_empty()) {
            let path = table.with("roles");
            let text =
                "nobody has roles where nobody is listed; add [principals.NAME] with its `roles`";
            mistakes.add(&found.origin(&path), &path, text);
        }
    }
}

/// Says before anything is bound what binding would say: what others reach has TLS and knows its callers.
fn beyond_this_machine(
    found: &Found,
    settings: &Settings,
    channel: &ChannelSettings,
    mistakes: &mut Mistakes,
) {
    let address = channel.listen.as_deref().and_then(|text| text.parse().ok());
    let outside = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
    let Some(address) = address.filter(outside) else {
        return;
    };
    let allows_plaintext = settings.host.allow_plaintext || channel.allow_plaintext;
    let is_secure = found.has_table(&channel.at.with("tls"));
    let shows = channel.tls.as_ref();
    let asks_clients = shows.is_some_and(|tls| tls.client_roots.is_some() && !tls.optional_client);
    let is_listed = !settings.principals.is_empty() && !settings.host.admit_strangers;
    let knows_callers = asks_clients || is_listed;
    let why = match (is_secure, knows_callers) {
        _ if allows_plaintext => return,
        (true, true) => return,
        (true, false) if settings.host.allow_anonymous => return,
        (true, false) => {
            "asks nobody who they are; listen on `127.0.0.1`, add [principals.NAME] or `client-roots`, or set \
             `allow-anonymous = true` in [host] if everybody may call"
        }
        (false, _) => {
            "sends clear text; listen on `127.0.0.1`, add [channels.NAME.tls], or set \
             `allow-plaintext = true` if the network is trusted"
        }
    };
    let path = channel.at.with("listen");
    let text = format!("`{address}` can be reached from other machines, and this channel {why}");
    mistakes.add(&found.origin(&path), &path, text);
}

fn publication_name(found: &Found, table: &KeyPath, mistakes: &mut Mistakes) {
    let name = table.last();
    let is_right = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if name.len() > LONGEST_NAME || !name.chars().all(is_right) {
        let text = format!(
            "{} is no name for a publication: names are made of at most {LONGEST_NAME} letters, \
             digits, `.`, `_` and `-`",
            shown(name)
        );
        mistakes.add(&found.origin(table), table, text);
    }
}

fn url(found: &Found, settings: &Settings, entry: &ClientSettings, mistakes: &mut Mistakes) {
    let path = entry.at.with("url");
    let Ok(url) = entry.url.parse::<ObjectUrl>() else {
        return;
    };
    let known: Vec<_> = settings
        .channels
        .iter()
        .filter_map(channels::like)
        .collect();
    match known.iter().find(|channel| channel.serves(url.scheme())) {
        Some(channel) => {
            if let Err(error) = check_addresses(&**channel, &url) {
                mistakes.add(&found.origin(&path), &path, why_no_url(&error));
            }
        }
        None => {
            let text = format!(
                "no channel of the file dials {}; add [channels.NAME] with the right `kind`",
                shown(&format!("{}://", url.scheme()))
            );
            mistakes.add(&found.origin(&path), &path, text);
        }
    }
}
