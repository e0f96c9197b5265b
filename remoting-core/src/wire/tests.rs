//! Tests of the wire: what is written is read back, and what is wrong is refused.

mod frames;
mod headers;
mod items;
mod messages;
mod numbers;

use super::{HEAD_LENGTH, Message, RawFrame, Violation, split_frame};

/// Cuts the only frame out of `bytes`.
fn only_frame(bytes: &[u8]) -> RawFrame<'_> {
    let (frame, taken) = split_frame(bytes, usize::MAX)
        .expect("no limit")
        .expect("a whole frame");
    assert_eq!(taken, bytes.len(), "one frame and nothing behind it");
    frame
}

/// Reads the only message in `bytes`.
fn read(bytes: &[u8]) -> Result<Message<'_>, Violation> {
    Message::parse(only_frame(bytes))
}

/// Makes a frame whose last head byte is `last`.
fn frame(last: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_LENGTH + body.len());
    let [low, middle, high, ..] = body.len().to_le_bytes();
    bytes.extend_from_slice(&[low, middle, high, last]);
    bytes.extend_from_slice(body);
    bytes
}
