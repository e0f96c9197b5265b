//! Frames: the pieces that a connection's bytes are cut into.
//!
//! A frame is a head of four bytes and a body. The head holds the body's length
//! (24 bits, low byte first) and one byte of three flags and five bits of kind.

use std::fmt;

use super::violation::Violation;

/// The number of bytes in front of each body.
pub const HEAD_LENGTH: usize = 4;

/// The largest body that a head can announce.
pub const MAX_BODY: usize = 0xff_ffff;

/// The body that every peer takes before anything was announced, 256 KiB.
pub const DEFAULT_MAX_BODY: usize = 256 * 1024;

const KIND_BITS: u8 = 0x1f;

/// The kinds of frames.
#[allow(
    missing_docs,
    reason = "the names say it; PROTOCOL.md has a rule M<number> for each"
)]
pub mod kind {
    pub const HELLO: u8 = 0;
    pub const CALL: u8 = 1;
    pub const RETURN: u8 = 2;
    pub const ERROR: u8 = 3;
    pub const CANCEL: u8 = 4;
    pub const RELEASE: u8 = 5;
    pub const RENEW: u8 = 6;
    pub const PING: u8 = 7;
    pub const PONG: u8 = 8;
    pub const ITEM: u8 = 9;
    pub const CREDIT: u8 = 10;
    pub const END: u8 = 11;
    pub const CONT: u8 = 12;
    pub const RESOLVE: u8 = 13;
    pub const GO_AWAY: u8 = 14;
    pub const ACK: u8 = 15;
    pub const POST: u8 = 16;
    pub const ABORT: u8 = 17;
    /// From here on an unknown kind is skipped; below it ends the session.
    pub const FIRST_IGNORABLE: u8 = 24;
}

/// The three flags of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// A header block follows the fixed fields.
    pub const HDR: Self = Self(0x80);
    /// The payload goes on in a CONT.
    pub const MORE: Self = Self(0x40);
    /// What each kind makes of it.
    pub const EXTRA: Self = Self(0x20);

    /// Takes the flags out of a head's last byte.
    pub const fn of_byte(byte: u8) -> Self {
        Self(byte & !KIND_BITS)
    }

    /// The flags of `self` and those of `other`.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// `self` if `condition` holds, otherwise none.
    pub const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }

    /// The flags of `self` but those of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Tells whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#04x})", self.0)
    }
}

/// A frame whose body has not been looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFrame<'a> {
    /// One of [`kind`], 0 to 31.
    pub kind: u8,
    /// The flags.
    pub flags: Flags,
    /// The bytes behind the head.
    pub body: &'a [u8],
}

/// Cuts the first frame off `buffer` and tells how many bytes it took.
///
/// Gives `None` if the frame has not arrived whole. A frame that is too long is
/// refused as soon as its head is there.
///
/// # Errors
///
/// [`Violation::FrameTooLong`] if the head announces more than `max_body` bytes.
pub fn split_frame(
    buffer: &[u8],
    max_body: usize,
) -> Result<Option<(RawFrame<'_>, usize)>, Violation> {
    let Some((length, last)) = head(buffer) else {
        return Ok(None);
    };
    if length > max_body {
        return Err(Violation::FrameTooLong);
    }
    let Some(body) = buffer.get(HEAD_LENGTH..HEAD_LENGTH + length) else {
        return Ok(None);
    };
    let frame = RawFrame {
        kind: last & KIND_BITS,
        flags: Flags::of_byte(last),
        body,
    };
    Ok(Some((frame, HEAD_LENGTH + length)))
}

/// Tells how many bytes are missing of the first frame of `buffer`, as far as its head tells.
///
/// # Errors
///
/// [`Violation::FrameTooLong`] if the head announces more than `max_body` bytes.
pub(crate) fn missing(buffer: &[u8], max_body: usize) -> Result<usize, Violation> {
    let length = head(buffer).map_or(0, |(length, _)| length);
    if length > max_body {
        return Err(Violation::FrameTooLong);
    }
    Ok(length
        .saturating_add(HEAD_LENGTH)
        .saturating_sub(buffer.len()))
}

/// What the head of the first frame says: the length of the body, and the last byte.
fn head(buffer: &[u8]) -> Option<(usize, u8)> {
    let [low, middle, high, last] = *buffer.first_chunk()?;
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    Some((length, last))
}

/// The kind of the frame that `buffer` begins with, and how many bytes it has in all; nothing if not even its head is
/// there.
pub(crate) fn measure(buffer: &[u8]) -> Option<(u8, usize)> {
    let (length, last) = head(buffer)?;
    Some((last & KIND_BITS, length.saturating_add(HEAD_LENGTH)))
}

/// Says that the body of the last frame of `out`, which has its length already, goes on for `behind`
/// bytes that are not in `out`.
///
/// - `begin`: where the frame begins.
/// - `more`: whether the payload goes on in a CONT after these.
///
/// # Errors
///
/// [`TooLong`] if the body does not fit; `out` then ends where the frame began.
pub fn lengthen_frame(
    out: &mut Vec<u8>,
    begin: usize,
    behind: usize,
    more: bool,
) -> Result<(), TooLong> {
    flag_frame(out, begin, Flags::MORE.when(more));
    set_length(out, begin, behind)
}

/// Adds flags to a frame that was written.
///
/// - `begin`: where it begins.
pub(crate) fn flag_frame(out: &mut [u8], begin: usize, flags: Flags) {
    if let Some(last) = out.get_mut(begin.saturating_add(HEAD_LENGTH - 1)) {
        *last |= flags.0;
    }
}

/// A body cannot be that long: [`MAX_BODY`] is the limit. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the message does not fit into one frame of {MAX_BODY} bytes"
        )
    }
}

impl std::error::Error for TooLong {}

/// Where a frame that is being written began.
#[derive(Debug)]
#[must_use = "a frame needs its length: call `end_frame`"]
pub struct FrameStart(usize);

/// Begins a frame at the end of `out`; its body is what is appended from now on.
pub fn begin_frame(out: &mut Vec<u8>, kind: u8, flags: Flags) -> FrameStart {
    let start = FrameStart(out.len());
    out.extend_from_slice(&[0, 0, 0, kind & KIND_BITS | flags.0]);
    start
}

/// Ends the frame that began at `start` by writing its length.
///
/// # Errors
///
/// [`TooLong`] if the body does not fit; `out` then ends where the frame began.
pub fn end_frame(out: &mut Vec<u8>, start: FrameStart) -> Result<(), TooLong> {
    set_length(out, start.0, 0)
}

/// Writes the length of the last frame, `behind` bytes of which are not in `out`.
fn set_length(out: &mut Vec<u8>, start: usize, behind: usize) -> Result<(), TooLong> {
    let here = out.len().saturating_sub(start.saturating_add(HEAD_LENGTH));
    let length = here.saturating_add(behind);
    if length > MAX_BODY {
        out.truncate(start);
        return Err(TooLong);
    }
    let [low, middle, high, ..] = length.to_le_bytes();
    if let Some(head) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<3>) {
        *head = [low, middle, high];
    }
    Ok(())
}
