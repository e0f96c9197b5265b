//! A server and a client, joined by each kind of channel and formatter.
//!
//! A statement is an `async fn(pair: &Pair)`; the macro [`statements!`] makes one test
//! of it for each cell of the table of channels and formatters that can do what the
//! statement needs. A cell that is not in the table for a capability does not exist,
//! so nothing is ever skipped at run time.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use remoting::formatter::FormatterRef;
use remoting::prelude::*;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next};
use remoting::{Call, ChannelHandle, HostBuilder, Json, Limits, MessagePack};
use tokio::task::JoinHandle;

use crate::trust::{trusted, trusting};
pub use crate::until::until;

/// A kind of channel with a formatter.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub transport: Transport,
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Real sockets of this machine.
    Tcp,
    /// A pipe in memory, with a session on it.
    InProcess,
    /// Single calls from host to host, without a session.
    Exchange,
    /// Requests over real sockets of this machine, without a session.
    Http,
    /// Sessions over real sockets of this machine, each on a WebSocket.
    WebSocket,
    /// Like TCP, with sinks at both ends that let everything pass.
    Sinks,
    /// Like TCP, through TLS.
    Tls,
    /// Like HTTP, through TLS.
    Https,
    /// Like WebSocket, through TLS.
    SecureWebSocket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    MessagePack,
    Json,
}

/// The name of the channel that joins the two hosts.
pub const MAIN: &str = "main";

/// How long a statement may take: far longer than any does, so that a hang is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes one test of each statement for each channel and formatter.
///
/// - `every channel`: needs nothing but calls of published objects.
/// - `channels in order`: needs calls to arrive in the order in which they were sent.
/// - `channels with references`: needs a session, which objects that clients activate live in.
/// - `in virtual time`: needs references, and a clock that stands still while anything happens
///   and jumps to the next timer when nothing does.
/// - `sockets`: is about what else speaks, or does not speak, at a port.
macro_rules! statements {
    (every channel: $($name:ident),+ $(,)?) => { $(
        $crate::pair::statements!(in cells: $name,
            tcp_message_pack Tcp MessagePack, tcp_json Tcp Json,
            in_process_message_pack InProcess MessagePack, in_process_json InProcess Json,
            exchange_message_pack Exchange MessagePack, exchange_json Exchange Json,
            http_message_pack Http MessagePack, http_json Http Json,
            web_socket_message_pack WebSocket MessagePack, web_socket_json WebSocket Json,
            sinks_message_pack Sinks MessagePack, tls_message_pack Tls MessagePack, https_json Https Json,
            secure_web_socket_message_pack SecureWebSocket MessagePack);
    )+ };
    (channels in order: $($name:ident),+ $(,)?) => { $(
        $crate::pair::statements!(in cells: $name,
            tcp_message_pack Tcp MessagePack, tcp_json Tcp Json,
            in_process_message_pack InProcess MessagePack, in_process_json InProcess Json,
            exchange_message_pack Exchange MessagePack, exchange_json Exchange Json,
            web_socket_message_pack WebSocket MessagePack, web_socket_json WebSocket Json,
            sinks_message_pack Sinks MessagePack, tls_message_pack Tls MessagePack,
            secure_web_socket_message_pack SecureWebSocket MessagePack);
    )+ };
    (channels with references: $($name:ident),+ $(,)?) => { $(
        $crate::pair::statements!(in cells: $name,
            tcp_message_pack Tcp MessagePack, tcp_json Tcp Json,
            in_process_message_pack InProcess MessagePack, in_process_json InProcess Json,
            web_socket_message_pack WebSocket MessagePack, web_socket_json WebSocket Json,
            sinks_message_pack Sinks MessagePack, tls_message_pack Tls MessagePack,
            secure_web_socket_message_pack SecureWebSocket MessagePack);
    )+ };
    (sockets: $($name:ident),+ $(,)?) => { $(
        $crate::pair::statements!(in cells: $name,
            tcp_message_pack Tcp MessagePack, tcp_json Tcp Json);
    )+ };
    (in virtual time: $($name:ident),+ $(,)?) => { $(
        $crate::pair::statements!(by run_in_virtual_time in cells: $name,
            tcp_message_pack Tcp MessagePack, tcp_json Tcp Json,
            in_process_message_pack InProcess MessagePack, in_process_json InProcess Json,
            web_socket_message_pack WebSocket MessagePack, web_socket_json WebSocket Json);
    )+ };
    (in cells: $($rest:tt)+) => {
        $crate::pair::statements!(by run in cells: $($rest)+);
    };
    (by $run:ident in cells: $name:ident, $($cell:ident $transport:ident $format:ident),+) => {
        mod $name { $(
            #[test]
            fn $cell() {
                let cell = $crate::pair::Cell {
                    transport: $crate::pair::Transport::$transport,
                    format: $crate::pair::Format::$format,
                };
                $crate::pair::$run(cell, super::$name);
            }
        )+ }
    };
}
pub(crate) use statements;

