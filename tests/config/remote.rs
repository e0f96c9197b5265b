//! A server and a client that are nothing but a file each.

use std::time::Duration;

use remoting::config::Classes;
use remoting::prelude::*;
use remoting::{ErrorKind, Result};

use crate::support::*;

/// Opened at a server, and registered by this test alone.
#[remote]
pub trait Basket {
    #[constructor]
    async fn take(name: String) -> Result<Self>;

    async fn name(&self) -> Result<String>;
}

pub struct Wicker(String);

impl Basket for Wicker {
    async fn take(name: String) -> Result<Self> {
        Ok(Self(name))
    }

    async fn name(&self) -> Result<String> {
        Ok(self.0.clone())
    }
}

/// Known to both programs, and in neither file.
#[remote]
pub trait Cellar {
    #[constructor]
    async fn dig() -> Result<Self>;
}

pub struct Dug;

impl Cellar for Dug {
    async fn dig() -> Result<Self> {
        Ok(Self)
    }
}

const SERVER: &str = r#"
    [channels.objects]
    kind = "tcp"
    listen = "127.0.0.1:0"
    priority = 5

    [channels.web]
    kind = "http"
    listen = "127.0.0.1:0"
    formatter = "json"
    origins = ["https://app.example"]
    host-names = ["api.example"]

    [publications.baskets]
    class = "demo.Basket"
    activation = "activated"

    [publications.tally]
    class = "demo.Tally"
    activation = "singleton"

    [publications.fresh]
    class = "demo.Tally"
    activation = "single-call"
"#;

async fn server() -> Host {
    let classes = Classes::new()
        .add_activated::<BasketDispatcher<Wicker>>("demo.Basket")
        .add_activated::<CellarDispatcher<Dug>>("demo.Cellar")
        .add::<TallyDispatcher<Counted>>("demo.Tally");
    parse(SERVER).unwrap().start(classes).await.unwrap()
}

/// Channels that only dial, and registrations at a server.
async fn client(server: &Host) -> Host {
    let baskets = server.channel("objects").unwrap().url("baskets").unwrap();
    let tally = server.channel("web").unwrap().url("tally").unwrap();
    let text = format!(
        r#"
        [channels.tcp]
        kind = "tcp"
        [channels.http]
        kind = "http"
        [client.activated.Basket]
        url = "{baskets}"
        [client.well-known.Tally]
        url = "{tally}"
        "#
    );
    let classes = Classes::new()
        .activatable::<BasketProxy>()
        .activatable::<CellarProxy>()
        .proxy::<TallyProxy>()
        .proxy::<AccountProxy>();
    let folder = Folder::new();
    let path = folder.config(&text);
    Host::from_config(path, classes).await.unwrap()
}

/// The names of a host's channels, with whether they listen.
fn channels(host: &Host) -> Vec<(String, bool)> {
    let channels = host.channels().into_iter();
    channels
        .map(|channel| (channel.name().to_owned(), channel.is_listening()))
        .collect()
}

#[tokio::test]
async fn two_files_make_a_server_and_a_client_of_an_activated_and_a_well_known_type() {
    let server = server().await;
    let client = client(&server).await;
    assert_eq!(server.published(), ["baskets", "fresh", "tally"]);
    let listening = [("objects".to_owned(), true), ("web".to_owned(), true)];
    assert_eq!(channels(&server), listening);
    let dialling = [("tcp".to_owned(), false), ("http".to_owned(), false)];
    assert_eq!(channels(&client), dialling);

    let basket = BasketProxy::take("of Ann".to_owned()).await.unwrap();
    assert!(!basket.is_local());
    assert_eq!(basket.name().await.unwrap(), "of Ann");
    let tally: TallyProxy = client.well_known().unwrap();
    assert!(!tally.is_local());
    assert_eq!(tally.url(), server.channel("web").unwrap().url("tally"));
    assert_eq!(tally.next().await.unwrap(), 1);
    assert_eq!(tally.next().await.unwrap(), 2);

    let error = CellarProxy::dig().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRegistered);
    let error = client.well_known::<AccountProxy>().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRegistered);
    let error = client.well_known::<BasketProxy>().map(drop).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotRegistered,
        "it is activated only"
    );
}

#[tokio::test]
async fn a_single_call_object_of_a_file_is_new_for_each_call() {
    let server = server().await;
    let fresh: TallyProxy = server.get(&server.url("fresh").unwrap()).unwrap();
    assert_eq!(fresh.next().await.unwrap(), 1);
    assert_eq!(fresh.next().await.unwrap(), 1);
}

