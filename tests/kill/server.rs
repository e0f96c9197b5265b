//! The server that is killed: a process that runs a test of this file and finds in its environment that it is to serve.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Stdio, exit};
use std::time::{Duration, Instant};

use remoting::prelude::*;
use remoting::testing::{CallId, Journal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

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
/// What it says before the address, when it listens.
const LISTENING: &str = "listening at ";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this process is the server.
pub fn is_this() -> bool {
    std::env::var_os(ADDRESS).is_some()
}

/// Serves until it is killed, or whoever has started it is gone.
pub async fn serve() {
    let [scheme, address] = [SCHEME, ADDRESS].map(|name| std::env::var(name).expect("it is set"));
    let journal = std::env::var_os(JOURNAL).expect("it is set");
    let host = listen(&scheme, &address).await;
    let worker = Worker(Journal::open(journal).expect("the journal can be opened"));
    host.marshal("work", WorkDispatcher::new(worker)).unwrap();
    // The harness has begun the line.
    println!("\n{LISTENING}{}", host.channels()[0].address().unwrap());
    let mut nothing = Vec::new();
    let _closed = tokio::io::stdin().read_to_end(&mut nothing).await;
    exit(0);
}

/// Listens also where the port is taken for a moment: a client that dials while nobody listens may be given that very port.
async fn listen(scheme: &str, address: &str) -> Host {
    let begun = Instant::now();
    loop {
        let builder = match scheme {
            "tcp" => Host::builder().channel(TcpChannel::listen(address)),
            _ => Host::builder().channel(HttpChannel::listen(address)),
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
    process: Child,
    pub address: SocketAddr,
}

/// What a server is to be.
pub struct Order {
    /// The name of a test that serves when it is told to.
    pub test: &'static str,
    pub scheme: &'static str,
    pub journal: PathBuf,
}

impl Server {
    /// Starts one, and gives it when it listens.
    pub async fn start(order: &Order, address: SocketAddr) -> Self {
        let program = std::env::current_exe().expect("a test knows its own path");
        let mut process = Command::new(program)
            .args([order.test, "--exact", "--nocapture"])
            .env(SCHEME, order.scheme)
            .env(ADDRESS, address.to_string())
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
        }
    }

    /// Sends it a signal: STOP, or CONT.
    pub async fn signal(&self, name: &str) {
        let process = self.process.id().expect("it runs").to_string();
        let mut kill = Command::new("kill");
        kill.args([&format!("-{name}"), &process]);
        let sent = kill.status().await.expect("`kill` is there");
        assert!(sent.success());
    }

    /// Kills it, without a word to it.
    pub async fn kill(mut self) {
        self.process.kill().await.expect("it ran until now");
    }
}