/// Runs a statement in a cell.
pub fn run<F: AsyncFnOnce(&Pair)>(cell: Cell, statement: F) {
    within_patience(async {
        let pair = Pair::new(cell).await;
        statement(&pair).await;
    });
}

/// Runs a statement in a cell, with a clock that only moves when nothing else does.
pub fn run_in_virtual_time<F: AsyncFnOnce(&Pair)>(cell: Cell, statement: F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let pair = Pair::new(cell).await;
        statement(&pair).await;
    });
}

/// Runs a test on a runtime of its own; one that hangs fails.
pub fn within_patience(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, test)
            .await
            .expect("the test ends in time");
    });
}

/// Sends a call now, and waits for its result elsewhere.
pub async fn send<T, E>(call: Call<T, E>) -> JoinHandle<Result<T, E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let mut call = Box::pin(call);
    let sent = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
    tokio::spawn(async move {
        match sent {
            Poll::Ready(result) => result,
            Poll::Pending => call.await,
        }
    })
}

/// Two hosts of one process, one of which calls the other.
pub struct Pair {
    pub cell: Cell,
    pub server: Host,
    pub client: Host,
}

impl Pair {
    pub async fn new(cell: Cell) -> Self {
        let builder = cell.listen_on(Host::builder(), MAIN);
        let server = builder.start().await.unwrap();
        let client = cell.client(Limits::default()).await;
        Self {
            cell,
            server,
            client,
        }
    }

    /// One more client, with connections of its own.
    pub async fn another_client(&self) -> Host {
        self.cell.client(Limits::default()).await
    }

    /// A client whose sessions end with their connections.
    pub async fn mortal_client(&self) -> Host {
        let mut limits = Limits::default();
        limits.resume_window = Duration::ZERO;
        self.cell.client(limits).await
    }

    /// The server's end of the channel that joins the hosts.
    pub fn channel(&self) -> ChannelHandle {
        self.server.channel(MAIN).unwrap()
    }

    /// The URL of a name at the server, whether something is published there or not.
    pub fn url(&self, name: &str) -> String {
        self.cell.way(self.channel().url(name).unwrap())
    }

    /// The client's proxy of a name.
    pub fn get<P: Proxy>(&self, name: &str) -> P {
        self.client.get(&self.url(name)).unwrap()
    }
}

impl Cell {
    /// Adds a channel of this kind that listens, and can dial.
    pub fn listen_on(self, builder: HostBuilder, name: &str) -> HostBuilder {
        let builder = self.with_sinks(builder);
        match self.transport {
            Transport::Tcp | Transport::Sinks | Transport::Tls => {
                builder.channel(self.tcp().named(name))
            }
            Transport::Http
            | Transport::WebSocket
            | Transport::Https
            | Transport::SecureWebSocket => builder.channel(self.http().named(name)),
            Transport::InProcess | Transport::Exchange => {
                builder.channel(self.in_process().named(name))
            }
        }
    }

