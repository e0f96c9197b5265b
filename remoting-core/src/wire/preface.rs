//! The eight bytes that open a connection.
//!
//! They tell the protocol from every other one that may knock at the same port,
//! and its major version from those that are not understood here.

/// The number of bytes in a preface.
pub const PREFACE_LENGTH: usize = 8;

/// The major version that this crate speaks.
pub const MAJOR: u8 = 1;

/// The minor version that this crate speaks.
pub const MINOR: u8 = 0;

/// What this crate sends first.
pub const PREFACE: [u8; PREFACE_LENGTH] = [b'R', b'M', b'T', b'1', MAJOR, MINOR, 0, 0];

/// What the first eight bytes of a peer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preface {
    /// The peer speaks our major version.
    Ours {
        /// The minor version, which never keeps peers apart.
        minor: u8,
    },
    /// The peer speaks this protocol in another major version.
    Other {
        /// The major version of the peer.
        major: u8,
    },
    /// The peer speaks something else.
    Foreign,
}

impl Preface {
    /// Reads a peer's first eight bytes. The last two are not looked at.
    pub const fn read(bytes: [u8; PREFACE_LENGTH]) -> Self {
        match bytes {
            [b'R', b'M', b'T', b'1', MAJOR, minor, _, _] => Self::Ours { minor },
            [b'R', b'M', b'T', b'1', major, ..] => Self::Other { major },
            _ => Self::Foreign,
        }
    }
}
