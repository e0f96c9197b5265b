//! A Chromium without a window, which ends with the test.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The names under which systems know it.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

const FLAGS: [&str; 7] = [
    "--headless=new",
    // It cannot have one where the test runs as root or in a container; what it loads are our own pages.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    // What the page throws stands in `said`.
    "--enable-logging=stderr",
    "--disable-background-networking",
];

pub struct Browser {
    process: Child,
    /// What it keeps, and what it has said.
    folder: PathBuf,
}

impl Browser {
    /// Opens a page.
    pub fn open(url: &str) -> Self {
        static OPENED: AtomicU32 = AtomicU32::new(0);
        let nth = OPENED.fetch_add(1, Ordering::Relaxed);
        let name = format!("remoting-chromium-{}-{nth}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let started = NAMES.iter().find_map(|name| {
            let said = File::create(folder.join("said")).expect("a file can be made");
            let mut command = Command::new(name);
            command
                .args(FLAGS)
                .arg(url)
                .stdout(said.try_clone().ok()?)
                .stderr(said);
            command.arg(format!("--user-data-dir={}", folder.join("data").display()));
            command.env("TMPDIR", &folder);
            command.spawn().ok()
        });
        let Some(process) = started else {
            let _empty = std::fs::remove_dir_all(&folder);
            panic!(
                "this test needs Chromium, which is not installed here; on Debian: `apt-get install chromium`"
            );
        };
        Self { process, folder }
    }

    /// What it has written, warnings and errors of pages among it.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("said")).unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _status = self.process.wait();
        // Its own children end when they notice that it has gone, and may write until then.
        let until = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir_all(&self.folder).is_err() && Instant::now() < until {
            std::thread::yield_now();
        }
    }
}
