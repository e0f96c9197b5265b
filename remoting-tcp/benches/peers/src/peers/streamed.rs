//! What the contestants stream, and how it is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use crate::workloads::PIECE;

/// Where pieces are counted that one side has passed.
pub(crate) type Passed = Arc<AtomicU64>;

/// A piece: bytes that are not all alike, so that nobody gains by finding that out.
pub(super) fn piece() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..PIECE).map(|at| (at % 251) as u8).collect());
    &BYTES
}

/// Pieces that are made, and counted, when they are asked for.
pub(super) fn pieces(count: u64, passed: Passed) -> impl Iterator<Item = Vec<u8>> + Send {
    (0..count).map(move |_| {
        passed.fetch_add(1, Ordering::Relaxed);
        piece().to_vec()
    })
}

/// Counts a piece that has come; gives its bytes.
pub(super) fn take(piece: Vec<u8>, passed: &Passed) -> u64 {
    passed.fetch_add(1, Ordering::Relaxed);
    std::hint::black_box(piece).len() as u64
}