#[tokio::test]
async fn classes_may_be_made_by_closures_and_factories() {
    let text = r#"
        [channels.main]
        kind = "tcp"
        listen = "127.0.0.1:0"
        [publications.tally]
        class = "demo.Tally"
        activation = "singleton"
        [publications.accounts]
        class = "demo.Account"
        activation = "activated"
    "#;
    let classes = Classes::new()
        .add_with::<TallyDispatcher<Counted>>("demo.Tally", Counted::default)
        .add_activated_with::<AccountDispatcher<Checking>, _>("demo.Account", Bank("the bank"));
    let host = parse(text).unwrap().start(classes).await.unwrap();
    let tally: TallyProxy = host.get(&host.url("tally").unwrap()).unwrap();
    assert_eq!(tally.next().await.unwrap(), 1);
    let activator = host.activate::<AccountProxy>(&host.url("accounts").unwrap());
    let account = activator.open("Ann".to_owned()).await.unwrap();
    assert_eq!(account.owner().await.unwrap(), "Ann of the bank");
}

#[tokio::test]
async fn a_channel_listens_beyond_this_machine_only_where_the_file_lets_it() {
    for permission in [
        "[host]\nallow-plaintext = true\n",
        "[host]\ninsecure-listen = true\n",
        "[channels.main]\nallow-plaintext = true\n",
    ] {
        let head = if permission.contains("[channels") {
            ""
        } else {
            "[channels.main]\n"
        };
        let text = format!("{permission}{head}kind = \"tcp\"\nlisten = \"0.0.0.0:0\"\n");
        let host = parse(&text).unwrap().start(classes()).await.unwrap();
        assert!(host.channel("main").unwrap().is_listening(), "{text}");
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_made_ends_its_call_and_not_the_host() {
    let text = "[channels.c]\nkind = \"tcp\"\nlisten = \"127.0.0.1:0\"\n[publications.p]\nclass = \"x\"\nactivation = \"singleton\"\n";
    let make = || async { Err::<Counted, _>("the disk is full") };
    let classes = Classes::new().try_add_with::<TallyDispatcher<Counted>, _, _>("x", make);
    let host = parse(text).unwrap().start(classes).await.unwrap();
    let tally: TallyProxy = host.get(&host.url("p").unwrap()).unwrap();
    let error = tally.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

/// Runs twice: by itself, and in a process of its own that has the variable.
#[tokio::test]
async fn the_variable_or_the_current_folder_says_where_the_file_is() {
    const NAME: &str = "remote::the_variable_or_the_current_folder_says_where_the_file_is";
    let started = Host::from_default_config(classes()).await;
    if std::env::var_os("REMOTING_CONFIG").is_some() {
        assert_eq!(started.unwrap().published(), ["tally"]);
        return;
    }
    let error = started.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    for part in ["`remoting.toml` cannot be read", "REMOTING_CONFIG"] {
        assert!(error.message().contains(part), "{error}");
    }
    let folder = Folder::new();
    let text = "[publications.tally]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\n";
    let path = folder.write("elsewhere.toml", text);
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env("REMOTING_CONFIG", path)
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_url_of_the_file_may_have_several_addresses() {
    let server = server().await;
    let there = server.channel("objects").unwrap().url("tally").unwrap();
    // Ports below 1024 are never given out by the system.
    let url = there.replacen("tcp://", "tcp://127.0.0.1:1,", 1);
    let text =
        format!("[channels.c]\nkind = \"tcp\"\n[client.well-known.Tally]\nurl = \"{url}\"\n");
    let client = parse(&text).unwrap().start(classes()).await.unwrap();
    let tally: TallyProxy = client.well_known().unwrap();
    assert_eq!(tally.next().await.unwrap(), 1);
}

#[tokio::test]
async fn calls_wait_for_a_server_where_the_file_says_so() {
    let policies = |host: &str, channel: &str| {
        format!("[host]\n{host}\n[channels.out]\nkind = \"tcp\"\n{channel}\n")
    };
    let (wait, fail) = (
        "connect-policy = \"wait\"",
        "connect-policy = \"fail-fast\"",
    );
    for (text, waits) in [
        (policies("", ""), false),
        (policies(wait, ""), true),
        (policies("", wait), true),
        (policies(wait, fail), false),
    ] {
        let host = parse(&text).unwrap().start(classes()).await.unwrap();
        // Ports below 1024 are never given out by the system.
        let tally: TallyProxy = host.get("tcp://127.0.0.1:1/tally").unwrap();
        let (time, kind) = match waits {
            true => (Duration::from_millis(50), ErrorKind::DeadlineExceeded),
            false => (Duration::from_secs(20), ErrorKind::ConnectFailed),
        };
        let call = tally.next().deadline(time);
        assert_eq!(call.await.unwrap_err().kind(), kind, "{text}");
    }
}
