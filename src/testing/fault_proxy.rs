//! The proxy that users hold, and the table of the connections that go through it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::door::Door;
use super::trouble::{Lane, Trouble};

/// A proxy between clients and a server that does harm to their connections, so that a test can see what they make of it.
///
/// It passes on bytes and knows nothing of what they mean: TCP, TLS, HTTP and WebSockets go through it alike. What a connection
/// meets is a [`Trouble`] for each [`Lane`], which may be changed at any time, for connections that are open and
/// for those to come. Timers are those of tokio, and so stand still in its paused time while bytes move.
///
/// Dropped, it closes all its connections, and nobody reaches the server through it any more.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use remoting::testing::{Cut, Lane, FaultProxy, Trouble};
/// # let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let server_addr = server.local_addr()?;
///
/// let proxy = FaultProxy::to(server_addr).seed(7).start().await?;
/// let url = format!("tcp://{}/bank", proxy.addr());
/// // Whoever calls that URL loses the connection in the middle of an answer.
/// proxy.set(Lane::ToClient, Trouble::none().cut_after(50, Cut::Reset));
/// # drop(url);
/// # Ok(())
/// # }
/// ```
pub struct FaultProxy {
    shared: Arc<Shared>,
    door: Door,
}

/// How a [`FaultProxy`] is going to be; [`start`](Self::start) makes one of it.
#[derive(Debug)]
#[must_use = "it does nothing until it is started"]
pub struct FaultProxyBuilder {
    upstream: String,
    seed: u64,
    record: usize,
    troubles: Troubles,
}

/// The bytes of one connection, as they were passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Which connection of the proxy's, from 0 in the order in which they came.
    pub connection: u64,
    /// What the server was sent.
    pub to_server: Vec<u8>,
    /// What the client was sent.
    pub to_client: Vec<u8>,
}

/// What both lanes of a connection meet.
#[derive(Debug, Clone, Default)]
pub(super) struct Troubles {
    to_server: Trouble,
    to_client: Trouble,
}

/// What the proxy and its connections know together.
pub(super) struct Shared {
    pub(super) seed: u64,
    state: Mutex<State>,
}

struct State {
    /// `127.0.0.1:40123`.
    upstream: Arc<str>,
    /// What new connections meet.
    troubles: Troubles,
    /// What open connections meet. One that is taken out of here is reset.
    open: HashMap<u64, watch::Sender<Troubles>>,
    seen: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    recorded: BTreeMap<u64, Recorded>,
    /// How many bytes may still be recorded.
    room: usize,
    is_over: bool,
}

/// A connection that has just come.
pub(super) struct Opened {
    pub(super) number: u64,
    pub(super) upstream: Arc<str>,
    pub(super) orders: watch::Receiver<Troubles>,
}

impl Troubles {
    pub(super) fn of(&self, lane: Lane) -> &Trouble {
        match lane {
            Lane::ToServer => &self.to_server,
            Lane::ToClient => &self.to_client,
        }
    }

    fn set(&mut self, lane: Lane, trouble: Trouble) {
        match lane {
            Lane::ToServer => self.to_server = trouble,
            Lane::ToClient => self.to_client = trouble,
        }
    }
}

impl FaultProxyBuilder {
    /// What is left to chance is drawn from this; without one, from a seed that `{:?}` of the proxy shows.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps the first bytes that are passed on, for [`FaultProxy::recorded`].
    ///
    /// - `most`: how many at most, of all connections and both lanes together.
    pub fn record(mut self, most: usize) -> Self {
        self.record = most;
        self
    }

    /// What connections meet from the first one on, in one lane.
    pub fn trouble(mut self, lane: Lane, trouble: Trouble) -> Self {
        self.troubles.set(lane, trouble);
        self
    }

    /// Listens at a free port of 127.0.0.1, on this task's runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the server's place names no host and port; those of the system, which may have no socket left.
    pub async fn start(self) -> io::Result<FaultProxy> {
        let upstream = authority(&self.upstream)?;
        let state = State {
            upstream,
            troubles: self.troubles,
            open: HashMap::new(),
            seen: 0,
            bytes_to_server: 0,
            bytes_to_client: 0,
            recorded: BTreeMap::new(),
            room: self.record,
            is_over: false,
        };
        let shared = Arc::new(Shared {
            seed: self.seed,
            state: Mutex::new(state),
        });
        let door = Door::open(&shared).await?;
        Ok(FaultProxy { shared, door })
    }
}

impl FaultProxy {
    /// A proxy to a server, without any trouble yet.
    ///
    /// - `upstream`: where the server listens: a `SocketAddr`, `host:port`, or a URL like `tcp://host:port/bank`, as
    ///   `Host::url` and `ChannelHandle::address` give it. It need not listen yet; a name is looked up for each connection.
    pub fn to(upstream: impl fmt::Display) -> FaultProxyBuilder {
        FaultProxyBuilder {
            upstream: upstream.to_string(),
            seed: RandomState::new().hash_one("seed"),
            record: 0,
            troubles: Troubles::default(),
        }
    }

    /// Where clients reach the server through this proxy.
    pub fn addr(&self) -> SocketAddr {
        self.door.addr()
    }

