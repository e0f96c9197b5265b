//! Replays the seeds of the fuzz targets, so that what was found once stays found.

#[path = "../fuzz/checks.rs"]
mod checks;

use std::fs;
use std::path::Path;

/// The seeds of one target: names and bytes.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths
        .map(|path| {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            (path.display().to_string(), bytes)
        })
        .collect()
}

/// Runs `check` on each seed, on each of its beginnings, and with each byte changed.
fn replay(target: &str, check: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for (name, bytes) in seeds {
        // A failure names its seed in what the test has printed.
        println!("{name}");
        (0..=bytes.len()).for_each(|end| check(&bytes[..end]));
        let mut changed = bytes;
        for index in 0..changed.len().min(64) {
            let original = changed[index];
            for value in 0..=u8::MAX {
                changed[index] = value;
                check(&changed);
            }
            changed[index] = original;
        }
    }
}

#[test]
fn no_seed_of_the_frame_target_does_harm() {
    replay("frame", checks::frame);
}

#[test]
fn no_seed_of_the_message_target_does_harm() {
    replay("message", checks::message);
}
