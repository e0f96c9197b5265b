//! Files with TLS, tokens, principals and roles: a server and clients that meet.

use std::path::PathBuf;

use remoting::config::Config;
use remoting::prelude::*;
use remoting::{ErrorKind, Executed};

use crate::certificates::{Authority, Owned};
use crate::support::*;

/// What the folder of a server and its clients has.
struct Place(Folder);

impl Place {
    fn new() -> Self {
        let folder = Folder::new();
        let authority = Authority::new("issuer");
        folder.write("issuer.pem", authority.root_text());
        let write = |name: &str, own: Owned| {
            folder.write(&format!("{name}.pem"), own.chain);
            folder.write(&format!("{name}.key"), own.key);
        };
        write("server", authority.server());
        write("ann", authority.client("ann"));
        write("eve", Authority::new("another").client("ann"));
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("remoting.toml")
    }

    async fn server(&self, kind: &str) -> Host {
        let text = format!(
            r#"
            [host]
            admit-strangers = true

            [channels.front]
            kind = "{kind}"
            listen = "127.0.0.1:0"
            tls = {{ certificate = "server.pem", key = "file:server.key", client-roots = "issuer.pem", optional-client = true, reload = "1m" }}

            [publications.open]
            class = "demo.Tally"
            activation = "singleton"

            [publications.guarded]
            class = "demo.Tally"
            activation = "singleton"
            roles = ["teller"]

            [publications.half]
            class = "demo.Tally"
            activation = "single-call"
            methods.next.roles = ["teller"]

            [principals.ann]
            certificate = "CN=ann"
            roles = ["teller"]

            [principals.bob]
            token = "env:BOB"
            "#
        );
        let variables = [("BOB", "a canary of bob's")];
        let config = Config::parse(&text, self.path(), variables).unwrap();
        config.start(classes()).await.unwrap()
    }

    /// A client; `extra` is what its channel has besides roots.
    async fn client(&self, kind: &str, extra: &str, table: &str) -> Host {
        let text = format!(
            "[channels.out]\nkind = \"{kind}\"\n{extra}\n[channels.out.client-tls]\nroots = \"issuer.pem\"\n{table}\n"
        );
        let variables = [("TOKEN", "a canary of bob's")];
        let config = Config::parse(&text, self.path(), variables).unwrap();
        config.start(classes()).await.unwrap()
    }
}

async fn outcome(client: &Host, server: &Host, name: &str) -> Result<u64, ErrorKind> {
    let url = server.url(name).unwrap();
    assert!(
        url.starts_with("tcps://") || url.starts_with("https://"),
        "{url}"
    );
    let tally: TallyProxy = client.get(&url).unwrap();
    tally.next().await.map_err(|error| {
        assert_eq!(error.executed(), Executed::No, "{error}");
        error.kind()
    })
}

