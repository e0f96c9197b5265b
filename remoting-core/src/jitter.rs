//! Pauses between attempts, of which no two are alike, so that those who wait do not all come back at once.

use std::time::Duration;

use crate::id::random_bytes;

/// A time at random, up to `longest`.
pub(crate) fn full(longest: Duration) -> Duration {
    let part = f64::from(u32::from_le_bytes(random_bytes())) / f64::from(u32::MAX);
    longest.mul_f64(part)
}
