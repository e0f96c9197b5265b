//! What the compiler says when `#[remote]` is used wrongly: one file for each topic in
//! `tests/ui`, with the exact words beside it.
//!
//! Compilers differ in their words, so these are compared on one release only. After a
//! change that is meant, write them anew with `TRYBUILD=overwrite cargo test --test ui`.

use std::process::Command;

/// The release whose words stand in `tests/ui/*.stderr`.
const RELEASE: &str = "rustc 1.95.";

#[test]
fn wrong_uses_are_explained_at_the_users_own_words() {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = version.unwrap_or_else(|error| error.to_string());
    if !version.starts_with(RELEASE) {
        println!("skipped: the expected words are those of {RELEASE}*, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
