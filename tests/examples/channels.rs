//! Ways to objects: HTTP, web pages, other servers, names without traits, a project of several crates.

use std::path::Path;
use std::process::Command;

use crate::{assert_lines, build_folder, output_of, run};

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
