//! A link with its session: the only place where the protocol meets time, tasks and sockets.
//!
//! All state is the session's; a connection adds one lock around it, the outgoing
//! half of the link, and one task, the driver. The driver reads, flushes and keeps
//! time. A lone caller writes to the socket itself; when many are under way, each
//! appends its frame and the driver flushes for all of them. Nobody holds the lock
//! while writing to a socket or running anybody's code.

mod aftermath;
mod calls;
mod closing;
mod driver;
mod events;
mod export;
mod flush;
mod inbox;
mod info;
mod intake;
mod login;
mod outbound;
mod pump;
mod reader;
mod redial;
mod references;
mod resolve;
mod resume;
mod serve;
mod sessions;
mod slot;
mod submit;

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Instant;

use tokio::sync::Notify;

use self::aftermath::{apply, apply_all};
use self::driver::Driven;
use self::events::Beginning;
use self::flush::{Flush, Then};
use self::login::Login;
use self::outbound::Outbound;
use self::reader::Reader;
use self::resume::Arrival;
use crate::authentication::{Authenticator, Token};
use crate::channel::Link;
use crate::clock;
use crate::error::{Error, Fault};
use crate::formatter::FormatterRef;
use crate::id::{InterfaceId, random_arrays};
use crate::limits::{Counters, Limits};
use crate::object::{Class, Keeper, Pinned, Trial, Workers};
use crate::peer::Peer;
use crate::session::{End, Identity, ResumeConfig, Session, SessionConfig, SessionStats};
use crate::sink::Sinks;
use crate::wire::{ResumeSecret, SessionId};

pub(crate) use self::calls::Destination;
pub use self::events::{ConnectionChange, ConnectionEvent, ConnectionEvents, Direction};
pub(crate) use self::events::{Events, Label};
pub(crate) use self::export::Export;
pub use self::info::{ConnectionInfo, ConnectionState};
pub(crate) use self::login::judge;
pub(crate) use self::sessions::Sessions;
pub(crate) use self::slot::SlotEndpoint;
pub(crate) use self::submit::Deferred;

/// What a connection needs of its host.
pub(crate) trait Service: Send + Sync {
    /// The object that calls by `name` reach.
    fn resolve(&self, name: &str, interface: InterfaceId, caller: &Peer) -> Result<Export, Fault>;

    /// The object that a ticket stands for.
    fn redeem(&self, ticket: &str, interface: InterfaceId, caller: &Peer) -> Result<Export, Fault>;

    /// What makes objects under `name`.
    fn class(
        &self,
        name: &str,
        interface: InterfaceId,
        caller: &Peer,
    ) -> Result<Arc<dyn Class>, Fault>;

    /// Who takes care of objects that others hold.
    fn keeper(&self) -> &Arc<Keeper>;

    /// The formatter of a codec.
    fn formatter(&self, codec: u8) -> Option<FormatterRef>;

    /// Who finds out who the peers are that have dialled, if anybody does.
    fn authenticator(&self) -> Option<&Arc<dyn Authenticator>>;

    /// Whether a peer may see the details of errors.
    fn shows_details(&self, peer: &Peer) -> bool;

    /// Where handlers run.
    fn workers(&self) -> &Arc<Workers>;

    /// The sessions that peers may come back to.
    fn sessions(&self) -> &Sessions;

    /// Who is told what happens to connections.
    fn events(&self) -> &Events;
}

/// Where a connection was dialled to.
pub(crate) trait Origin: Send + Sync {
    /// The incarnation of the host that is there now; nothing if nobody is.
    fn incarnation(&self) -> Pinned<'static, Option<u64>>;

    /// Dials again.
    ///
    /// # Errors
    ///
    /// Those of [`Channel::dial`](crate::channel::Channel::dial).
    fn dial(&self) -> Pinned<'_, Result<Link, Error>>;

    /// Whether it is to be told now that there is no connection.
    fn take_turn(&self) -> bool;

    /// What this side shows of itself.
    fn token(&self) -> Option<Token>;
}

/// Room for something, given back on drop.
pub(crate) type Room = Arc<dyn Send + Sync>;

/// One link and its session.
pub(crate) struct Connection {
    state: Mutex<State>,
    service: Arc<dyn Service>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    /// How calls that leave are written.
    formatter: FormatterRef,
    /// What calls pass through that leave.
    client_sinks: Sinks,
    /// What calls pass through that come, outside of the sinks of their object.
    server_sinks: Sinks,
    /// Who is at the other end, as the channel has it.
    peer: Arc<Peer>,
    /// The same, once it has logged in.
    known: OnceLock<Arc<Peer>>,
    /// The way to whoever is there now, if this side has dialled.
    origin: Option<Arc<dyn Origin>>,
    /// Told when the connection is closed.
    closed: Notify,
    beginning: Beginning,
}