#[tokio::test]
async fn callers_are_known_by_certificate_or_token_and_may_do_what_their_roles_allow() {
    use ErrorKind::{PermissionDenied as Denied, Unauthenticated as Unknown};
    let place = Place::new();
    for kind in ["tcp", "http"] {
        let server = place.server(kind).await;
        let own = "certificate = \"ann.pem\"\nkey = \"ann.key\"";
        let ann = place.client(kind, "", own).await;
        assert_eq!(outcome(&ann, &server, "open").await, Ok(1), "{kind}");
        assert_eq!(outcome(&ann, &server, "guarded").await, Ok(1), "{kind}");
        assert_eq!(outcome(&ann, &server, "half").await, Ok(1), "{kind}");
        let bob = place.client(kind, "token = \"env:TOKEN\"", "").await;
        assert_eq!(outcome(&bob, &server, "open").await, Ok(2), "{kind}");
        assert_eq!(
            outcome(&bob, &server, "guarded").await,
            Err(Denied),
            "{kind}"
        );
        assert_eq!(outcome(&bob, &server, "half").await, Err(Denied), "{kind}");
        let stranger = place.client(kind, "", "").await;
        assert_eq!(outcome(&stranger, &server, "open").await, Ok(3), "{kind}");
        assert_eq!(
            outcome(&stranger, &server, "guarded").await,
            Err(Unknown),
            "{kind}"
        );
        let shown = "certificate = \"eve.pem\"\nkey = \"eve.key\"";
        let eve = place.client(kind, "", shown).await;
        assert_eq!(outcome(&eve, &server, "open").await, Err(Unknown), "{kind}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_with_its_place_and_nothing_listens() {
    let place = Place::new();
    place.0.write("nonsense.pem", "nonsense");
    let text = "[channels.a]\nkind = \"tcp\"\nlisten = \"127.0.0.1:0\"\n[channels.b]\nkind = \"tcp\"\nlisten = \"127.0.0.1:0\"\ntls = { certificate = \"nonsense.pem\", key = \"server.key\" }\n";
    let config = Config::parse(text, place.path(), NOTHING).unwrap();
    let error = config.start(classes()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .message()
            .contains("remoting.toml:7:7: channels.b.tls: "),
        "{error}"
    );
    assert!(error.message().contains("nonsense.pem"), "{error}");
}

#[tokio::test]
async fn what_others_reach_has_tls_and_knows_its_callers_or_the_file_says_that_it_need_not() {
    let place = Place::new();
    let tls = "tls = { certificate = \"server.pem\", key = \"server.key\" }\n";
    let mutual = "tls = { certificate = \"server.pem\", key = \"server.key\", client-roots = \"issuer.pem\" }\n";
    let known = "[principals.ann]\ntoken = \"env:ANN\"\n";
    for (head, channel, tail, told) in [
        ("", "", "", Some("sends clear text")),
        ("", "", known, Some("sends clear text")),
        ("", tls, "", Some("asks nobody who they are")),
        ("", tls, known, None),
        (
            "[host]\nadmit-strangers = true\n",
            tls,
            known,
            Some("asks nobody who they are"),
        ),
        (
            "[host]\nadmit-strangers = true\nallow-anonymous = true\n",
            tls,
            known,
            None,
        ),
        ("", mutual, "", None),
        ("[host]\nallow-anonymous = true\n", tls, "", None),
        (
            "[host]\nallow-anonymous = true\n",
            "",
            known,
            Some("sends clear text"),
        ),
        ("[host]\nallow-plaintext = true\n", "", "", None),
        ("[host]\ninsecure-listen = true\n", tls, "", None),
    ] {
        let text =
            format!("{head}[channels.c]\nkind = \"tcp\"\nlisten = \"0.0.0.0:0\"\n{channel}{tail}");
        let read = Config::parse(&text, place.path(), [("ANN", "a canary of ann's")]);
        match told {
            Some(told) => {
                let error = read.expect_err(&text);
                assert!(error.message().contains(told), "{text}: {error}");
                assert!(error.message().contains("channels.c.listen: "), "{error}");
            }
            None => {
                let host = read.expect(&text).start(classes()).await.expect(&text);
                assert!(host.channel("c").unwrap().is_listening());
            }
        }
    }
}

#[tokio::test]
async fn certificates_are_renewed_from_files_with_their_keys_and_not_from_variables() {
    let place = Place::new();
    let text = |key: &str| {
        format!(
            "[channels.c]\nkind = \"tcp\"\nlisten = \"127.0.0.1:0\"\n[channels.c.tls]\ncertificate = \"server.pem\"\nkey = \"{key}\"\nreload = \"1m\"\n"
        )
    };
    let config = Config::parse(&text("file:server.key"), place.path(), NOTHING).unwrap();
    assert!(config.to_string().contains("key = \"file:server.key\""));
    assert!(format!("{config:?}").contains("key: File(")); // and not what was in it
    let host = config.start(classes()).await.unwrap();
    assert!(host.channel("c").unwrap().is_listening());
    let key = std::fs::read_to_string(place.0.path().join("server.key")).unwrap();
    let error = Config::parse(&text("env:KEY"), place.path(), [("KEY", key)]).unwrap_err();
    let told = "remoting.toml:7:10: channels.c.tls.reload: certificates are renewed together";
    assert!(error.message().contains(told), "{error}");
}

#[tokio::test]
async fn two_who_are_known_by_the_same_are_told() {
    let place = Place::new();
    let tls = "tls = { certificate = \"server.pem\", key = \"server.key\", client-roots = \"issuer.pem\" }";
    let text = format!(
        "[channels.c]\nkind = \"tcp\"\n{tls}\nlisten = \"127.0.0.1:0\"\n[principals.ann]\ntoken = \"env:A\"\ncertificate = \"CN=a\"\n[principals.bob]\ntoken = \"env:B\"\ncertificate = \"CN=a\"\n"
    );
    let tokens = |own| [("A", "a canary of ann's"), ("B", own)];
    let error = Config::parse(&text, place.path(), tokens("a canary of ann's")).unwrap_err();
    for told in [
        "remoting.toml:9:9: principals.bob.token: `ann` is known by the same",
        "remoting.toml:10:15: principals.bob.certificate: `ann` is known by the same",
    ] {
        assert!(error.message().contains(told), "{error}");
    }
    assert!(!error.message().contains("canary"), "{error}");
    let other = text.replace(
        "bob]\ntoken = \"env:B\"\ncertificate = \"CN=a\"",
        "bob]\ntoken = \"env:B\"\ncertificate = \"CN=b\"",
    );
    Config::parse(&other, place.path(), tokens("another")).unwrap();
    // A mistake in the table of TLS is one alone.
    let broken = text
        .replace("issuer.pem", "nothing.pem")
        .replace("env:B", "env:A");
    let error = Config::parse(
        &broken.replace("CN=a\"\n[p", "CN=c\"\n[p"),
        place.path(),
        tokens("x"),
    );
    let error = error.unwrap_err();
    assert!(
        !error.message().contains("no channel of the file asks"),
        "{error}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_others_may_read_is_refused_at_its_place() {
    let place = Place::new();
    set_mode(&place.0.path().join("server.key"), 0o644);
    for key in ["server.key", "file:server.key"] {
        let text = format!(
            "[channels.c]\nkind = \"tcp\"\nlisten = \"127.0.0.1:0\"\n[channels.c.tls]\ncertificate = \"server.pem\"\nkey = \"{key}\"\n"
        );
        let error = Config::parse(&text, place.path(), NOTHING).unwrap_err();
        assert!(
            error
                .message()
                .contains("remoting.toml:6:7: channels.c.tls.key: "),
            "{error}"
        );
        assert!(error.message().contains("mode 0644"), "{error}");
    }
}

#[tokio::test]
async fn details_of_errors_go_to_whom_the_file_says() {
    for (mode, shown) in [("off", false), ("local-only", true), ("on", true)] {
        let text = format!(
            "[host]\nerror-detail = \"{mode}\"\n[channels.c]\nkind = \"tcp\"\nlisten = \"127.0.0.1:0\"\n[publications.p]\nclass = \"x\"\nactivation = \"singleton\"\n"
        );
        let make = || async { Err::<Counted, _>("the disk is full") };
        let classes = remoting::config::Classes::new();
        let classes = classes.try_add_with::<TallyDispatcher<Counted>, _, _>("x", make);
        let host = parse(&text).unwrap().start(classes).await.unwrap();
        let tally: TallyProxy = host.get(&host.url("p").unwrap()).unwrap();
        let error = tally.next().await.unwrap_err();
        assert_eq!(
            error.message().contains("the disk is full"),
            shown,
            "{mode}: {error}"
        );
    }
}
