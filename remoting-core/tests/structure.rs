//! The rules of the code itself, held by tests: who imports whom, what the driver may
//! keep, how long things get, where nothing may panic. ARCHITECTURE.md has the reasons.

#[path = "structure/source.rs"]
mod source;

use std::path::Path;

use source::{Source, root, rust_files};

/// The layers of this crate. A module imports from those before its own line, and from
/// its own line.
const LAYERS: &[&[&str]] = &[
    // Values that everybody may know. They know nothing but each other.
    &[
        "error",
        "url",
        "id",
        "jitter",
        "descriptor",
        "payload",
        "limits",
        "budget",
        "planted",
        "text",
        "trace",
        "peer",
        "secret",
        "authentication",
        "signed",
    ],
    // Bytes to messages and back; values to bytes and back.
    &["wire", "formatter"],
    // The protocol as a machine: time comes in as an argument.
    &["session"],
    // How long objects live, as decisions: the time is an argument here too.
    &["lifetime"],
    // From here on the time may be read, and lines be logged.
    &["clock", "log"],
    // The two ends of a call, and what is between them without a session.
    &["object", "proxy", "sink", "stream"],
    // What a transport has to offer.
    &["channel"],
    // A link with its session, and the one driver.
    &["connection"],
    // What users hold in their hands.
    &["host"],
    &["testing"],
];

/// The layers that are handed bytes of a peer as they come.
const NEVER_PANICS: &[&str] = &["wire", "session", "formatter", "channel"];

/// The layers without clock, runtime, socket, file and thread.
const PURE: &[&str] = &[
    "wire",
    "formatter",
    "session",
    "lifetime",
    "budget",
    "payload",
];

const LINES_OF_A_FILE: usize = 400;
const LINES_OF_A_FILE_WITH_A_REASON: usize = 600;
const LINES_OF_A_FUNCTION: usize = 60;

/// How a longer file's header gives its reason.
const REASON: &str = "//! Long because ";

#[test]
fn a_layer_imports_only_from_its_left() {
    let mut wrong = Vec::new();
    for source in core_sources() {
        let module = source.module();
        if module == "lib" {
            continue;
        }
        let Some(own) = layer_of(&module) else {
            wrong.push(format!(
                "{}: `{module}` has no place in LAYERS",
                source.place(0)
            ));
            continue;
        };
        for (offset, used) in source.names_after("crate::") {
            match layer_of(&used) {
                Some(layer) if layer <= own => {}
                Some(_) => wrong.push(format!(
                    "{}: `{module}` uses `{used}`, which is to its right",
                    source.place(offset)
                )),
                None => wrong.push(format!(
                    "{}: `crate::{used}` names no module of LAYERS",
                    source.place(offset)
                )),
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn the_driver_holds_no_table_of_its_own() {
    let path = core().join("src/connection/mod.rs");
    let source = Source::read(&path);
    let names = |structure: &str| -> Vec<String> {
        let fields = source.fields(structure).into_iter();
        fields.map(|(name, _)| name).collect()
    };
    // What a connection is made of, and never changes.
    let fixed = [
        "state",
        "service",
        "limits",
        "counters",
        "formatter",
        "client_sinks",
        "server_sinks",
        "peer",
        "known",
        "origin",
        "closed",
        "beginning",
    ];
    assert_eq!(names("Connection"), fixed);
    // What changes: the session has the tables, the rest is one link and one task.
    let changing = [
        "session", "outbound", "flush", "driver", "armed", "end", "was_busy", "trial", "is_over",
        "link", "is_away", "arrival",
    ];
    assert_eq!(names("State"), changing);
    for (name, kind) in [source.fields("Connection"), source.fields("State")].concat() {
        for table in ["Map", "Set", "Vec", "Slab", "Queue", "List"] {
            assert!(!kind.contains(table), "`{name}: {kind}` is a table");
        }
    }
}

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    for source in all_sources() {
        let lines = source.lines();
        let has_reason = source.header().any(|line| line.starts_with(REASON));
        let most = if has_reason {
            LINES_OF_A_FILE_WITH_A_REASON
        } else {
            LINES_OF_A_FILE
        };
        if lines > most {
            wrong.push(format!(
                "{}: {lines} lines, at most {most}",
                source.place(0)
            ));
        }
    }
    assert_none(&wrong);
}

#[test]
fn functions_are_short() {
    let mut wrong = Vec::new();
    let mut seen = 0_usize;
    for source in all_sources() {
        for function in source.functions() {
            seen += 1;
            if function.lines > LINES_OF_A_FUNCTION {
                wrong.push(format!(
                    "{}: `{}` has {} lines, at most {LINES_OF_A_FUNCTION}",
                    source.place(function.offset),
                    function.name,
                    function.lines
                ));
            }
        }
    }
    assert!(seen > 500, "only {seen} functions were found");
    assert_none(&wrong);
}

#[test]
fn what_reads_a_peers_bytes_does_not_panic() {
    let words = [
        ".unwrap()",
        ".expect(",
        "panic!",
        "todo!",
        "unimplemented!",
        "unreachable!",
    ];
    assert_none(&places_of(NEVER_PANICS, &words));
}

#[test]
fn the_pure_layers_know_no_clock_no_runtime_and_no_system() {
    let words = [
        "tokio",
        "Instant::now",
        "SystemTime",
        "std::net",
        "std::fs",
        "std::env",
        "std::thread",
    ];
    assert_none(&places_of(PURE, &words));
}

/// Where the code of some modules has one of `words`.
fn places_of(modules: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut files = 0_usize;
    for source in core_sources() {
        if !modules.contains(&source.module().as_str()) {
            continue;
        }
        files += 1;
        for word in words {
            let places = source.find(word);
            found.extend(places.map(|offset| format!("{}: `{word}`", source.place(offset))));
        }
    }
    assert!(
        files >= modules.len(),
        "only {files} files of {modules:?} were found"
    );
    found
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn core() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What this crate ships: its sources without their tests.
fn core_sources() -> Vec<Source> {
    let shipped = rust_files(&core().join("src")).into_iter();
    let shipped = shipped.filter(|path| !is_test(path));
    shipped
        .map(|path| Source::read(&path).without_tests())
        .collect()
}

/// All Rust files of the workspace, except what a macro has written.
fn all_sources() -> Vec<Source> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap_or_default();
    assert!(
        manifest.contains("[workspace]"),
        "these tests need the whole workspace"
    );
    let written = rust_files(root()).into_iter();
    let written = written.filter(|path| !path.to_string_lossy().ends_with(".expanded.rs"));
    written.map(|path| Source::read(&path)).collect()
}

fn is_test(path: &Path) -> bool {
    let inside = path.strip_prefix(core()).unwrap_or(path);
    let mut parts = inside.components();
    parts.any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

#[track_caller]
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
