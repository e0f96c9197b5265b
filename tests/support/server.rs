//! A server that is killed, stopped or cut off: a process that runs a test of its file and finds in its environment that it is to serve.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Stdio, exit};
use std::time::{Duration, Instant};

use remoting::prelude::*;
use remoting::testing::{CallId, Journal};
use remoting::{ConnectionChange, ConnectionEvents, Limits};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

#[remote]
pub trait Work {
    /// Writes down that it runs, and gives how many bytes have come along.
    async fn run(&self, id: CallId, ballast: &[u8]) -> remoting::Result<usize>;
}

pub struct Worker(pub Journal);

impl Work for Worker {
    async fn run(&self, id: CallId, ballast: &[u8]) -> remoting::Result<usize> {
        self.0.ran(id).expect("the journal can be written");
        Ok(ballast.len())
    }
}

/// Over what the server is reached, in its environment: the scheme of its URLs.
const SCHEME: &str = "KILL_SERVER_SCHEME";
/// Where it listens.
const ADDRESS: &str = "KILL_SERVER_ADDRESS";
/// Its journal.
const JOURNAL: &str = "KILL_SERVER_JOURNAL";
/// After how many milliseconds without a word it asks whether its client is there, and how many it gives it.
const TIMER: &str = "KILL_SERVER_TIMER";
/// What it says before the address, when it listens.
const LISTENING: &str = "listening at ";
/// What it says when a connection is lost.
const LOST: &str = "lost";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this process is the server.
pub fn is_this() -> bool {
    std::env::var_os(ADDRESS).is_some()
}

/// Serves until it is killed, or whoever has started it is gone.
pub async fn serve() {
    let [scheme, address, timer] =
        [SCHEME, ADDRESS, TIMER].map(|name| std::env::var(name).expect("it is set"));
    let journal = std::env::var_os(JOURNAL).expect("it is set");
    let timer = Duration::from_millis(timer.parse().expect("a number"));
    let host = listen(&scheme, &address, timer).await;
    let mut events = host.connection_events();
    let worker = Worker(Journal::open(journal).expect("the journal can be opened"));
    host.marshal("work", WorkDispatcher::new(worker)).unwrap();
    // The harness has begun the line.
    println!("\n{LISTENING}{}", host.channels()[0].address().unwrap());
    tokio::spawn(async move {
        while lost(&mut events).await {
            println!("{LOST}");
        }
    });
    let mut nothing = Vec::new();
    let _closed = tokio::io::stdin().read_to_end(&mut nothing).await;
    exit(0);
}

/// Waits until a connection is taken for lost; not, if the host has gone.
pub async fn lost(events: &mut ConnectionEvents) -> bool {
    while let Some(event) = events.next().await {
        if matches!(event.what, ConnectionChange::Lost(_)) {
            return true;
        }
    }
    false
}

/// Limits by which silence is noticed sooner.
pub fn impatient(timer: Duration) -> Limits {
    let mut limits = Limits::default();
    (limits.ping_after, limits.pong_within) = (timer, timer);
    limits
}

/// Listens also where the port is taken for a moment: a client that dials while nobody listens may be given that very port.
async fn listen(scheme: &str, address: &str, timer: Duration) -> Host {
    let begun = Instant::now();
    loop {
        // The line to it is between two networks that nobody else is in, or inside this machine.
        let builder = Host::builder().limits(impatient(timer)).allow_plaintext();
        let builder = match scheme {
            "tcp" => builder.channel(TcpChannel::listen(address)),
            _ => builder.channel(HttpChannel::listen(address)),
        };
        match builder.start().await {
            Ok(host) => return host,
            Err(error) if begun.elapsed() > PATIENCE => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// A server as a process of its own. Dropped, it is killed.
pub struct Server {
    pub process: Child,
    pub address: SocketAddr,
    said: Lines<BufReader<ChildStdout>>,
}

/// What a server is to be.
pub struct Order {
    /// The name of a test that serves when it is told to.
    pub test: &'static str,
    /// What starts programs where it is to run; nothing, if that is here.
    pub through: &'static [&'static str],
    pub scheme: &'static str,
    /// After what time without a word it asks whether its client is there, and how much it gives it.
    pub timer: Duration,
    pub journal: PathBuf,
}

impl Server {
    /// Starts one, and gives it when it listens.
    pub async fn start(order: &Order, address: SocketAddr) -> Self {
        let program = std::env::current_exe().expect("a test knows its own path");
        let arguments = [order.test, "--exact", "--nocapture"].map(OsStr::new);
        let mut words = order.through.iter().map(OsStr::new);
        let mut words = words.by_ref().chain([program.as_os_str()]).chain(arguments);
        let mut process = Command::new(words.next().expect("there is a program"))
            .args(words)
            .env(SCHEME, order.scheme)
            .env(ADDRESS, address.to_string())
            .env(TIMER, order.timer.as_millis().to_string())
            .env(JOURNAL, &order.journal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a process can be started");
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = said.next_line().await.unwrap() {
                if let Some(url) = line.strip_prefix(LISTENING) {
                    let (_, address) = url.split_once("://").expect("an address is a URL");
                    return address.parse().expect("an address");
                }
            }
            panic!("the server has ended before it listened");
        };
        let address = tokio::time::timeout(PATIENCE, listening).await;
        Self {
            process,
            address: address.expect("the server listens in time"),
            said,
        }
    }

    /// Waits until it says that it has lost a connection.
    pub async fn has_lost(&mut self) {
        while let Some(line) = self.said.next_line().await.unwrap() {
            if line == LOST {
                return;
            }
        }
        panic!("the server has ended");
    }
}
