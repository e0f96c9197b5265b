//! What operates a host: sinks, traces, files, TLS.

use crate::{assert_lines, run};

#[test]
fn sinks_show_what_is_around_calls() {
    let output = run("sinks", &[]);
    assert_lines(
        &output,
        &[
            "own sink: say in the header `customer` who pays: executed No",
            "own sink: the price, and in a header 7 cents for Ann",
            "limit: 2 at once, 1 waits, 2 are refused: executed No",
            "retry: 40 prices of 40, by ",
            "in doubt, and none ran twice",
            "flow: the server has left a note: asked-for=scone",
            "method=\"bake\",outcome=\"ok\"} 3",
            "method=\"bake\",outcome=\"overloaded\"} 2",
        ],
    );
}

#[test]
fn tracing_shows_the_calls_of_one_trace() {
    let output = run("tracing", &[]);
    assert_lines(
        &output,
        &[
            "trace ",
            "Shop/order Client ",
            "Shop/order Server ",
            "Store/price Client ",
            "Store/price Server ",
            "one trace, four spans, and the handler's own events in the last",
        ],
    );
}

#[test]
fn configured_starts_two_hosts_from_two_files() {
    let output = run("configured", &[]);
    assert_lines(
        &output,
        &[
            "server: accounts, clock, tally",
            "what holds: token = \"<redacted>\" # ",
            "well known: asked 2 times",
            "activated: Ann has 500 cents",
            "its lease: 9 minutes more",
            "a stranger: this is for callers who say who they are",
            "client.toml:3:1: channels.web.prioritty: no such key; did you mean `priority`?",
        ],
    );
    let shown = run("configured", &["show"]);
    assert_lines(
        &shown,
        &["[lifetime]", "initial = \"7m\" # ", "[publications.tally]"],
    );
}

#[test]
fn secure_lets_in_whom_it_knows_and_nobody_else() {
    let output = run("secure", &[]);
    assert_lines(
        &output,
        &[
            "tcps://127.0.0.1:",
            "Ann empties it: the caller does not have a role",
            "https://127.0.0.1:",
            "Olga empties it: 100000 cents",
            "Eve, who calls herself Olga: ",
            "nobody: ",
            "a false server: the certificate of `tcps://",
            "a new certificate: connections go on",
        ],
    );
}
