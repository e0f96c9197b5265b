//! Certificates that openssl makes, as the guide says, and curl as a caller who is known.

use std::sync::atomic::{AtomicU64, Ordering};

use remoting::config::{Classes, Config};
use remoting::prelude::*;

use crate::console;
use crate::folder::Folder;

const GUIDE: &str = include_str!("../../src/guide/security.md");

#[remote]
trait Tally {
    async fn next(&self) -> remoting::Result<u64>;
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Tally for Counted {
    async fn next(&self) -> remoting::Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

fn classes() -> Classes {
    Classes::new()
        .add::<TallyDispatcher<Counted>>("demo.Tally")
        .proxy::<TallyProxy>()
}

/// The files of the guide.
fn files() -> Vec<&'static str> {
    let parts = GUIDE.split("```toml\n").skip(1);
    parts.filter_map(|part| part.split("```").next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_openssl_make_callers_known_as_the_guide_shows() {
    let folder = Folder::new("openssl");
    let all = console::shown(GUIDE);
    let is_call = |shown: &console::Shown| shown.command.starts_with("curl");
    let (calls, made): (Vec<_>, Vec<_>) = all.into_iter().partition(is_call);
    assert_eq!((calls.len(), made.len()), (4, 6));
    let tokens = [
        ("BOB_TOKEN", "a token of bob's"),
        ("EVE_TOKEN", "a token of eve's"),
    ];
    let prepare = |shell: &mut std::process::Command| {
        shell.current_dir(folder.path()).envs(tokens);
    };
    console::run("openssl", &made, prepare, ("", "")).await;

    let file = folder.path().join("remoting.toml");
    let [server, client] = files()[..] else {
        panic!("the guide has two files");
    };
    let server = server.replace("127.0.0.1:8443", "127.0.0.1:0");
    let server = Config::parse(&server, &file, tokens).unwrap();
    let server = server.start(classes()).await.unwrap();
    let address = server.channel("front").unwrap().address().unwrap();
    let here = address.replace("https://127.0.0.1", "localhost");
    console::run("curl", &calls, prepare, ("localhost:8443", &here)).await;

    let client = client.replace("localhost:8443", &here);
    let client = Config::parse(&client, &file, tokens).unwrap();
    let client = client.start(classes()).await.unwrap();
    let tally: TallyProxy = client.well_known().unwrap();
    assert_eq!(tally.next().await.unwrap(), 3);
}