    /// A client of all schemes.
    pub async fn client(self, limits: Limits) -> Host {
        let tcp = TcpChannel::client()
            .formatter(self.formatter())
            .client_tls(trusting());
        let mut in_process = InProcessChannel::client().formatter(self.formatter());
        if self.transport == Transport::Exchange {
            in_process = in_process.exchange_only();
        }
        let http = HttpChannel::client()
            .formatter(self.formatter())
            .client_tls(trusting());
        let builder = Host::builder()
            .limits(limits)
            .channel(tcp)
            .channel(in_process)
            .channel(http);
        self.with_sinks(builder).start().await.unwrap()
    }

    /// Adds sinks where this is about them.
    fn with_sinks(self, builder: HostBuilder) -> HostBuilder {
        match self.transport {
            Transport::Sinks => builder
                .client_sink(PassOn)
                .client_sink(PassOn)
                .server_sink(PassOn)
                .server_sink(PassOn),
            _ => builder,
        }
    }

    /// The URL by which clients reach what a server names by another one.
    pub fn way(self, url: String) -> String {
        match self.transport {
            Transport::WebSocket => url.replacen("http://", "ws://", 1),
            Transport::SecureWebSocket => url.replacen("https://", "wss://", 1),
            _ => url,
        }
    }

    pub fn formatter(self) -> FormatterRef {
        match self.format {
            Format::MessagePack => MessagePack.into(),
            Format::Json => Json.into(),
        }
    }

    /// A TCP channel on any free port.
    pub fn tcp(self) -> TcpChannel {
        self.tcp_at("127.0.0.1:0")
    }

    fn tcp_at(self, place: &str) -> TcpChannel {
        let channel = TcpChannel::listen(place).formatter(self.formatter());
        match self.transport {
            Transport::Tls => channel.tls(trusted()),
            _ => channel,
        }
    }

    /// An HTTP channel on any free port.
    pub fn http(self) -> HttpChannel {
        self.http_at("127.0.0.1:0")
    }

    fn http_at(self, place: &str) -> HttpChannel {
        let channel = HttpChannel::listen(place).formatter(self.formatter());
        match self.transport {
            Transport::Https | Transport::SecureWebSocket => channel.tls(trusted()),
            _ => channel,
        }
    }

    /// An in-process channel under a name that no other has.
    pub fn in_process(self) -> InProcessChannel {
        let channel = InProcessChannel::listen(unused_name()).formatter(self.formatter());
        match self.transport {
            Transport::Exchange => channel.exchange_only(),
            _ => channel,
        }
    }

    /// A server at an address where another one was.
    pub async fn server_at(self, address: &str) -> Host {
        let place = address.split("://").nth(1).unwrap();
        let in_process = InProcessChannel::listen(place).formatter(self.formatter());
        let builder = match self.transport {
            Transport::Tcp | Transport::Sinks | Transport::Tls => {
                Host::builder().channel(self.tcp_at(place))
            }
            Transport::Http
            | Transport::WebSocket
            | Transport::Https
            | Transport::SecureWebSocket => Host::builder().channel(self.http_at(place)),
            Transport::InProcess | Transport::Exchange => Host::builder().channel(in_process),
        };
        builder.start().await.unwrap()
    }

    /// The URL of a server that does not run.
    pub fn dead_url(self, name: &str) -> String {
        match self.transport {
            // Ports below 1024 are never given out by the system.
            Transport::Tcp | Transport::Sinks => format!("tcp://127.0.0.1:1/{name}"),
            Transport::Http => format!("http://127.0.0.1:1/{name}"),
            Transport::WebSocket => format!("ws://127.0.0.1:1/{name}"),
            Transport::Tls => format!("tcps://127.0.0.1:1/{name}"),
            Transport::Https => format!("https://127.0.0.1:1/{name}"),
            Transport::SecureWebSocket => format!("wss://127.0.0.1:1/{name}"),
            Transport::InProcess | Transport::Exchange => {
                format!("inproc://{}/{name}", unused_name())
            }
        }
    }
}

/// A sink that changes nothing.
struct PassOn;

impl MessageSink for PassOn {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        next.run(call).await
    }
}

fn unused_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("contract-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