/// All that changes; one short lock.
struct State {
    session: Session<Export>,
    /// The outgoing half; taken out by whoever is writing.
    outbound: Option<Box<Outbound>>,
    flush: Flush,
    /// Wakes the driver.
    driver: Option<Waker>,
    /// When the driver will look at the time by itself.
    armed: Option<Instant>,
    /// Why the connection ended, once it has.
    end: Option<End>,
    /// Something was under way then that the peer may be sending bytes of.
    was_busy: bool,
    /// A call that those which come after it wait for.
    trial: Option<Trial>,
    /// The driver has gone, and the link with it.
    is_over: bool,
    /// How many links the session has had before, so that who writes to one does not put it back in the place of another.
    link: u32,
    /// The session waits for another link.
    is_away: bool,
    /// A link that has come for the session.
    arrival: Option<Arrival>,
}

/// What makes a connection what it is.
pub(crate) struct ConnectionConfig {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    /// How calls that leave are written.
    pub(crate) formatter: FormatterRef,
    /// What calls pass through that leave.
    pub(crate) client_sinks: Sinks,
    /// What calls pass through that come, outside of the sinks of their object.
    pub(crate) server_sinks: Sinks,
    /// The codecs that this side reads.
    pub(crate) codecs: Vec<u8>,
    /// The number that this host has drawn when it began.
    pub(crate) incarnation: u64,
    /// The way to whoever is there now, if this side dials.
    pub(crate) origin: Option<Arc<dyn Origin>>,
    /// What this side shows of itself, if it dials.
    pub(crate) token: Option<Token>,
    /// What it is to people.
    pub(crate) label: Label,
}

impl Connection {
    /// Puts a session on a link and starts the driver on the current runtime.
    ///
    /// - `guard`: dropped when the connection is closed.
    /// - `handshake`: dropped when the peer's first frames have come.
    pub(crate) fn start(
        config: ConnectionConfig,
        link: Link,
        guard: Box<dyn Send>,
        handshake: Option<Room>,
    ) -> Arc<Self> {
        let is_accepted = config.origin.is_none();
        let window = config.limits.resume_window;
        let identity = (is_accepted && !window.is_zero()).then(new_identity);
        let session = SessionConfig {
            limits: Arc::clone(&config.limits),
            counters: Arc::clone(&config.counters),
            codecs: config.codecs,
            agent: concat!("remoting/", env!("CARGO_PKG_VERSION")).to_owned(),
            incarnation: config.incarnation,
            token: config.token.as_ref().map(Token::mint),
            resume: ResumeConfig { window, identity },
            dialled: !is_accepted,
        };
        let now = clock::now();
        // Until the driver runs, which is at once, a first call may write itself, and HELLO with it.
        let state = State {
            session: Session::new(session, now),
            outbound: Some(Box::new(Outbound::new(link.writer))),
            flush: Flush::Idle,
            driver: None,
            armed: Some(now),
            end: None,
            was_busy: false,
            trial: None,
            is_over: false,
            link: 0,
            is_away: false,
            arrival: None,
        };
        let connection = Arc::new(Self {
            state: Mutex::new(state),
            service: config.service,
            limits: config.limits,
            counters: config.counters,
            formatter: link.formatter.unwrap_or(config.formatter),
            client_sinks: config.client_sinks,
            server_sinks: config.server_sinks,
            peer: Arc::new(link.peer),
            known: OnceLock::new(),
            origin: config.origin,
            closed: Notify::new(),
            beginning: Beginning::new(config.label, now),
        });
        let driven = Driven::new(&connection, guard);
        // Who has dialled logs in; whom this side has dialled, it knows.
        let login = match is_accepted {
            true => Login::Expected,
            false => Login::Done,
        };
        let reader = Reader::new(link.reader, handshake, login);
        tokio::spawn(driver::drive(driven, reader));
        connection
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        self.known.get().unwrap_or(&self.peer)
    }

    /// Whether new calls can be made.
    pub(crate) fn can_call(&self) -> bool {
        self.lock().session.can_call()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Whether the peer has said of itself what it has to say.
    pub(crate) fn is_greeted(&self) -> bool {
        self.lock().session.peer().is_some()
    }

    pub(crate) fn stats(&self) -> SessionStats {
        self.lock().session.stats()
    }

    /// Whether the session waits for another link, and none has come.
    pub(crate) fn is_away(&self) -> bool {
        let state = self.lock();
        state.is_away && state.arrival.is_none() && state.end.is_none()
    }

    /// The incarnation of the peer's host, once it has told; nothing if it never will.
    pub(crate) async fn incarnation(&self) -> Option<u64> {
        poll_fn(|cx| self.lock().session.poll_incarnation(cx.waker())).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_identity() -> Identity {
    let [id, secret] = random_arrays();
    Identity {
        id: SessionId(id),
        secret: ResumeSecret(secret),
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &format_args!("{}", self.peer()))
            .field("session", &self.stats())
            .finish_non_exhaustive()
    }
}
