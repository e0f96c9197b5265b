//! Expansions stay small: every line is compiled by every user, for every interface.
//!
//! Counted is what rustfmt prints, without documentation. Where rustfmt is not
//! installed the tests say so and pass.

use std::io::Write;
use std::process::{Command, Stdio};

use super::expand_file;

/// What an interface may cost by itself, and for each method.
const INTERFACE: (usize, usize) = (60, 12);
/// What constructors add: a factory, an activator, and two ways to construct.
const CONSTRUCTORS: (usize, usize) = (36, 32);

/// Formats source as users do; nothing where rustfmt is not installed.
fn formatted(source: &str) -> Option<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    rustfmt.stdin.take()?.write_all(source.as_bytes()).ok()?;
    let output = rustfmt.wait_with_output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Checks the size of an interface with this many methods and constructors.
#[track_caller]
fn check(source: &str, methods: usize, constructors: usize) {
    let Some(text) = formatted(&expand_file(source)) else {
        println!("skipped: rustfmt is not installed");
        return;
    };
    let counts = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("///");
    let lines = text.lines().filter(counts).count();
    let mut budget = INTERFACE.0 + INTERFACE.1 * methods;
    if constructors > 0 {
        budget += CONSTRUCTORS.0 + CONSTRUCTORS.1 * constructors;
    }
    println!("{lines} lines of {budget}: {methods} methods, {constructors} constructors");
    assert!(
        lines <= budget,
        "{lines} lines are more than {budget}:\n{text}"
    );
}

#[test]
fn an_interface_of_one_method_stays_in_its_budget() {
    check(
        "#[remote] trait Counter { async fn add(&self, amount: u64) -> Result<u64, CounterError>; }",
        1,
        0,
    );
}

#[test]
fn an_interface_of_eight_methods_stays_in_its_budget() {
    let source = r#"
        #[remote]
        pub trait Bank {
            async fn accounts(&self) -> Result<Vec<String>, BankError>;
            #[idempotent] #[readonly]
            async fn balance(&self, account: u64) -> Result<u64, BankError>;
            async fn deposit(&mut self, cents: u64) -> Result<u64, BankError>;
            async fn withdraw(&mut self, account: u64, cents: u64) -> Result<u64, BankError>;
            async fn find(&self, owner: &str) -> Result<Option<u64>, BankError>;
            async fn rename(&self, owner: &str) -> Result<(), BankError>;
            #[oneway]
            async fn note(&self, text: String) -> remoting::Result<()>;
            async fn close(&mut self) -> Result<(), BankError>;
        }
    "#;
    check(source, 8, 0);
}

#[test]
fn constructors_stay_in_their_budget() {
    check(include_str!("../../tests/expansions/account.rs"), 4, 1);
}

#[test]
fn an_interface_without_methods_stays_in_its_budget() {
    check("#[remote] pub trait Marker {}", 0, 0);
}
