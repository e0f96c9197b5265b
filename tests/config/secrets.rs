//! Tokens and keys: fetched from where they are, and shown to nobody.

use remoting::config::Config;
use remoting::prelude::*;

use crate::support::*;

const CANARY: &str = "s3cr3t-canary";

fn assert_silent(text: &str) {
    assert!(!text.to_lowercase().contains("canary"), "{text}");
}

#[test]
fn secrets_of_files_and_variables_are_in_no_text_of_a_configuration() {
    let folder = Folder::new();
    folder.write("token", format!("{CANARY}\n"));
    folder.write("certificate.pem", "a certificate");
    let text = r#"
        [channels.web]
        kind = "tcp"
        listen = "127.0.0.1:0"
        token = "env:TOKEN"
        tls.certificate = "certificate.pem"
        tls.key = "file:token"
        tls.client-roots = "certificate.pem"
        client-tls.certificate = "certificate.pem"
        client-tls.key = "env:TOKEN"
        [principals.ann]
        token = "file:token"
        [principals.bob]
        certificate = "CN=bob"
    "#;
    let path = folder.path().join("remoting.toml");
    let variables = [
        ("TOKEN", CANARY),
        ("OTHER", "another canary"),
        ("REMOTING__PRINCIPALS__BOB__TOKEN", "env:OTHER"),
    ];
    let config = Config::parse(text, &path, variables).unwrap();
    for text in [
        config.to_string(),
        format!("{config:?}"),
        format!("{config:#?}"),
    ] {
        assert_silent(&text);
        assert!(text.contains("<redacted>"), "{text}");
    }
    assert_eq!(config.to_string().matches("\"<redacted>\"").count(), 4);
    // Where the key is may be known.
    assert!(config.to_string().contains("key = \"file:token\""));
}

#[tokio::test]
async fn a_secret_in_a_wrong_place_is_in_no_error() {
    let folder = Folder::new();
    let pem = "-----BEGIN PRIVATE KEY-----\\ncanary\\n-----END PRIVATE KEY-----";
    for line in [
        format!("token = \"{CANARY}\""),
        format!("token = {CANARY}"),
        format!("token = [\"{CANARY}\"]"),
        format!("token = {{ a = \"{CANARY}\" }}"),
        format!("token = \"{CANARY}"),
        format!("token = \"x\" {CANARY}"),
        format!("token = \"env:{CANARY}\""),
        format!("tokn = \"{CANARY}\""),
        format!("token = '''\n{CANARY}\n'''"),
        format!("priority = \"{CANARY}\""),
        format!("tls.key = \"{CANARY}\""),
        format!("tls.key = \"{pem}\""),
        format!("tls.certificate = [\"{CANARY}\"]"),
        format!("token = \"{CANARY}\"\ntoken = \"{CANARY}\""),
    ] {
        let text = format!("[channels.web]\nkind = \"tcp\"\n{line}\n");
        let error = Config::parse(&text, "remoting.toml", NOTHING).unwrap_err();
        assert_silent(&format!("{error} {error:?} {error:#?}"));
        let error = Host::from_config(folder.config(&text), classes())
            .await
            .unwrap_err();
        assert_silent(&format!("{error} {error:?} {error:#?}"));
    }
    let text = format!("[client.well-known.Tally]\nurl = \"tcp://ann:{CANARY}@host:1/a\"\n");
    assert_silent(&mistakes(&text).join("\n"));
    let text = "[channels.web]\nkind = \"tcp\"\n";
    for name in ["TOKEN", "TOKN", "PRIORITY", "TLS__KEY"] {
        let variables = [(format!("REMOTING__CHANNELS__WEB__{name}"), CANARY)];
        let variables = variables.iter().map(|(name, value)| (name, *value));
        if let Err(error) = Config::parse(text, "remoting.toml", variables) {
            assert_silent(&format!("{error} {error:?}"));
        } else {
            panic!("{name} was taken");
        }
    }
}

