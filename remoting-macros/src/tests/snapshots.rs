//! The expansions as files, for reviewers to read: `tests/expansions/*.expanded.rs`.
//!
//! After a change that is meant, write them anew with
//! `REMOTING_BLESS=1 cargo test -p remoting-macros`, and read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use super::expand_file;

/// Compares the expansion of `tests/expansions/<name>.rs` with its snapshot.
#[track_caller]
fn check(name: &str) {
    let input = fs::read_to_string(place(name)).expect("the input is there");
    let snapshot = place(&format!("{name}.expanded"));
    let expanded = expand_file(&input);
    if std::env::var_os("REMOTING_BLESS").is_some() {
        fs::write(&snapshot, &expanded).expect("the snapshot can be written");
    }
    let expected = fs::read_to_string(&snapshot)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    assert!(
        expanded == expected,
        "the expansion of {name} differs from {}; bless it with REMOTING_BLESS=1 if that is meant:\n{expanded}",
        snapshot.display(),
    );
}

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expansions")
        .join(format!("{name}.rs"))
}

#[test]
fn an_interface_with_all_kinds_of_methods() {
    check("account");
}

#[test]
fn an_interface_with_all_kinds_of_arguments() {
    check("arguments");
}

#[test]
fn an_interface_with_type_parameters() {
    check("generic");
}

#[test]
fn an_interface_that_is_refused() {
    check("refused");
}
