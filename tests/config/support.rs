//! Folders, logs and objects that several tests need.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use remoting::config::{Classes, Config};
use remoting::prelude::*;
use remoting::{Error, ErrorKind};

pub use crate::log::{Log, with_log};

/// No variables at all.
pub const NOTHING: [(&str, &str); 0] = [];

/// Counts.
#[remote]
pub trait Tally {
    async fn next(&self) -> remoting::Result<u64>;
}

#[derive(Default)]
pub struct Counted(AtomicU64);

impl Tally for Counted {
    async fn next(&self) -> remoting::Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// Is opened by clients.
#[remote]
pub trait Account {
    #[constructor]
    async fn open(owner: String) -> remoting::Result<Self>;

    async fn owner(&self) -> remoting::Result<String>;
}

pub struct Checking(String);

impl Account for Checking {
    async fn open(owner: String) -> remoting::Result<Self> {
        Ok(Self(owner))
    }

    async fn owner(&self) -> remoting::Result<String> {
        Ok(self.0.clone())
    }
}

/// Opens accounts of a bank.
#[derive(Clone)]
pub struct Bank(pub &'static str);

impl AccountFactory for Bank {
    type Object = Checking;

    async fn open(&self, owner: String) -> remoting::Result<Checking> {
        Ok(Checking(format!("{owner} of {}", self.0)))
    }
}

/// What the tests' files may name.
pub fn classes() -> Classes {
    Classes::new()
        .add::<TallyDispatcher<Counted>>("demo.Tally")
        .add_activated::<AccountDispatcher<Checking>>("demo.Account")
        .proxy::<TallyProxy>()
        .activatable::<AccountProxy>()
}

/// Reads a text as `remoting.toml`, without any environment.
pub fn parse(text: &str) -> Result<Config, Error> {
    Config::parse(text, "remoting.toml", NOTHING)
}

/// The lines of the error of a text that is wrong.
pub fn mistakes(text: &str) -> Vec<String> {
    let error = parse(text).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error.message().lines().map(str::to_owned).collect()
}

/// A folder that is gone after the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("remoting-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that nobody else may read.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        set_mode(&path, 0o600);
        path
    }

    /// Writes `remoting.toml`.
    pub fn config(&self, text: &str) -> PathBuf {
        self.write("remoting.toml", text)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is the system's to clear away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Where channels have begun to listen, as the log has it.
pub fn listened(log: &Log) -> Vec<String> {
    let lines = log.lines(&["listening"]).into_iter();
    lines
        .filter_map(|line| line.split("address=").nth(1).map(str::to_owned))
        .map(|address| address.trim().to_owned())
        .collect()
}
