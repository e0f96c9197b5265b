//! What a transport has to offer, and nothing of what flows through it.
//!
//! A channel offers one or both of two seams. A [`Link`] is a duplex of frames,
//! on which a connection runs a session: calls both ways, references, leases. An
//! [`Exchange`] takes one call and gives one reply, without a session. A channel
//! that offers links knows frames and no calls; one that offers exchanges knows
//! messages and no objects.

mod in_process;
mod pipe;

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Fault};
use crate::formatter::FormatterRef;
use crate::id::InterfaceId;
use crate::limits::{Counters, Limits};
use crate::sink::{CallMessage, ReplyMessage};
use crate::url::ObjectUrl;
use crate::wire::{Abort, PREFACE, write_abort};

pub use in_process::InProcessChannel;

/// A future without a name, which may be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A named way to reach other hosts, and to be reached by them.
///
/// Implementations are values that describe what to do; nothing is bound or
/// dialled until the host that they are registered with says so.
pub trait Channel: Send + Sync + 'static {
    /// The scheme of the URLs that the channel serves, in lower case: `tcp`.
    fn scheme(&self) -> &'static str;

    /// The name, priority and formatter of the channel.
    fn settings(&self) -> &ChannelSettings;

    /// Starts to listen, or gives `None` where the channel only dials.
    ///
    /// The listening ends when the [`Listener`] is dropped. A future that is dropped
    /// before it ends leaves nothing bound.
    ///
    /// # Errors
    ///
    /// `ChannelTaken` if the address is in use, `Config` if it may not be used.
    fn listen(&self, acceptor: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>>;

    /// Checks what only the channel knows of URLs of its scheme, before anything is dialled.
    ///
    /// # Errors
    ///
    /// `InvalidUrl` if the channel cannot dial such an address; by itself, where there is a path before
    /// the name.
    fn check(&self, url: &ObjectUrl) -> Result<(), Error> {
        url.without_path()
    }

    /// Opens a way to the host that `url` names.
    ///
    /// # Errors
    ///
    /// `ConnectFailed` with the address that was tried.
    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>>;
}

/// What all channels have.
#[derive(Debug, Clone)]
pub struct ChannelSettings {
    /// The name under which the host knows the channel; may be empty, and then repeat.
    pub name: String,
    /// Channels of higher priority are tried, and listed, first.
    pub priority: i32,
    /// How calls that leave through the channel are written.
    pub formatter: FormatterRef,
}

impl ChannelSettings {
    /// Priority 1 and the default formatter.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            priority: 1,
            formatter: FormatterRef::default(),
        }
    }
}

/// A channel that listens. Dropping it stops the listening, not the connections.
pub struct Listener {
    /// Where the channel can be reached, without an object's name: `tcp://127.0.0.1:40123`.
    pub address: String,
    /// Held as long as the channel is to listen.
    pub guard: Box<dyn Send + Sync>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What dialling gives.
#[non_exhaustive]
pub enum Dialed {
    /// A duplex of frames.
    Link(Link),
    /// One call in, one reply out.
    Exchange(Arc<dyn Exchange>),
}

/// A duplex of frames: bytes, in order, in both directions.
pub struct Link {
    /// Gives what the peer sends.
    pub reader: Box<dyn LinkReader>,
    /// Takes what is for the peer.
    pub writer: Box<dyn LinkWriter>,
    /// Who is at the other end, for logs and for `CallContext::peer`.
    pub peer: String,
}

/// The incoming half of a link.
pub trait LinkReader: Send {
    /// Appends some bytes of frames to `buffer` and gives their number; zero is the end.
    ///
    /// At most 64 KiB are read at a time, and room is made only for them: never
    /// for a length that the peer announced.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<usize, LinkError>>;
}

/// The outgoing half of a link.
pub trait LinkWriter: Send {
    /// Takes some of `bytes` and gives their number.
    ///
    /// `bytes` begins where the last call's number left off; it may end inside a frame.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Takes some of the bytes of `pieces`, one after the other, and gives their number.
    ///
    /// By itself it takes bytes of the first one that has any. Large payloads come this way.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = pieces.iter().find(|piece| !piece.is_empty());
        self.poll_write(cx, first.map_or(&[], |piece| piece))
    }

    /// Tells the peer that no more bytes will come.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Why a link gives no more frames.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// The transport failed.
    Io(io::Error),
    /// The peer does not speak the protocol; says what it seems to speak instead.
    NotOurProtocol(String),
    /// The peer speaks another major version of the protocol.
    Version(u8),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotOurProtocol(what) => f.write_str(what),
            Self::Version(theirs) => write!(
                f,
                "the peer speaks version {theirs} of the protocol, this side version 1"
            ),
        }
    }
}

/// One call in, one reply out.
pub trait Exchange: Send + Sync {
    /// Carries `call` to the other side and its reply back.
    ///
    /// Dropping the future gives the call up.
    fn exchange(&self, call: CallMessage) -> BoxFuture<'_, ReplyMessage>;
}

/// A host's open door, which a listening channel hands its links to.
#[derive(Clone)]
pub struct Acceptor(Arc<dyn Accept>);

