//! What a transport has to offer, and nothing of what flows through it.
//!
//! A channel offers one or both of two seams. A [`Link`] is a duplex of frames,
//! on which a connection runs a session: calls both ways, references, leases. An
//! [`Exchange`] takes one call and gives one reply, without a session. A channel
//! that offers links knows frames and no calls; one that offers exchanges knows
//! messages and no objects.

mod acceptor;
mod in_process;
mod pipe;

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::authentication::{MAX_TOKEN, Token};
use crate::error::{Error, ErrorKind};
use crate::formatter::FormatterRef;
use crate::limits::ChannelLimits;
use crate::peer::Peer;
use crate::proxy::ConnectPolicy;
use crate::sink::{CallMessage, ReplyMessage, SinkRef};
use crate::url::ObjectUrl;

#[doc(hidden)]
pub use crate::id::unguessable;
#[doc(hidden)]
pub use crate::log::Lines;
pub use crate::payload::Batch;
pub use crate::stream::{Freight, Items};
pub(crate) use acceptor::Accept;
pub use acceptor::{Acceptor, Admission, TurnedAway};
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

    /// Whether the channel serves the URLs of a scheme: its own, and others if it says so.
    fn serves(&self, scheme: &str) -> bool {
        scheme == self.scheme()
    }

    /// Where the object of a URL is reached by a [`Link`], for channels that dial an
    /// [`Exchange`] by default: calls that need a session go there.
    fn session_url(&self, url: &ObjectUrl) -> Option<ObjectUrl> {
        let _none = url;
        None
    }

    /// What the channel has in common with all others. Its limits are looked at once, when it is registered.
    fn settings(&self) -> &ChannelSettings;

    /// Checks what can be checked before anything is bound or dialled, such as keys and certificates.
    ///
    /// # Errors
    ///
    /// `Config` if the channel cannot work.
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

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
    /// - `url`: has one address, as those have that are dialled.
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

/// Checks that a channel can dial each address of a URL.
///
/// # Errors
///
/// Those of [`Channel::check`]; `InvalidUrl` for several addresses of an object that is called without a session, since
/// what one server keeps of its calls the next one knows nothing of.
#[doc(hidden)]
pub fn check_addresses(channel: &dyn Channel, url: &ObjectUrl) -> Result<(), Error> {
    if let (Some(session), Some(_)) = (channel.session_url(url), url.addresses().nth(1)) {
        let what = format!(
            "several addresses need a session, and `{}://` has none; use `{}://`",
            url.scheme(),
            session.scheme()
        );
        return Err(url.invalid(&what));
    }
    url.addresses()
        .try_for_each(|address| channel.check(&address))
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
    /// What is shown to those whom the channel dials, to prove who this side is.
    pub token: Option<Token>,
    /// What calls do where there is no connection, in the place of what the host says.
    pub connect_policy: Option<ConnectPolicy>,
    /// Bounds in the place of the host's.
    pub limits: ChannelLimits,
    /// What calls pass through that leave or come through the channel, the outermost one first.
    pub sinks: Vec<SinkRef>,
}

impl ChannelSettings {
    /// Priority 1, the default formatter, the bounds of the host, and no sinks.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            priority: 1,
            formatter: FormatterRef::default(),
            token: None,
            connect_policy: None,
            limits: ChannelLimits::default(),
            sinks: Vec::new(),
        }
    }

    /// Checks a token that is to be shown: it is neither empty nor too long, and can be sent in each way.
    ///
    /// # Errors
    ///
    /// `Config` if not.
    pub fn check(&self) -> Result<(), Error> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        let word = token.mint();
        let wrong = match word.expose() {
            "" => "is empty",
            long if long.len() > MAX_TOKEN => "is longer than 4,096 bytes",
            // What a header cannot hold, or would lose on its way.
            odd if odd.trim() != odd => "begins or ends with a space, or has a line break",
            odd if !odd.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
                "has characters besides those of ASCII that are printed"
            }
            _ => return Ok(()),
        };
        let text = format!("the token of the channel `{}` {wrong}", self.name);
        Err(Error::new(ErrorKind::Config, text))
    }

    /// Checks that a token goes nowhere where others could read it.
    ///
    /// - `is_private`: whether nobody on the way can read what is sent there.
    ///
    /// # Errors
    ///
    /// `TlsRequired` if they could.
    pub fn check_token(&self, url: &ObjectUrl, is_private: bool) -> Result<(), Error> {
        if self.token.is_none() || is_private || url.is_on_this_machine() {
            return Ok(());
        }
        let text = format!(
            "the token of the channel `{}` would go to `{}` in clear text; use a URL with TLS, or call \
             `allow_plaintext()` on the channel if the network is trusted",
            self.name,
            url.base()
        );
        Err(Error::new(ErrorKind::TlsRequired, text))
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
    pub peer: Peer,
    /// How calls that leave over the link are written; without it, as the channel says.
    pub formatter: Option<FormatterRef>,
}

/// The incoming half of a link.
pub trait LinkReader: Send {
    /// Appends some bytes of frames to `buffer` and gives their number; zero is the end.
    ///
    /// At most 65 KiB are read at a time, and room is made only for them: never
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

    /// How many of the bytes that come next may have left already, although no number said so: a link with a buffer of its
    /// own may have passed on some of what it took before a write that waits, or that has failed.
    ///
    /// By itself none.
    fn kept_back(&self) -> usize {
        0
    }

    /// Tells the peer that no more bytes will come.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the link by a reset (RFC 9293, section 3.10.5), once its reader is dropped: without what the system still
    /// holds for the peer. Behind bytes that nobody acknowledges, an ordinary end would not reach the peer.
    ///
    /// By itself it only drops the writer.
    fn reset(self: Box<Self>) {}
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
    /// The peer has let this side not in, and so has looked at nothing that was sent.
    Refused {
        /// What its callers are told.
        kind: ErrorKind,
        /// Why, and what to do.
        what: String,
    },
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
            Self::Refused { what, .. } => f.write_str(what),
        }
    }
}

/// One call in, one reply out.
pub trait Exchange: Send + Sync {
    /// Carries `call` to the other side and its reply back.
    ///
    /// Dropping the future gives the call up.
    fn exchange(&self, call: CallMessage) -> BoxFuture<'_, ReplyMessage>;

    /// Finds out whether the other side can be reached, without a call: for calls that wait until it can, all together.
    ///
    /// By itself it finds out nothing, and each of them tries for itself.
    ///
    /// # Errors
    ///
    /// `ConnectFailed` with the address that was tried, and others that calls would end with before they are sent.
    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Gives back the ticket of an object that came in an answer, and that nobody here needs any more.
    /// Where it does not arrive, the ticket's lease ends by itself.
    ///
    /// - `name`: `~/rt1.` and 22 letters more.
    fn release(&self, name: &str) -> BoxFuture<'static, ()> {
        let _lease = name;
        Box::pin(std::future::ready(()))
    }
}
