//! A program of others that runs as long as its test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes with its test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{nth}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).expect("a file can be written");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// A running program. Dropped, it is ended.
pub struct Program {
    process: Child,
    folder: Folder,
}

impl Program {
    /// Starts it; what it says goes to a file of its folder.
    pub fn start(name: &str, folder: Folder, command: &mut Command) -> Self {
        let said = File::create(folder.path().join("said")).expect("a file can be made");
        let also = said.try_clone().expect("a file can be shared");
        let started = command.stdout(said).stderr(also).spawn();
        let process = started.unwrap_or_else(|error| panic!("{}", missing(name, &error)));
        Self { process, folder }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// What it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

/// What to say of a program that cannot be started.
pub fn missing(name: &str, error: &std::io::Error) -> String {
    format!(
        "this test needs `{name}`, which cannot be started here ({error}); on Debian: `apt-get install {name}`"
    )
}
