//! The guide's commands, run as they stand there, print what stands there.

use std::process::Command;

use crate::calc::Server;

const GUIDE: &str = include_str!("../../src/guide/http.md");

/// Prints what ends the output of a command.
const END: &str = "printf '\\n<end>\\n'";

/// A command of the guide and what it is said to print.
struct Shown {
    command: String,
    printed: String,
}

fn shown() -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in GUIDE.lines() {
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

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_guide_print_what_it_shows() {
    let server = Server::start().await;
    let port = server.authority.rsplit(':').next().unwrap();
    let version = Command::new("curl").arg("--version").output();
    assert!(
        version.is_ok(),
        "this test runs `curl`, which is not installed here"
    );
    let all = shown();
    assert!(all.len() >= 9, "the guide shows {} commands", all.len());
    // One shell runs them all, since one may use what another has left.
    let script: String = all
        .iter()
        .map(|shown| format!("{}\n{END}\n", shown.command))
        .collect();
    let script = script.replace("localhost:8080", &format!("127.0.0.1:{port}"));
    let output = tokio::task::spawn_blocking(move || {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script])
            .output()
            .expect("there is a shell")
    });
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut printed = text.split("<end>\n");
    for shown in all {
        let real = printed.next().unwrap_or_default();
        let command = shown.command;
        assert_eq!(
            real.trim_end(),
            shown.printed.trim_end(),
            "{command}\n{errors}"
        );
    }
}
