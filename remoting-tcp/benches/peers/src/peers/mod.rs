//! The contestants: a file for each, and here what they have in common.

#[cfg(feature = "capnp")]
mod capnp;
mod floor;
mod floor_rmp;
/// The floor's machinery, which is that of the other benchmarks too.
#[path = "../../../subjects/frames.rs"]
mod frames;
mod http;
mod ours;
mod remoc;
mod stream_floor;
mod streamed;
mod tarpc;
mod tonic;

use std::any::Any;
use std::future::{Future, ready};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::drive;
use crate::measure::Turn;
use crate::workloads::{Deed, Streamed};

pub(crate) use self::streamed::Passed;

/// The contestant that all others are compared with.
pub(crate) const FLOOR: &str = "floor";
/// The floor once more: what it differs from itself is noise.
const AGAIN: &str = "floor-again";
/// The floor with arguments and results in MessagePack.
pub(crate) const FLOOR_RMP: &str = "floor-rmp";
/// The library that this repository is about.
pub(crate) const OURS: &str = "remoting";
/// The same once more.
pub(crate) const OURS_AGAIN: &str = "remoting-again";
/// The same with sinks that calls pass.
pub(crate) const CLIENT_SINKS: &str = "remoting-client-sinks";
pub(crate) const SERVER_SINKS: &str = "remoting-server-sinks";
/// The same with such limits as growing needs.
pub(crate) const RAISED: &str = "remoting-raised";

/// A way to make calls.
pub(crate) trait Peer {
    type Caller: Caller;

    /// What is set otherwise than the library does by itself, and other things to know.
    const ABOUT: &'static str;

    fn runtime() -> Result<Runtime> {
        Ok(Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?)
    }

    /// Starts to serve on a free port of this machine.
    async fn serve() -> Result<Serving>;

    /// Makes a new connection.
    async fn connect(address: &str) -> Result<Self::Caller>;
}

/// A server that serves until this is dropped.
pub(crate) struct Serving {
    /// What its clients connect to.
    pub(crate) address: String,
    _keep: Box<dyn Any>,
}

impl Serving {
    pub(crate) fn new(address: impl ToString, keep: impl Any) -> Self {
        Self {
            address: address.to_string(),
            _keep: Box::new(keep),
        }
    }
}

/// Serves a floor on a free port.
async fn serve_frames(handler: frames::Handler) -> Result<Serving> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(frames::serve(listener, handler));
    Ok(Serving::new(address, serving))
}

/// One connection, shared by all clones. It is closed with the last of them.
pub(crate) trait Caller: Clone + 'static {
    fn add(&self, a: i32, b: i32) -> impl Future<Output = Result<i32>>;

    /// Gives the `id` of the person in the answer.
    fn get_person(
        &self,
        id: u32,
        country: &str,
        detailed: bool,
    ) -> impl Future<Output = Result<u32>>;

    /// Gives the number of bytes that came back.
    fn echo(&self, data: &Bytes) -> impl Future<Output = Result<usize>>;

    /// Lets this connection hold as many objects of its own, where there are objects.
    fn hold(self, _objects: usize) -> impl Future<Output = Result<Self>> {
        ready(Ok(self))
    }

    /// `add` at one of the objects that are held.
    fn add_among(&self, _place: usize, a: i32, b: i32) -> impl Future<Output = Result<i32>> {
        self.add(a, b)
    }

    /// What keeps the server or the connection busy, where that is offered.
    ///
    /// - `number`: how many calls the caller has made before.
    fn deed(&self, deed: Deed, _number: i32, _data: &Bytes) -> impl Future<Output = Result<()>> {
        ready(Err(anyhow!("{deed:?} is not offered")))
    }

    /// Streams, where that is offered; gives what the stream adds up to.
    ///
    /// - `passed`: where the client counts pieces.
    fn stream(&self, streamed: Streamed, _passed: Passed) -> impl Future<Output = Result<u64>> {
        ready(Err(anyhow!("{streamed:?} is not offered")))
    }

    /// Makes the calls of a turn as a task: `tokio::spawn` for all that may be sent to
    /// another thread, which cannot be said here for all at once.
    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>>;
}

/// The struct that `get_person` gives, for all that take `serde` types.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    id: u32,
    name: String,
    email: String,
    age: u32,
    balance: f64,
}

