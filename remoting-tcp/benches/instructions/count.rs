//! Counting: this same program, started again in valgrind, once with few calls and once
//! with many.

use std::env;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::run::{Contestant, MAKE, Work};

/// The calls of the shorter run, after which all buffers have grown.
const FEW: usize = 1_280;
/// The calls of the longer run.
const MANY: usize = 7_680;

/// Whether instructions can be counted here.
pub(crate) fn possible() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// How many instructions one call takes, those of both ends together.
pub(crate) fn of_a_call(contestant: Contestant, work: Work) -> Outcome<f64> {
    let few = of_calls(contestant, work, FEW)?;
    let many = of_calls(contestant, work, MANY)?;
    Ok(many.saturating_sub(few) as f64 / (MANY - FEW) as f64)
}

/// How many instructions a process takes that makes so many calls.
fn of_calls(contestant: Contestant, work: Work, calls: usize) -> Outcome<u64> {
    let each = calls / work.callers();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([MAKE, contestant.name(), work.name(), &each.to_string()])
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    let number = told
        .lines()
        .find_map(|line| line.split("Collected :").nth(1));
    match number {
        Some(number) if output.status.success() => Ok(number.trim().parse()?),
        _ => Err(format!("a run in valgrind failed:\n{told}").into()),
    }
}
