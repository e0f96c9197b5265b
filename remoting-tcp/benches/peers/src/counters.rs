//! What the system has counted for a process.

use std::fs;
use std::path::Path;

/// What a process has used so far, in all threads that it still has.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Usage {
    /// Nanoseconds on a processor, in the program and in the kernel.
    pub(crate) cpu: u64,
    /// How often a thread was taken off a processor, or left it to wait.
    pub(crate) switches: u64,
}

impl Usage {
    /// Reads the counters; zeros where the system does not tell.
    ///
    /// - `process`: its number, or `self`.
    pub(crate) fn of(process: &str) -> Self {
        let mut sum = Self::default();
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
            return sum;
        };
        for thread in threads.flatten() {
            sum.cpu += on_processor(&thread.path()).unwrap_or(0);
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            sum.switches += number(&status, "voluntary_ctxt_switches:")
                + number(&status, "nonvoluntary_ctxt_switches:");
        }
        sum
    }

    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            switches: self.switches.saturating_sub(before.switches),
        }
    }
}

fn on_processor(thread: &Path) -> Option<u64> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// The bytes of memory that a process has written to and that are its own.
pub(crate) fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    number(&status, "RssAnon:") * 1024
}

/// The first processor that this process may run on.
pub(crate) fn first_processor() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = after(&status, "Cpus_allowed_list:").unwrap_or("0");
    let first = list.split(['-', ',']).next().unwrap_or("0");
    first.trim().to_owned()
}

/// How many files a process may have open; no bound where the system does not tell.
pub(crate) fn most_files() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = after(&limits, "Max open files").unwrap_or_default();
    let soft = line.split_whitespace().next();
    soft.and_then(|text| text.parse().ok())
        .unwrap_or(usize::MAX)
}

fn number(status: &str, name: &str) -> u64 {
    let value = after(status, name).and_then(|text| text.split_whitespace().next());
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn after<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))
}
