//! A program of others that runs as long as its test.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::folder::Folder;

impl Folder {
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path().join(name);
        std::fs::write(&file, text).expect("a file can be written");
        file
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
