//! How long a test may take, and how it waits for what nobody announces.

use std::time::Duration;

pub use crate::until::until;

/// How long a test may take: far longer than any does, so that a hang is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test on a runtime of its own; one that hangs fails.
pub fn within_patience(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ended = tokio::time::timeout(PATIENCE, test).await;
        ended.expect("the test ends in time");
    });
}
