//! What is said of files that are wrong, and that nothing is left of them.

use std::net::TcpListener;

use remoting::config::{Classes, Config};
use remoting::prelude::*;
use remoting::{ErrorKind, Result};

use crate::support::*;

/// What stands before each mistake: a channel, a publication and a registration that are right.
const RIGHT: &str = r#"[channels.first]
kind = "tcp"
listen = "127.0.0.1:0"
[publications.right]
class = "demo.Tally"
activation = "singleton"
[client.activated.Ledger]
url = "tcp://127.0.0.1:1/ledger"
"#;

/// An interface that is registered by no file that is right.
#[remote]
pub trait Ledger {
    #[constructor]
    async fn open() -> Result<Self>;
}

fn all() -> Classes {
    classes().activatable::<LedgerProxy>()
}

/// What follows, and what is said of it.
const CASES: &[(&str, &str)] = &[
    (
        "[chanels.x]\n",
        "9:2: chanels: no such key; did you mean `channels`?",
    ),
    (
        "[host]\nallow-plain = true\n",
        "10:1: host.allow-plain: no such key; did you mean `allow-plaintext`?",
    ),
    (
        "[host]\nlax = true\n",
        "10:1: host.lax: no such key; here may be",
    ),
    (
        "[channels.first.limits]\ntickets = 1\n",
        "10:1: channels.first.limits.tickets: no such key here; it belongs in [limits]",
    ),
    (
        "[channels.first.limits]\nconections = 1\n",
        "10:1: channels.first.limits.conections: no such key; did you mean `connections`?",
    ),
    (
        "[channels.first.limits]\nconnections = 0\n",
        "10:15: channels.first.limits.connections: `0` is out of range: it must be a whole number from 1 to",
    ),
    (
        "[publications.p]\nclass = \"demo.Tally\"\nactivation = \"singelton\"\n",
        "11:14: publications.p.activation: `singelton` is none of `singleton`, `single-call`, `activated`; did you mean `singleton`?",
    ),
    (
        "[publications.p]\nactivation = \"singleton\"\n",
        "9:1: publications.p.class: it is missing",
    ),
    (
        "[publications.p]\nclass = \"demo.Tall\"\nactivation = \"singleton\"\n",
        "10:9: publications.p.class: the program has no class `demo.Tall`; it has `demo.Account`, `demo.Tally`",
    ),
    (
        "[publications.p]\nclass = \"demo.Tally\"\nactivation = \"activated\"\n",
        "11:14: publications.p.activation: clients cannot make objects of `demo.Tally`",
    ),
    (
        "[publications.p]\nclass = \"demo.Account\"\nactivation = \"single-call\"\n",
        "11:14: publications.p.activation: objects of `demo.Account` are made by clients alone",
    ),
    (
        "[publications.p]\nclass = \"demo.Tally\"\nactivation = \"single-call\"\nlease = \"5m\"\n",
        "12:9: publications.p.lease: objects for single calls have no lease",
    ),
    (
        "[publications.\"a/b\"]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\n",
        "9:1: publications.\"a/b\": `a/b` is no name for a publication",
    ),
    (
        "[channels.x]\nkind = \"udp\"\n",
        "10:8: channels.x.kind: `udp` is none of `tcp`, `http`",
    ),
    (
        "[lifetime]\ninitial = \"7 parsecs\"\n",
        "10:11: lifetime.initial: `7 parsecs` is no time",
    ),
    (
        "[lifetime]\ninitial = \"-7m\"\n",
        "10:11: lifetime.initial: `-7m` is no time: it is negative",
    ),
    (
        "[lifetime]\ninitial = -7\n",
        "10:11: lifetime.initial: `-7` is no time: it is negative",
    ),
    (
        "[channels.x]\nkind = \"tcp\"\n[channels.x]\n",
        "11:11: channels.x: it is there twice, first in line 9",
    ),
    (
        "[channels.x]\nkind = \"tcp\"\nkind = \"http\"\n",
        "11:1: channels.x.kind: it is there twice, first in line 10",
    ),
    ("[channels.x\n", "9:12: this is not TOML: unclosed table"),
    (
        "[host]\nallow-plaintext = yes\n",
        "10:19: this is not TOML: ",
    ),
    (
        "[[channels.x]]\n",
        "9:1: channels.x: this must be a table; write it as [channels.x]",
    ),
    (
        "[channels.x]\nkind = \"tcp\"\nlisten = \"0.0.0.0:0\"\n",
        "11:10: channels.x.listen: `0.0.0.0:0` can be reached from other machines",
    ),
    (
        "[channels.x]\nkind = \"tcp\"\norigins = [\"https://app.example\"]\n",
        "11:11: channels.x.origins: only channels of kind `http` have it",
    ),
    (
        "[client.activated.Nobody]\nurl = \"tcp://127.0.0.1:1/a\"\n",
        "9:1: client.activated.Nobody: the program has no interface `Nobody` here; it has `Account`, `Ledger`",
    ),
    (
        "[client.well-known.Tally]\nurl = \"ftp://127.0.0.1:1/a\"\n",
        "10:7: client.well-known.Tally.url: no channel of the file dials `ftp://`",
    ),
    (
        "[client.well-known.Tally]\nurl = \"tcp://127.0.0.1:1,b/a\"\n",
        "10:7: client.well-known.Tally.url: this is no object's URL: it names no port",
    ),
    (
        "[client.well-known.Tally]\nurl = \"tcp://127.0.0.1/a\"\n",
        "10:7: client.well-known.Tally.url: this is no object's URL: it names no port",
    ),
    (
        "[principals.ann]\nroles = []\n",
        "9:1: principals.ann: nobody can be known by this",
    ),
    (
        "[principals]\n",
        "9:1: principals: it lists nobody, and everybody would be let in",
    ),
    (
        "[principals.ann]\ncertificate = \"CN=ann\"\n",
        "10:15: principals.ann.certificate: no channel of the file asks clients for certificates",
    ),
    (
        "[host]\nadmit-strangers = true\n",
        "10:19: host.admit-strangers: everybody is let in where nobody is listed",
    ),
    (
        "[publications.p]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\nroles = [\"teller\"]\n",
        "12:9: publications.p.roles: nobody has roles where nobody is listed",
    ),
    (
        "[publications.p]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\nmethods.next.roles = [\"teller\"]\n",
        "12:22: publications.p.methods.next.roles: nobody has roles where nobody is listed",
    ),
    (
        "[publications.p]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\n[publications.p.methods.next]\n",
        "12:1: publications.p.methods.next.roles: it is missing",
    ),
    (
        "[host]\ninsecure-listen = true\nallow-plaintext = false\n",
        "11:19: host.allow-plaintext: it says the opposite",
    ),
];

