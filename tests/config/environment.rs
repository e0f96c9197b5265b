//! Values from the environment, before those of the file.

use remoting::config::Config;

use crate::support::*;

const TEXT: &str = r#"
[channels."my.web"]
kind = "http"
listen = "127.0.0.1:1"
[publications.tally]
class = "demo.Tally"
activation = "singleton"
"#;

fn with(variables: &[(&str, &str)]) -> Result<Config, String> {
    let config = Config::parse(TEXT, "remoting.toml", variables.iter().copied());
    config.map_err(|error| error.message().to_owned())
}

#[tokio::test]
async fn a_variable_goes_before_the_file_and_may_add_a_key() {
    let config = with(&[
        ("REMOTING__CHANNELS__MY_WEB__LISTEN", "127.0.0.1:0"),
        ("REMOTING__CHANNELS__MY_WEB__PRIORITY", "-3"),
        (
            "REMOTING__CHANNELS__MY_WEB__ORIGINS",
            "https://a.example, https://b.example",
        ),
        ("REMOTING__LIFETIME__INITIAL", "7M"),
        ("REMOTING__LIFETIME__CLASSIC", "true"),
        ("REMOTING__LIMITS__MAX_FRAME", "32 KiB"),
        ("REMOTING__LIMITS__CONNECTIONS", "7"),
        ("REMOTING__CHANNELS__MY_WEB__LIMITS__MAX_MESSAGE", "64 KiB"),
        ("REMOTING_CONFIG", "elsewhere"),
        ("PATH", "/bin"),
    ]);
    let config = config.unwrap();
    let text = config.to_string();
    for line in [
        "listen = \"127.0.0.1:0\" # environment REMOTING__CHANNELS__MY_WEB__LISTEN",
        "origins = [\"https://a.example\", \"https://b.example\"] # environment REMOTING__CHANNELS__MY_WEB__ORIGINS",
        "initial = \"7m\" # environment REMOTING__LIFETIME__INITIAL",
        "classic = true # environment REMOTING__LIFETIME__CLASSIC",
        "[channels.\"my.web\".limits]",
        "max-message = \"64 KiB\" # environment REMOTING__CHANNELS__MY_WEB__LIMITS__MAX_MESSAGE",
    ] {
        assert!(
            text.lines().any(|known| known == line),
            "{line}\nis not in\n{text}"
        );
    }
    let host = config.start(classes()).await.unwrap();
    assert_eq!(
        (host.limits().max_frame, host.limits().connections),
        (32_768, 7)
    );
    let channel = host.channel("my.web").unwrap();
    assert_eq!(channel.priority(), -3);
    assert_eq!(channel.limits().max_message, 65_536);
    assert_ne!(channel.address().unwrap(), "http://127.0.0.1:1");
}

#[test]
fn a_variable_that_is_wrong_is_told_by_its_name() {
    for (name, value, told) in [
        (
            "REMOTING__CHANNELS__MY_WEB__LISTEM",
            "x",
            "REMOTING__CHANNELS__MY_WEB__LISTEM: the variable names no key",
        ),
        (
            "REMOTING__CHANNELS__MY_WEB__LISTEM",
            "x",
            "did you mean `REMOTING__CHANNELS__MY_WEB__LISTEN`?",
        ),
        ("REMOTING__CHANNELS__OTHER__KIND", "tcp", "names no key"),
        ("REMOTING__", "x", "names no key"),
        (
            "REMOTING__CHANNELS__MY_WEB__LISTEN",
            "",
            "REMOTING__CHANNELS__MY_WEB__LISTEN: channels.\"my.web\".listen: ",
        ),
        (
            "REMOTING__CHANNELS__MY_WEB__PRIORITY",
            "high",
            "a whole number from",
        ),
        (
            "REMOTING__LIFETIME__CLASSIC",
            "1",
            "lifetime.classic: it must be `true` or `false`",
        ),
        ("REMOTING__LIFETIME__INITIAL", "-1", "it is negative"),
        ("REMOTING__LIMITS__MAX_FRAME", "1", "out of range"),
        (
            "REMOTING__PUBLICATIONS__TALLY__ACTIVATION",
            "never",
            "`never` is none of",
        ),
    ] {
        let error = with(&[(name, value)]).unwrap_err();
        assert!(
            error.starts_with(&format!("environment {name}: ")),
            "{error}"
        );
        assert!(error.contains(told), "{told}\nis not in\n{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_variable_that_stands_for_two_keys_is_refused() {
    let text = "[channels.a-b]\nkind = \"tcp\"\n[channels.a_b]\nkind = \"tcp\"\n";
    let variables = [("REMOTING__CHANNELS__A_B__PRIORITY", "2")];
    let error = Config::parse(text, "remoting.toml", variables).unwrap_err();
    let told = "it stands for `channels.a-b.priority` and for `channels.a_b.priority`";
    assert!(error.message().contains(told), "{error}");
    assert!(parse(text).is_ok());
}

#[test]
fn a_variable_may_give_what_the_file_is_lacking() {
    let text = "[publications.tally]\nactivation = \"singleton\"\n";
    assert!(parse(text).is_err());
    let variables = [("REMOTING__PUBLICATIONS__TALLY__CLASS", "demo.Tally")];
    Config::parse(text, "remoting.toml", variables).unwrap();
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused_and_strangers_are_left_alone() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(vec![0xff]);
    let own = (OsString::from("REMOTING__LIFETIME__INITIAL"), odd());
    let error = Config::parse(TEXT, "remoting.toml", [own]).unwrap_err();
    assert!(error.message().contains("not Unicode"), "{error}");
    Config::parse(TEXT, "remoting.toml", [(odd(), odd())]).unwrap();
}
