//! Every example runs to its end, and shows what it promises to show.
//!
//! `cargo test` builds the examples before it runs this file, into the folder beside
//! that of the tests.

mod channels;
mod objects;
mod operation;

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
