//! Every example runs to its end, and shows what it promises to show.
//!
//! `cargo test` builds the examples before it runs this file, into the folder beside
//! that of the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of what cargo builds in this profile: `target/debug`, say.
fn build_folder() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows its own path");
    let folder = this.parent().and_then(Path::parent);
    folder
        .expect("tests are built into a folder `deps`")
        .to_owned()
}

fn run(example: &str, arguments: &[&str]) -> String {
    let file = format!("{example}{}", std::env::consts::EXE_SUFFIX);
    let program = build_folder().join("examples").join(file);
    assert!(
        program.exists(),
        "{} is not there: `cargo test` builds the examples first, `cargo test --test examples` does not; \
         run `cargo build --examples`",
        program.display()
    );
    output_of(Command::new(program).args(arguments))
}

/// What a program wrote, if it went well.
fn output_of(command: &mut Command) -> String {
    let output = command.output().expect("the program can be started");
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(
        status.success(),
        "{command:?}: {status}\n{stdout}\n{stderr}"
    );
    stdout.into_owned()
}

/// Checks that the lines stand in the output, in this order, each as a part of one line.
#[track_caller]
fn assert_lines(output: &str, expected: &[&str]) {
    let mut lines = output.lines();
    for part in expected {
        assert!(
            lines.any(|line| line.contains(part)),
            "no line {part:?}, or not there, in:\n{output}"
        );
    }
}

#[test]
fn quickstart_shows_the_three_kinds_of_objects() {
    let output = run("quickstart", &[]);
    assert_lines(
        &output,
        &[
            "client: process ",
            "singleton: the first client counts 1, the second 2",
            "single call: the first client counts 1, the second 1",
            "activated: the object from 10 counts 11, the object from 50 50",
            "server: process ",
        ],
    );
}

#[test]
fn person_shows_values_and_errors() {
    let output = run("person", &[]);
    assert_lines(
        &output,
        &[
            "client: Wayfarer is male and 16 years old",
            "client: a year later 17, and the copy here is still 16",
            "client: 969 is too old by 847",
            "client: a wrong name: executed No",
            "client: out of patience: executed",
            "client: the server is gone: executed No",
        ],
    );
}

#[test]
fn publish_shows_names_and_channels_that_come_and_go() {
    let output = run("publish", &[]);
    assert_lines(
        &output,
        &[
            "channel front, priority 5: tcp://127.0.0.1:",
            "channel back, priority 1: tcp://127.0.0.1:",
            "disconnected: `board`",
            "marshalled again: 4 notes, through the proxy from before",
            "refused: ",
            "stopped: the caller inside still got its answer, \"five\"",
            "stopped: cannot connect to `tcp://127.0.0.1:",
            "listening again: tcp://127.0.0.1:",
        ],
    );
}

#[test]
fn wordcount_counts_this_repository() {
    let output = run("wordcount", &[]);
    assert_lines(
        &output,
        &[
            " text files of ",
            " lines, ",
            " the",
            "the same as counted here",
        ],
    );
}

