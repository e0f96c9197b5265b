//! HELLO: what each side says of itself before anything else.
//!
//! Its body is a header block with keys of its own. An even key that is not known
//! is skipped, an odd one ends the session; so a later version can say more.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::frame::{DEFAULT_MAX_BODY, MAX_BODY};
use super::header::{DEFAULT_CODEC, SeenKeys, entry, whole};
use super::varint::{Reader, cut_text, put_prefixed, put_varint, varint_length};
use super::violation::Violation;
use crate::authentication::MAX_TOKEN;
use crate::secret::Secret;

/// The numbers of HELLO's keys.
mod key {
    pub(super) const AGENT: u64 = 2;
    pub(super) const FEATURES: u64 = 4;
    pub(super) const CODECS: u64 = 6;
    pub(super) const MAX_FRAME: u64 = 8;
    pub(super) const MAX_MESSAGE: u64 = 10;
    pub(super) const MAX_CALLS: u64 = 12;
    pub(super) const SESSION: u64 = 14;
    pub(super) const SECRET: u64 = 16;
    pub(super) const RX_COUNT: u64 = 18;
    pub(super) const RESUME_MS: u64 = 20;
    pub(super) const HEARTBEAT_MS: u64 = 22;
    pub(super) const INCARNATION: u64 = 24;
    pub(super) const WINDOW: u64 = 26;
    pub(super) const TOKEN: u64 = 29;
    /// The keys up to here have meanings, or will, and may not occur twice.
    pub(super) const LAST: u64 = 29;
}

/// How many bytes an agent's name has at most.
pub const MAX_AGENT: usize = 128;

/// How many codecs a HELLO announces at most.
pub const MAX_CODECS: usize = 32;

/// The smallest limit that may be announced for frames and messages, 16 KiB: what
/// a peer may send before it has seen the limit fits.
pub const LEAST_LIMIT: u32 = 16 * 1024;

/// The feature bit of those who keep the answers of calls, so that calls can go to what they hold.
pub const KEEPS_ANSWERS: u64 = 1 << 7;

/// The feature bit of those whose sessions outlive their connections.
pub const RESUMES: u64 = 1;

/// The name of a session, by which it is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

/// What proves that a session is one's own. It is good for one more connection.
#[derive(Clone, Copy)]
pub struct ResumeSecret(pub [u8; 16]);

impl fmt::Debug for ResumeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Compared in a time that does not depend on where the two differ.
impl PartialEq for ResumeSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ResumeSecret {}

/// What one side says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Program and version, for logs; at most 128 bytes.
    pub agent: String,
    /// The optional parts of the protocol that the sender knows, a bit each.
    pub features: u64,
    /// The codecs that the sender reads, best first; 1 to 32.
    pub codecs: Vec<u8>,
    /// The longest body of a frame that the sender takes; 16 KiB to 16 MiB - 1.
    pub max_frame: u32,
    /// The longest message that the sender takes, all its frames together.
    pub max_message: u64,
    /// How many calls the sender of this HELLO lets run at once; ids are below it.
    pub max_calls: u32,
    /// The session: of one that is resumed, or the new one of the side that was dialled.
    pub session: Option<SessionId>,
    /// What proves that it is the sender's, or, of the side that was dialled, what will prove it next time.
    pub secret: Option<ResumeSecret>,
    /// How many frames have arrived; 0 unless a session is resumed.
    pub rx_count: u64,
    /// For how many milliseconds the sender keeps a session that has lost its connection.
    pub resume_ms: u64,
    /// After how many milliseconds of silence the sender pings.
    pub heartbeat_ms: u64,
    /// A number that the sender's host has drawn when it began; 0 if it does not tell.
    pub incarnation: u64,
    /// What the sender takes of streams, if it takes any.
    pub window: Option<Window>,
    /// What proves who the sender is, if it has to; at most 4,096 bytes.
    pub token: Option<Secret>,
}

/// What a consumer of streams has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many streams may be open at once, each way for itself; ids are below it. At least 16.
    pub streams: u32,
    /// How many items may come of a stream before the first CREDIT; at least 1.
    pub items: u32,
    /// How many bytes of items, of which one counts no more than all of these; at least 16 KiB.
    pub bytes: u64,
}

/// The least number of streams that a side which takes any has room for.
pub const LEAST_STREAMS: u32 = 16;

impl Default for Hello {
    /// What holds for keys that a HELLO leaves out.
    fn default() -> Self {
        Self {
            agent: String::new(),
            features: 0,
            codecs: vec![DEFAULT_CODEC],
            max_frame: DEFAULT_MAX_BODY as u32,
            max_message: 4 * 1024 * 1024,
            max_calls: 1024,
            session: None,
            secret: None,
            rx_count: 0,
            resume_ms: 0,
            heartbeat_ms: 15_000,
            incarnation: 0,
            window: None,
            token: None,
        }
    }
}

impl Hello {
    /// Reads the entries of a block, without its length.
    ///
    /// # Errors
    ///
    /// If an entry is malformed or there twice, a value is out of its range, or a
    /// critical key is not known.
    pub fn parse(block: &[u8]) -> Result<Self, Violation> {
        let mut hello = Self::default();
        let mut seen = SeenKeys::default();
        let mut reader = Reader::new(block);
        while !reader.is_empty() {
            let (key, value) = entry(&mut reader)?;
            if key <= key::LAST {
                seen.add(key)?;
            }
            hello.take(key, value)?;
        }
        Ok(hello)
    }