/// A file with a secret written down in each place where one can be meant.
const WRITTEN_DOWN: &str = r#"[channels.web]
kind = "tcp"
token = "s3cr3t-canary"
client-tls = { key = 's3cr3t-canary', roots = "x" }
[channels.web.tls]
certificate = "x"
key = """s3cr3t-canary"""
[principals.ann]
token = [ "s3cr3t-canary" ]
roles = ["s3cr3t-canary", ""]
[client.well-known.Tally]
url = "tcp://ann:s3cr3t-canary@host:1/tally"
"#;

#[test]
fn a_file_that_is_cut_or_changed_anywhere_ends_in_an_error_without_secrets() {
    let errors = |text: &str| match parse(text) {
        Ok(config) => assert_silent(&format!("{config} {config:?}")),
        Err(error) => assert_silent(&format!("{error} {error:?}")),
    };
    for (offset, character) in WRITTEN_DOWN.char_indices() {
        let (before, after) = WRITTEN_DOWN.split_at(offset);
        let rest = &after[character.len_utf8()..];
        errors(before);
        for other in [
            "", "\"", "'", "\n", "[", "]", "{", "=", ".", "#", ",", "\\", "ä", "\0",
        ] {
            errors(&format!("{before}{other}{rest}"));
            errors(&format!("{before}{other}{after}"));
        }
    }
}

#[test]
fn a_secret_that_is_missing_empty_or_written_down_is_refused_with_advice() {
    for (value, told) in [
        ("plain", "write \"env:NAME\""),
        ("env:MISSING", "the variable `MISSING` is not set"),
        ("env:EMPTY", "the variable `EMPTY` is empty"),
        ("env:", "is not set"),
        ("file:", "the secret cannot be read from"),
        ("file:missing", "the secret cannot be read from `missing`"),
    ] {
        let text = format!("[principals.ann]\ntoken = \"{value}\"\n");
        let error = Config::parse(&text, "remoting.toml", [("EMPTY", "")]).unwrap_err();
        let start = "remoting.toml:2:9: principals.ann.token: ";
        assert!(error.message().starts_with(start), "{error}");
        assert!(error.message().contains(told), "{told}\nis not in\n{error}");
    }
}

/// What a configuration makes of a file with a secret.
#[cfg(unix)]
fn fetched(folder: &Folder) -> Result<(), String> {
    let text = "[principals.ann]\ntoken = \"file:token\"\n";
    let path = folder.path().join("remoting.toml");
    let config = Config::parse(text, path, NOTHING);
    config.map(drop).map_err(|error| error.message().to_owned())
}

#[cfg(unix)]
#[test]
fn a_secrets_file_is_refused_if_others_than_its_owner_may_use_it() {
    let folder = Folder::new();
    let path = folder.write("token", CANARY);
    for mode in [0o600, 0o400, 0o700] {
        set_mode(&path, mode);
        fetched(&folder).unwrap();
    }
    for mode in [
        0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o777,
    ] {
        set_mode(&path, mode);
        let error = fetched(&folder).unwrap_err();
        assert!(error.contains(&format!("mode {mode:04o}")), "{error}");
        assert!(error.contains("give it mode 0600"), "{error}");
        assert_silent(&error);
    }
}

#[cfg(unix)]
#[test]
fn a_secrets_file_is_a_plain_file_that_is_neither_empty_nor_too_long() {
    let folder = Folder::new();
    folder.write("token", vec![b'x'; 64 * 1024]);
    fetched(&folder).unwrap();
    for (content, told) in [
        (vec![b'x'; 64 * 1024 + 1], "longer than 65536 bytes"),
        (Vec::new(), "it is empty"),
        (b"\n".to_vec(), "it is empty"),
    ] {
        folder.write("token", content);
        let error = fetched(&folder).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    std::fs::remove_file(folder.path().join("token")).unwrap();
    std::fs::create_dir(folder.path().join("token")).unwrap();
    assert!(fetched(&folder).unwrap_err().contains("no plain file"));
}
