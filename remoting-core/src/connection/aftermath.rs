//! What a locked session leaves to be done: waking, cancelling, streaming and dropping, all of which may
//! run code of other people.

use super::Export;
use crate::session::Effects;

/// Does what was left to do when the lock was let go.
#[inline]
pub(super) fn apply(mut effects: Effects<Export>) {
    apply_all(&mut effects);
}

/// The same, keeping the room of the lists for the next time.
#[inline]
pub(super) fn apply_all(effects: &mut Effects<Export>) {
    if !effects.is_empty() {
        carry_out(effects);
    }
}

fn carry_out(effects: &mut Effects<Export>) {
    let (wakers, mut rare) = effects.parts();
    if let Some(rare) = &mut rare {
        for (cancellation, reason) in rare.cancelled.drain(..) {
            cancellation.cancel(reason);
        }
    }
    for waker in wakers.drain(..) {
        waker.wake();
    }
    for (source, stream) in rare.iter_mut().flat_map(|rare| rare.begun.drain(..)) {
        source.begin(stream);
    }
    for export in rare.into_iter().flat_map(|rare| rare.dropped.drain(..)) {
        drop_quietly(export);
    }
}

/// Drops what may be the last hold on a user's object, whose `Drop` may panic.
fn drop_quietly(export: Export) {
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(export)));
    if dropped.is_err() {
        tracing::error!(target: "remoting::object", "dropping an object panicked");
    }
}