#[test]
fn each_mistake_is_told_with_file_line_and_key_and_leaves_nothing() {
    with_log(async |log| {
        let folder = Folder::new();
        for (text, told) in CASES {
            let path = folder.config(&format!("{RIGHT}{text}"));
            let error = Host::from_config(&path, all()).await.expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            let told = format!("{}:{told}", path.display());
            assert!(
                error.message().starts_with(&told),
                "{told}\nis not in\n{error}"
            );
            assert_eq!(error.message().lines().count(), 1, "{error}");
            assert_eq!(listened(&log), [""; 0], "{text}");
            let error = LedgerProxy::open().await.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotRegistered, "{text}");
        }
    });
}

#[tokio::test]
async fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let folder = Folder::new();
    let text = r#"
[publications.p]
class = "demo.Nothing"
activation = "singleton"
[lifetime]
initial = "soon"
[channels.x]
kind = "tcp"
prioritty = 1
[client.activated.Nobody]
url = "nowhere"
"#;
    let path = folder.config(text);
    let error = Host::from_config(&path, all()).await.unwrap_err();
    let prefix = format!("{}:", path.display());
    let lines = error.message().lines();
    let places: Vec<_> = lines
        .map(|line| line.strip_prefix(&prefix).unwrap())
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(places, ["3:9", "6:11", "9:1", "11:7"], "{error}");
}

#[test]
fn a_channel_that_cannot_listen_takes_all_others_with_it() {
    with_log(async |log| {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let text = format!("{RIGHT}[channels.second]\nkind = \"http\"\nlisten = \"{address}\"\n");
        let error = parse(&text).unwrap().start(all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChannelTaken);
        let told = "remoting.toml:11:10: channels.second.listen: cannot listen on";
        assert!(error.message().starts_with(told), "{error}");

        let listened = listened(&log);
        assert_eq!(listened.len(), 1, "the first channel did listen");
        let first = listened[0].strip_prefix("tcp://").unwrap();
        let refused = tokio::net::TcpStream::connect(first).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let error = LedgerProxy::open().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotRegistered);
    });
}

#[remote]
pub trait Diary {
    #[constructor]
    async fn open() -> Result<Self>;
}

#[tokio::test]
async fn an_interface_that_another_host_has_registered_is_told_with_its_place() {
    let text =
        "[channels.c]\nkind = \"tcp\"\n[client.activated.Diary]\nurl = \"tcp://127.0.0.1:1/d\"\n";
    let classes = || Classes::new().activatable::<DiaryProxy>();
    let config = parse(text).unwrap();
    let first = config.start(classes()).await.unwrap();
    let error = config.start(classes()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameTaken);
    let told = "remoting.toml:4:7: client.activated.Diary.url: `Diary` is registered";
    assert!(error.message().starts_with(told), "{error}");
    drop(first);
    config.start(classes()).await.unwrap();
}

#[tokio::test]
async fn a_method_that_the_interface_does_not_have_is_told_with_those_that_it_has() {
    let text = "[publications.p]\nclass = \"demo.Tally\"\nactivation = \"singleton\"\n[publications.p.methods.nxt]\nroles = []\n";
    let error = parse(text).unwrap().start(classes()).await.unwrap_err();
    let told = "remoting.toml:4:1: publications.p.methods.nxt: the interface has no such method; it has `next`";
    assert!(error.message().contains(told), "{error}");
}

#[tokio::test]
async fn a_class_that_was_added_twice_is_told() {
    let classes = classes().add::<TallyDispatcher<Counted>>("demo.Tally");
    let error = parse("").unwrap().start(classes).await.unwrap_err();
    assert!(error.message().contains("`demo.Tally` twice"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_there_or_not_text_is_told_by_its_name() {
    let folder = Folder::new();
    let path = folder.path().join("none.toml");
    let error = Host::from_config(&path, classes()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("none.toml"), "{error}");
    let path = folder.write("remoting.toml", b"# one\n# \xff\n");
    let error = Config::read(&path).unwrap_err();
    assert!(error.message().contains("remoting.toml:2:3: "), "{error}");
    let path = folder.write("remoting.toml", vec![b'#'; 2 * 1024 * 1024]);
    let error = Config::read(&path).unwrap_err();
    assert!(error.message().contains("longer than"), "{error}");
}