    /// Sets what a lane meets, of the connections that are open and of those to come.
    pub fn set(&self, lane: Lane, trouble: Trouble) {
        let mut state = self.shared.state();
        state.set_open(lane, &trouble);
        state.troubles.set(lane, trouble);
    }

    /// Sets what a lane meets of the connections to come; those that are open go on as they are.
    pub fn set_new(&self, lane: Lane, trouble: Trouble) {
        self.shared.state().troubles.set(lane, trouble);
    }

    /// Sets what a lane meets of the connections that are open; those to come meet what was set before.
    pub fn set_open(&self, lane: Lane, trouble: Trouble) {
        self.shared.state().set_open(lane, &trouble);
    }

    /// Resets all connections that are open.
    pub fn cut_all(&self) {
        self.shared.state().open.clear();
    }

    /// Connects clients to come with another server, or with the same one at another place. Connections that are open
    /// stay where they are.
    ///
    /// - `upstream`: as for [`to`](Self::to).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it names no host and port.
    pub fn retarget(&self, upstream: impl fmt::Display) -> io::Result<()> {
        let upstream = authority(&upstream.to_string())?;
        self.shared.state().upstream = upstream;
        Ok(())
    }

    /// Refuses new connections, as a machine on which nothing listens; those that are open go on. Sessions take that for
    /// a server that has died. For a line that is away for a while and comes back, stall new connections,
    /// [`set_new`](Self::set_new) with [`Trouble::stall_after`] 0, and [`cut_all`](Self::cut_all). A dropped future may have
    /// done so or not.
    pub async fn refuse(&self) {
        self.door.refuse().await;
    }

    /// Takes new connections again, at the same address, which nobody else was given meanwhile. A dropped future leaves it
    /// refusing.
    ///
    /// # Errors
    ///
    /// Those of the system.
    #[expect(clippy::unused_async, reason = "it needs the runtime, like `refuse`")]
    pub async fn accept(&self) -> io::Result<()> {
        self.door.reopen(&self.shared)
    }

    /// How many connections have come so far.
    pub fn connections(&self) -> u64 {
        self.shared.state().seen
    }

    /// How many connections are open. Those that are being cut do not count.
    pub fn open_connections(&self) -> usize {
        self.shared.state().open.len()
    }

    /// How many bytes were passed on in one lane, by all connections together. Where trouble begins is counted in each
    /// connection by itself: the two agree while there has been only one.
    pub fn bytes(&self, lane: Lane) -> u64 {
        let state = self.shared.state();
        match lane {
            Lane::ToServer => state.bytes_to_server,
            Lane::ToClient => state.bytes_to_client,
        }
    }

    /// What was passed on so far, as far as [`record`](FaultProxyBuilder::record) had room, of each connection that passed any.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.state().recorded.values().cloned().collect()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_over = true;
        state.open.clear();
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        f.debug_struct("FaultProxy")
            .field("seed", &self.shared.seed)
            .field("addr", &self.addr())
            .field("upstream", &state.upstream)
            .field("troubles", &state.troubles)
            .field("connections", &state.seen)
            .finish_non_exhaustive()
    }
}

impl State {
    fn set_open(&mut self, lane: Lane, trouble: &Trouble) {
        for orders in self.open.values() {
            orders.send_modify(|troubles| troubles.set(lane, trouble.clone()));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection; `None` if the proxy is gone.
    pub(super) fn open(&self) -> Option<Opened> {
        let mut state = self.state();
        if state.is_over {
            return None;
        }
        let number = state.seen;
        state.seen += 1;
        let (sender, orders) = watch::channel(state.troubles.clone());
        state.open.insert(number, sender);
        Some(Opened {
            number,
            upstream: Arc::clone(&state.upstream),
            orders,
        })
    }

    /// Counts bytes that were passed on, and keeps them if it is to.
    pub(super) fn passed(&self, number: u64, lane: Lane, bytes: &[u8]) {
        let mut state = self.state();
        let state = &mut *state;
        let count = match lane {
            Lane::ToServer => &mut state.bytes_to_server,
            Lane::ToClient => &mut state.bytes_to_client,
        };
        *count += bytes.len() as u64;
        let kept = bytes.get(..state.room).unwrap_or(bytes);
        if kept.is_empty() {
            return;
        }
        state.room -= kept.len();
        let recorded = state.recorded.entry(number).or_default();
        recorded.connection = number;
        match lane {
            Lane::ToServer => recorded.to_server.extend_from_slice(kept),
            Lane::ToClient => recorded.to_client.extend_from_slice(kept),
        }
    }

    pub(super) fn closed(&self, number: u64) {
        self.state().open.remove(&number);
    }
}

/// The host and the port of an address or a URL.
fn authority(place: &str) -> io::Result<Arc<str>> {
    let behind = place.split_once("://").map_or(place, |(_, behind)| behind);
    let authority = behind.split(['/', '?']).next().unwrap_or_default();
    let is_host = |host: &str| match host.strip_prefix('[') {
        Some(rest) => rest.ends_with(']'),
        None => !host.is_empty() && !host.contains([':', ',']),
    };
    let parts = authority.rsplit_once(':');
    if !parts.is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok()) {
        let text = format!(
            "`{place}` names no host and port, as `127.0.0.1:8080` or `tcp://127.0.0.1:8080/bank` do"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(authority.into())
}
