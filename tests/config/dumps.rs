//! The text of a configuration: all that holds, and where it comes from.

use remoting::config::Config;
use remoting::config::schema::keys;

use crate::support::*;

#[test]
fn every_key_that_has_a_value_is_shown_with_where_it_comes_from() {
    let text =
        "[channels.web]\nkind = \"tcp\"\n\n[lifetime]\ninitial = \"infinite\"\nmax-lifetime = 90\n";
    let shown = parse(text).unwrap().to_string();
    for line in [
        "[channels.web]",
        "kind = \"tcp\" # remoting.toml:2",
        "priority = 1 # default",
        "formatter = \"message-pack\" # default",
        "initial = \"infinite\" # remoting.toml:5",
        "renew-on-call = \"2m\" # default",
        "max-lifetime = \"1m 30s\" # remoting.toml:6",
        "max-frame = \"256 KiB\" # default",
        "error-detail = \"local-only\" # default",
    ] {
        assert!(
            shown.lines().any(|known| known == line),
            "{line}\nis not in\n{shown}"
        );
    }
    assert!(
        !shown.contains("tls") && !shown.contains("\nlisten ="),
        "{shown}"
    );
    for key in keys().filter(|key| !key.path.contains('*') && key.default.is_some()) {
        let name = key.path.rsplit('.').next().unwrap();
        let line = format!("\n{name} = ");
        assert!(shown.contains(&line), "{} is not in\n{shown}", key.path);
    }
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let folder = Folder::new();
    folder.write("c\"1\\.pem", "a file");
    let text = r#"
        [host]
        insecure-listen = true
        [lifetime]
        classic = true
        poll-time = "1s"
        [channels."my \"web\".\u0001"]
        kind = "http"
        listen = "127.0.0.1:0"
        origins = ["https://a.example", "x\ty"]
        tls.certificate = "c\"1\\.pem"
        tls.key = "c\"1\\.pem"
        tls.client-roots = "c\"1\\.pem"
        [publications.tally]
        class = "demo.Tally"
        activation = "singleton"
        methods.next.roles = ["teller"]
        [principals.ann]
        certificate = "CN=ann"
        roles = ["teller"]
    "#;
    let path = folder.path().join("remoting.toml");
    let first = Config::parse(text, &path, NOTHING).unwrap();
    let second = Config::parse(&first.to_string(), &path, NOTHING).unwrap();
    let without_origin = |config: &Config| -> Vec<String> {
        let text = config.to_string();
        let lines = text
            .lines()
            .map(|line| line.split(" # ").next().unwrap().to_owned());
        lines.collect()
    };
    assert_eq!(without_origin(&first), without_origin(&second));
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    let shown = first.to_string();
    assert!(
        shown.contains("optional-client = false # default"),
        "{shown}"
    );
    assert!(shown.contains("orphan-grace = \"0s\" # default"), "{shown}");
    assert!(
        shown.contains("allow-plaintext = true # default"),
        "{shown}"
    );
}
