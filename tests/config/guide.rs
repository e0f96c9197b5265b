//! The files in the guide are right, and the mistakes in it are told as it says.

use remoting::config::Config;

use crate::support::*;

const GUIDE: &str = include_str!("../../src/guide/config.md");

/// The blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let parts = GUIDE.split(fence.as_str()).skip(1);
    parts.filter_map(|part| part.split("```").next()).collect()
}

#[tokio::test]
async fn each_file_of_the_guide_starts_a_host() {
    let files = blocks("toml");
    assert_eq!(files.len(), 3);
    let free = [("REMOTING__CHANNELS__TCP8080__LISTEN", "127.0.0.1:0")];
    let server = Config::parse(files[0], "remoting.toml", free).unwrap();
    let server = server.start(classes()).await.unwrap();
    assert_eq!(server.published(), ["account", "tally"]);
    let client = parse(files[1]).unwrap().start(classes()).await.unwrap();
    client.well_known::<TallyProxy>().unwrap();
    let free = ["PUBLIC", "OFFICE"].map(|name| {
        let variable = format!("REMOTING__CHANNELS__{name}__LISTEN");
        (variable, "127.0.0.1:0".to_owned())
    });
    let narrow = Config::parse(files[2], "remoting.toml", free).unwrap();
    let narrow = narrow.start(classes()).await.unwrap();
    let connections = |name| narrow.channel(name).unwrap().limits().connections;
    assert_eq!((connections("public"), connections("office")), (100, 1000));
}

#[test]
fn all_keys_are_in_the_guide_as_a_program_shows_them() {
    let known = remoting::config::reference();
    let told = blocks("text").last().unwrap().to_owned();
    assert!(told == known, "the guide has to say:\n{known}");
}

#[test]
fn mistakes_are_told_as_in_the_guide() {
    let told = blocks("text")[0];
    let wrong = blocks("toml")[0]
        .replace("priority", "prioritty")
        .replace("\"singleton\"", "\"singelton\"");
    let texts = |lines: &mut dyn Iterator<Item = &str>| {
        let texts = lines.filter_map(|line| line.split_once(": "));
        let mut texts: Vec<_> = texts.map(|(_, text)| text.to_owned()).collect();
        texts.sort();
        texts
    };
    let found = mistakes(&wrong);
    let mut found = found.iter().map(String::as_str);
    assert_eq!(texts(&mut found), texts(&mut told.lines()));
}

#[test]
fn what_holds_is_shown_as_in_the_guide() {
    let shown = blocks("text")[1];
    let variables = [("REMOTING__CHANNELS__TCP8080__LISTEN", "127.0.0.1:9000")];
    let config = Config::parse(blocks("toml")[0], "remoting.toml", variables).unwrap();
    let text = config.to_string();
    for line in shown.lines() {
        // Where it stands in the file is the file's to say.
        let line = line.trim_end_matches(|c: char| c.is_ascii_digit());
        assert!(text.contains(line), "{line}\n{text}");
    }
}
