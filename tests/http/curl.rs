//! The guide's commands, run as they stand there, print what stands there.

use crate::calc::Server;
use crate::console;

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_guide_print_what_it_shows() {
    let server = Server::start().await;
    let all = console::shown(include_str!("../../src/guide/http.md"));
    assert!(all.len() >= 14, "the guide shows {} commands", all.len());
    let port = server.authority.rsplit(':').next().unwrap();
    let here = format!("127.0.0.1:{port}");
    console::run("curl", &all, |_| {}, ("localhost:8080", &here)).await;
}
