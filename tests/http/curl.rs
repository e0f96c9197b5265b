//! The guide's commands, run as they stand there, print what stands there.

use std::process::Command;

use crate::calc::Server;

const GUIDE: &str = include_str!("../../src/guide/http.md");

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
    for Shown { command, printed } in all {
        let real = command.replace("localhost:8080", &format!("127.0.0.1:{port}"));
        let output = tokio::task::spawn_blocking(move || {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &real])
                .output()
                .expect("there is a shell")
        });
        let output = output.await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.trim_end(), printed.trim_end(), "{command}\n{errors}");
    }
}