    /// Appends the block: its length and its entries.
    ///
    /// Of an agent that is too long the beginning is written, and of too many
    /// codecs the first.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let agent = cut_text(&self.agent, MAX_AGENT).as_bytes();
        let codecs = self.codecs.get(..MAX_CODECS).unwrap_or(&self.codecs);
        let mut block = Vec::with_capacity(64 + agent.len() + codecs.len());
        put_varint(&mut block, key::AGENT);
        put_prefixed(&mut block, agent);
        put_number(&mut block, key::FEATURES, self.features);
        put_varint(&mut block, key::CODECS);
        put_prefixed(&mut block, codecs);
        put_number(&mut block, key::MAX_FRAME, u64::from(self.max_frame));
        put_number(&mut block, key::MAX_MESSAGE, self.max_message);
        put_number(&mut block, key::MAX_CALLS, u64::from(self.max_calls));
        if let Some(SessionId(id)) = self.session {
            put_varint(&mut block, key::SESSION);
            put_prefixed(&mut block, &id);
        }
        if let Some(ResumeSecret(secret)) = self.secret {
            put_varint(&mut block, key::SECRET);
            put_prefixed(&mut block, &secret);
        }
        put_number(&mut block, key::RX_COUNT, self.rx_count);
        if self.resume_ms != 0 {
            put_number(&mut block, key::RESUME_MS, self.resume_ms);
        }
        put_number(&mut block, key::HEARTBEAT_MS, self.heartbeat_ms);
        if self.incarnation != 0 {
            put_number(&mut block, key::INCARNATION, self.incarnation);
        }
        if let Some(window) = self.window {
            put_varint(&mut block, key::WINDOW);
            put_prefixed(&mut block, &window.to_bytes());
        }
        if let Some(token) = &self.token {
            put_varint(&mut block, key::TOKEN);
            put_prefixed(&mut block, cut_text(token.expose(), MAX_TOKEN).as_bytes());
        }
        put_prefixed(out, &block);
    }

    fn take(&mut self, key: u64, value: &[u8]) -> Result<(), Violation> {
        match key {
            key::AGENT => self.agent = text(value, MAX_AGENT)?,
            key::FEATURES => self.features = whole(value, Reader::varint64)?,
            key::CODECS if !(1..=MAX_CODECS).contains(&value.len()) => {
                return Err(Violation::BadCodecs);
            }
            key::CODECS => self.codecs = value.to_vec(),
            key::MAX_FRAME => self.max_frame = max_frame(value)?,
            key::MAX_MESSAGE => self.max_message = max_message(value)?,
            key::MAX_CALLS => self.max_calls = whole(value, Reader::varint32)?,
            key::SESSION => self.session = Some(SessionId(sixteen(value)?)),
            key::SECRET => self.secret = Some(ResumeSecret(sixteen(value)?)),
            key::RESUME_MS => self.resume_ms = whole(value, Reader::varint64)?,
            key::RX_COUNT => self.rx_count = whole(value, Reader::varint64)?,
            key::HEARTBEAT_MS => self.heartbeat_ms = whole(value, Reader::varint64)?,
            key::INCARNATION => self.incarnation = whole(value, Reader::varint64)?,
            key::WINDOW => self.window = Some(Window::parse(value)?),
            key::TOKEN => self.token = Some(Secret::new(text(value, MAX_TOKEN)?)),
            _ if key % 2 == 1 => return Err(Violation::UnknownHelloKey),
            _ => {}
        }
        Ok(())
    }
}

impl Window {
    fn parse(value: &[u8]) -> Result<Self, Violation> {
        let mut reader = Reader::new(value);
        let window = Self {
            streams: reader.varint32()?,
            items: reader.varint32()?,
            bytes: reader.varint64()?,
        };
        reader.finish()?;
        let is_enough = window.streams >= LEAST_STREAMS
            && window.items >= 1
            && window.bytes >= u64::from(LEAST_LIMIT);
        is_enough.then_some(window).ok_or(Violation::BadWindow)
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut value = Vec::with_capacity(16);
        put_varint(&mut value, u64::from(self.streams));
        put_varint(&mut value, u64::from(self.items));
        put_varint(&mut value, self.bytes);
        value
    }
}

fn put_number(out: &mut Vec<u8>, key: u64, value: u64) {
    put_varint(out, key);
    put_varint(out, varint_length(value) as u64);
    put_varint(out, value);
}

fn text(value: &[u8], most: usize) -> Result<String, Violation> {
    if value.len() > most {
        return Err(Violation::TextTooLong);
    }
    std::str::from_utf8(value)
        .map(str::to_owned)
        .map_err(|_| Violation::TextNotUtf8)
}

fn sixteen(value: &[u8]) -> Result<[u8; 16], Violation> {
    value.try_into().map_err(|_| Violation::BadSessionKey)
}

fn max_frame(value: &[u8]) -> Result<u32, Violation> {
    let limit = whole(value, Reader::varint32)?;
    if (LEAST_LIMIT..=MAX_BODY as u32).contains(&limit) {
        Ok(limit)
    } else {
        Err(Violation::BadMaxFrame)
    }
}

fn max_message(value: &[u8]) -> Result<u64, Violation> {
    let limit = whole(value, Reader::varint64)?;
    if limit >= u64::from(LEAST_LIMIT) {
        Ok(limit)
    } else {
        Err(Violation::BadMaxMessage)
    }
}