#[test]
fn wordcount_counts_the_folder_that_it_is_given() {
    let folder = build_folder().join(format!("wordcount-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("inner")).expect("a folder can be made");
    let long = "sea ".repeat(100_000);
    std::fs::write(folder.join("long.txt"), long).expect("a file can be written");
    std::fs::write(folder.join("inner/short.txt"), "The Sea, the sky\nand I\n")
        .expect("a file can be written");
    std::fs::write(folder.join("inner/picture"), [0xff, 0xd8, 0xff])
        .expect("a file can be written");
    let output = run("wordcount", &[&folder.to_string_lossy()]);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    assert_lines(
        &output,
        &[
            "2 text files of 3 below ",
            "400023 bytes, 2 lines, 100005 words, 4 different",
            "100001 sea",
            "2 the",
            "1 and",
            "1 sky",
            "the same as counted here",
        ],
    );
}

#[test]
fn callbacks_tell_the_client_how_far_the_server_is() {
    let folder = build_folder().join(format!("callbacks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    for number in 0..120 {
        let file = folder.join(format!("{number}.txt"));
        std::fs::write(file, "ten bytes.").expect("a file can be written");
    }
    let output = run("callbacks", &[&folder.to_string_lossy()]);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    assert_lines(
        &output,
        &[
            "client: 50 files, 500 bytes",
            "client: 100 files, 1000 bytes",
            "client: all in all 120 files, 1200 bytes",
            "client: 50 files, 500 bytes",
            "client: stopped after 50 files",
            "client: the server holds no object of this process any more",
        ],
    );
}

#[test]
fn callbacks_look_through_this_repository() {
    assert_lines(&run("callbacks", &[]), &["client: all in all "]);
}

#[test]
fn pipelining_takes_one_round_trip() {
    assert_lines(
        &run("pipelining", &[]),
        &[
            "client: ten calls, each awaited: ",
            "client: ten calls, pipelined: ",
            "client: the one is larger than the other by 1",
            "client: a call that this one depends on ended with an error of its interface's own",
            "client: there is no folder nothing",
            "client: a call that this one depends on has failed, by Some(NotFound)",
            "server: 0 sizes asked for meanwhile",
            "server: one folder is left",
        ],
    );
}

#[test]
fn chat_goes_on_when_a_guest_is_killed() {
    let output = run("chat", &[]);
    assert_lines(
        &output,
        &[
            "carol hears ann: good evening",
            "carol is killed",
            "ann hears room: carol has left",
            "bob hears room: carol has left",
            "ann hears ann: then it is two of us",
            "bob hears ann: then it is two of us",
        ],
    );
    assert!(!output.contains("carol hears room: carol has left"));
}

#[test]
fn leases_show_why_objects_stay_and_when_they_go() {
    let output = run("leases", &[]);
    assert_lines(
        &output,
        &[
            "client: the call has renewed the lease to ",
            "client: the lease of `forgotten` has expired",
            "client: the lease of `sponsored` has expired",
            "client: the sponsor was asked 4 times, and then no more",
            "client: what was held, called or renewed is still there",
            "server: keeps Safe",
        ],
    );
}

#[test]
fn http_reaches_one_object_through_both_channels() {
    let output = run("http", &[]);
    assert_lines(
        &output,
        &[
            "tcp://127.0.0.1:",
            "/counter: now 2; taking 100: only 2 left",
            "a request by hand: now 12",
            "/counter/add -d '[5]'",
        ],
    );
}

#[test]
fn dynamic_calls_objects_by_names() {
    let output = run("dynamic", &[]);
    assert_lines(
        &output,
        &[
            "/shelves is a `Shelf`",
            "  :with_room_for(books)",
            "  put(book)",
            "  Ulysses: 2 there now",
            r#"  Dune: {"Full":2}"#,
            r#"  since 1900: [{"title":"Ulysses","year":1922}]"#,
        ],
    );
}

#[test]
fn axum_calls_objects_and_offers_them() {
    let output = run("axum", &[]);
    assert_lines(
        &output,
        &[
            "/buy/cup/2: 200, 3 left",
            "/buy/cup/4: 409, only 3 left",
            "/objects/till/sold: 2",
            "/objects/till: 3 through a proxy",
            "/objects/till/add -d '[5]'",
            "stopped: the objects answer 503",
        ],
    );
}

#[test]
fn browser_serves_a_page_and_lets_only_that_one_call() {
    let output = run("browser", &[]);
    assert_lines(
        &output,
        &[
            "the page is at http://127.0.0.1:",
            "the browser asks first: 204",
            "pinned by a page: Ann: bread at nine",
            "an error of the board's: 422",
            "a page of another origin: 403",
            "one note hangs there",
        ],
    );
}

/// The bank is a workspace of its own, as a user would have it, with a folder of its own for what is built.
#[test]
fn the_bank_builds_on_its_own_and_its_tests_pass() {
    let bank = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bank/Cargo.toml");
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args(arguments)
            .arg("--locked")
            .arg("--manifest-path")
            .arg(&bank);
        command.env("CARGO_TARGET_DIR", build_folder().join("bank"));
        output_of(&mut command)
    };
    let tests = cargo(&["test", "--quiet"]);
    assert!(tests.contains("3 passed"), "{tests}");
    let dependencies = cargo(&[
        "tree",
        "--package",
        "bank-contract",
        "--edges",
        "features,no-dev",
    ]);
    assert!(dependencies.contains("remoting-core"), "{dependencies}");
    for heavy in [
        "tokio feature \"net\"",
        "remoting-tcp",
        "remoting-http",
        "hyper",
    ] {
        assert!(
            !dependencies.contains(heavy),
            "a contract needs no {heavy}:\n{dependencies}"
        );
    }
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