impl Person {
    fn find(id: u32, country: &str, detailed: bool) -> Self {
        Self {
            id,
            name: "Ada Lovelace".to_owned(),
            email: if detailed {
                format!("ada@analytical.engine.{country}")
            } else {
                String::new()
            },
            age: 36,
            balance: 42.0,
        }
    }
}

/// Keeps a processor busy.
fn burn(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// How long a call of that number burns, if one in so many does.
fn at_times(micros: u32, one_in: u32, number: i32) -> u32 {
    if (number as u32).is_multiple_of(one_in) {
        micros
    } else {
        0
    }
}

/// What `$act` gives when `$peer` is the peer of that name.
macro_rules! with_peer {
    ($name:expr, $peer:ident => $act:expr) => {
        match $name {
            FLOOR | AGAIN => with_peer!(floor::Floor as $peer => $act),
            FLOOR_RMP => with_peer!(floor_rmp::FloorRmp as $peer => $act),
            OURS | OURS_AGAIN | "streams/remoting" => with_peer!(ours::Ours as $peer => $act),
            CLIENT_SINKS => with_peer!(ours::WithClientSinks as $peer => $act),
            SERVER_SINKS => with_peer!(ours::WithServerSinks as $peer => $act),
            RAISED => with_peer!(ours::Raised as $peer => $act),
            "tarpc" => with_peer!(tarpc::Tarpc as $peer => $act),
            "remoc" | "streams/remoc" => with_peer!(remoc::Remoc as $peer => $act),
            "tonic" | "streams/tonic" => with_peer!(tonic::Tonic as $peer => $act),
            #[cfg(feature = "capnp")]
            "capnp-rpc" => with_peer!(capnp::Capnp as $peer => $act),
            "http/floor" | "http/floor-again" => with_peer!(http::Floor as $peer => $act),
            "http/remoting" => with_peer!(http::Ours as $peer => $act),
            "http/remoting-json" => with_peer!(http::OursJson as $peer => $act),
            "http/axum" => with_peer!(http::Axum as $peer => $act),
            "http/jsonrpsee" => with_peer!(http::Jsonrpsee as $peer => $act),
            "streams/floor" | "streams/floor-again" => with_peer!(stream_floor::Floor as $peer => $act),
            "streams/floor-rmp" => with_peer!(stream_floor::FloorRmp as $peer => $act),
            "remoting-once" | "streams/remoting-once" => with_peer!(ours::Once as $peer => $act),
            "streams/remoting-produce" => with_peer!(ours::Produced as $peer => $act),
            other => bail!("there is no peer `{other}`"),
        }
    };
    ($kind:ty as $peer:ident => $act:expr) => {{
        type $peer = $kind;
        $act
    }};
}

/// What the contestants have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    /// They have connections of their own kind over TCP.
    Tcp,
    /// They make requests of HTTP.
    Http,
    /// They stream over connections of their own kind over TCP.
    Streams,
}

impl Suite {
    /// The names of all contestants, the floor first.
    pub(crate) fn names(self) -> Vec<&'static str> {
        match self {
            Self::Tcp => vec![
                FLOOR,
                AGAIN,
                FLOOR_RMP,
                OURS,
                "remoting-once",
                "tarpc",
                "remoc",
                "tonic",
                #[cfg(feature = "capnp")]
                "capnp-rpc",
            ],
            Self::Http => vec![FLOOR, AGAIN, OURS, "remoting-json", "axum", "jsonrpsee"],
            Self::Streams => vec![
                FLOOR,
                AGAIN,
                FLOOR_RMP,
                OURS,
                "remoting-produce",
                "remoting-once",
                "remoc",
                "tonic",
            ],
        }
    }

    /// What tells a contestant from those of the other suites.
    pub(crate) fn whole_name(self, name: &str) -> String {
        match self {
            Self::Tcp => name.to_owned(),
            Self::Http => format!("http/{name}"),
            Self::Streams => format!("streams/{name}"),
        }
    }
}

pub(crate) fn serve(name: &str) -> Result<()> {
    with_peer!(name, P => drive::serve::<P>())
}

pub(crate) fn drive(name: &str, address: &str, server: u32) -> Result<()> {
    with_peer!(name, P => drive::drive::<P>(address, server))
}

/// What is to be known about a contestant.
pub(crate) fn about(name: &str) -> Result<&'static str> {
    Ok(with_peer!(name, P => <P as Peer>::ABOUT))
}
