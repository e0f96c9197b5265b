//! What a guide shows of a shell: commands, and what they print. They are run as they stand there.

use std::process::Command;

/// Prints what ends the output of a command.
const END: &str = "printf '\\n<end>\\n'";

/// A command of a guide and what it is said to print.
pub struct Shown {
    pub command: String,
    pub printed: String,
}

/// All that a guide shows in its blocks of `console`.
pub fn shown(guide: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in guide.lines() {
        match (line, inside) {
            ("```console", false) => inside = true,
            ("```", true) => inside = false,
            (line, true) => match (line.strip_prefix("$ "), all.last_mut()) {
                (Some(command), _) => all.push(Shown {
                    command: command.to_owned(),
                    printed: String::new(),
                }),
                (None, Some(last)) => last.printed.extend([line, "\n"]),
                (None, None) => panic!("the guide shows what no command prints: {line}"),
            },
            (_, false) => {}
        }
    }
    all
}

/// Runs commands and checks what they print. One shell runs them all, since one may use what another has left.
///
/// - `program`: has to be there.
/// - `prepare`: for the shell's folder and variables.
/// - `here`: what stands in the commands, and what is in its place here.
pub async fn run(
    program: &str,
    all: &[Shown],
    prepare: impl FnOnce(&mut Command),
    here: (&str, &str),
) {
    let there = Command::new(program).arg("--help").output();
    assert!(
        there.is_ok(),
        "this test runs `{program}`, which is not installed here"
    );
    let script: String = all
        .iter()
        .map(|shown| format!("{}\n{END}\n", shown.command))
        .collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", &script.replace(here.0, here.1)]);
    prepare(&mut shell);
    let output = tokio::task::spawn_blocking(move || shell.output().expect("there is a shell"));
    let output = output.await.expect("nothing panics there");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut printed = text.split("<end>\n");
    for Shown {
        command,
        printed: told,
    } in all
    {
        let real = printed.next().unwrap_or_default();
        assert_eq!(real.trim_end(), told.trim_end(), "{command}\n{errors}");
    }
}
