//! The one place where the time is read.
//!
//! It follows the runtime's clock, which a test may stop and move.

use std::time::Instant;

/// The time of the runtime.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