impl Acceptor {
    pub(crate) fn new(accept: Arc<dyn Accept>) -> Self {
        Self(accept)
    }

    /// Asks for room for one more connection, before anything is spent on it.
    ///
    /// - `source`: the peer's address, where it has one.
    ///
    /// # Errors
    ///
    /// A limit of the host is reached, or the host is gone; the channel then closes the
    /// connection, after the [last words](TurnedAway::last_words) where that costs nothing.
    pub fn admit(&self, source: Option<IpAddr>) -> Result<Admission, TurnedAway> {
        self.0.admit(source)
    }

    /// Notes a request that came in some other way than over a connection of the channel's, until what is given is
    /// dropped: a host that stops waits for it as it does for connections.
    #[must_use = "the request is under way only as long as this is held"]
    pub fn visit(&self) -> Box<dyn Send + Sync> {
        self.0.visit()
    }

    /// Runs a connection over `link`, as a task of the current runtime.
    pub fn accept(&self, link: Link, admission: Admission) {
        self.0.accept(link, admission);
    }

    /// Runs one call through the host, for channels without links.
    pub fn exchange(&self, call: CallMessage, peer: &str) -> BoxFuture<'static, ReplyMessage> {
        self.0.exchange(call, peer)
    }

    /// The interface that calls of a name come through.
    ///
    /// - `wanted`: the one that the caller has; without it, the one under which the name is published.
    ///
    /// # Errors
    ///
    /// - `NotFound`, `ObjectGone`: there is nothing under the name, or no more.
    /// - `WrongInterface`: what is there has no such interface.
    /// - `Disconnected`: the host is gone.
    pub fn interface(
        &self,
        name: &str,
        wanted: Option<InterfaceId>,
    ) -> Result<&'static InterfaceDescriptor, Fault> {
        self.0.interface(name, wanted)
    }

    /// What is published now, sorted by name, with its interface.
    pub fn publications(&self) -> Vec<(String, &'static InterfaceDescriptor)> {
        self.0.publications()
    }

    /// The formatters that the host reads.
    pub fn formatters(&self) -> Vec<FormatterRef> {
        self.0.formatters()
    }

    /// The bounds of the host.
    pub fn limits(&self) -> Arc<Limits> {
        self.0.limits()
    }

    /// How often each of those was reached. A channel counts those that it sees reached itself.
    pub fn counters(&self) -> Arc<Counters> {
        self.0.counters()
    }

    /// Whether the host was told that clear text may leave this machine.
    pub fn allow_plaintext(&self) -> bool {
        self.0.allow_plaintext()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnedAway {
    pub(crate) reason: &'static str,
}

impl TurnedAway {
    /// The bytes that tell a peer on a link why, so that it knows that none of its calls has run:
    /// a preface, and an ABORT in the place of the HELLO (rules S1 and S18).
    pub fn last_words(&self) -> Vec<u8> {
        let mut words = PREFACE.to_vec();
        let abort = Abort {
            code: ErrorKind::Overloaded.code(),
            text: self.reason,
        };
        write_abort(&mut words, &abort);
        words
    }
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

/// Room for one connection, given back when dropped.
pub struct Admission {
    guard: Box<dyn Send + Sync>,
    handshake: Option<Arc<dyn Send + Sync>>,
    /// Held while the connection is none of a session's, which the host knows by itself.
    visit: Box<dyn Send + Sync>,
}

impl Admission {
    /// - `guard`: held as long as the connection lives.
    /// - `handshake`: held until the peer has spoken.
    /// - `visit`: held as long as the connection lives, unless it becomes a link.
    pub(crate) fn new(
        guard: impl Send + Sync + 'static,
        handshake: Arc<dyn Send + Sync>,
        visit: impl Send + Sync + 'static,
    ) -> Self {
        Self {
            guard: Box::new(guard),
            handshake: Some(handshake),
            visit: Box::new(visit),
        }
    }

    /// Notes that the peer has spoken: it is no stranger any more. For channels without links.
    pub fn greeted(&mut self) {
        self.handshake = None;
    }

    pub(crate) fn into_parts(self) -> (Box<dyn Send + Sync>, Option<Arc<dyn Send + Sync>>) {
        drop(self.visit);
        (self.guard, self.handshake)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admission")
    }
}

/// The host's side of an [`Acceptor`].
pub(crate) trait Accept: Send + Sync {
    fn admit(&self, source: Option<IpAddr>) -> Result<Admission, TurnedAway>;
    fn visit(&self) -> Box<dyn Send + Sync>;
    fn accept(&self, link: Link, admission: Admission);
    fn exchange(&self, call: CallMessage, peer: &str) -> BoxFuture<'static, ReplyMessage>;
    fn interface(
        &self,
        name: &str,
        wanted: Option<InterfaceId>,
    ) -> Result<&'static InterfaceDescriptor, Fault>;
    fn publications(&self) -> Vec<(String, &'static InterfaceDescriptor)>;
    fn formatters(&self) -> Vec<FormatterRef>;
    fn limits(&self) -> Arc<Limits>;
    fn counters(&self) -> Arc<Counters>;
    fn allow_plaintext(&self) -> bool;
}
