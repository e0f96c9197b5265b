//! Waiting for what nobody announces.

/// Lets other tasks run until `condition` holds.
pub async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
