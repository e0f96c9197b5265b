//! Servers behind a balancer that are restarted in turns, under load: no call may fail, and each runs once.
//!
//! `REMOTING_RESTARTS` says how often, instead of ten times; then the lines that are printed are worth reading:
//! `REMOTING_RESTARTS=100 cargo test --test programs restarts -- --nocapture --test-threads 1`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use remoting::channel::Channel;
use remoting::prelude::*;
use remoting::sink::Retry;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, Kind};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many clients there are. Each makes one call after the other.
const CLIENTS: usize = 8;

/// How many calls go well between two restarts, at least.
const BETWEEN: usize = 50;

/// The longest call, in milliseconds.
const LONGEST: u64 = 20;

/// How long servers say that they will stop. HAProxy asks them twenty times a second, where the machine lets it.
const ANNOUNCED: Duration = Duration::from_millis(500);

const HAPROXY: Kind = Kind {
    name: "haproxy",
    configuration: "
global
    maxconn 512
defaults
    mode http
    retries 3
    option redispatch 1
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    timeout check 10s
frontend clients
    bind {listen}
    default_backend hosts
backend hosts
    option httpchk
    http-check send meth GET uri /.well-known/remoting/health
    default-server check inter 50ms fall 1 rise 1
    server a {backend}
    server b {backend2}
",
    arguments: &["-db", "-f"],
};

const HAPROXY_FOR_SESSIONS: Kind = Kind {
    name: "haproxy",
    configuration: "
global
    maxconn 512
defaults
    mode tcp
    retries 3
    option redispatch 1
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    timeout check 10s
frontend clients
    bind {listen}
    default_backend hosts
backend hosts
    option httpchk
    http-check send meth GET uri /.well-known/remoting/health
    default-server check inter 50ms fall 1 rise 1
    server a {backend} port {health}
    server b {backend2} port {health2}
",
    arguments: &["-db", "-f"],
};

const NGINX: Kind = Kind {
    name: "nginx",
    configuration: r#"
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/errors;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream hosts {
        server {backend} max_fails=0;
        server {backend2} max_fails=0;
        keepalive 16;
    }
    server {
        listen {listen};
        location / {
            proxy_pass http://hosts;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Connection "";
            # Where nobody listens the next one is asked; what was sent is sent to nobody else.
            proxy_next_upstream error;
        }
    }
}
"#,
    arguments: &["-c"],
};

#[remote]
trait Till {
    /// Takes so many milliseconds. Made twice, it counts twice.
    async fn ring(&self, milliseconds: u64) -> remoting::Result<()>;
}

/// How often code of the servers ran, all together and in this process alone.
#[derive(Clone)]
struct Rung {
    all: Arc<AtomicUsize>,
    here: Arc<AtomicUsize>,
}

impl Till for Rung {
    async fn ring(&self, milliseconds: u64) -> remoting::Result<()> {
        self.all.fetch_add(1, Ordering::SeqCst);
        self.here.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        Ok(())
    }
}

/// A server and where it is, whichever host it has now.
struct Server {
    host: Host,
    rung: Rung,
    /// Of HTTP, and of TCP.
    addresses: [String; 2],
}

impl Server {
    /// It listens when there is something to call, and not before.
    async fn start([http, tcp]: [String; 2], all: &Arc<AtomicUsize>) -> Self {
        let rung = Rung {
            all: Arc::clone(all),
            here: Arc::default(),
        };
        let shared = rung.clone();
        let host = Host::builder().start().await.unwrap();
        let publication = TillDispatcher::singleton(move || shared.clone());
        host.publish("till", publication).unwrap();
        let addresses = [
            listen(&host, || TcpChannel::listen(&tcp)).await,
            listen(&host, || HttpChannel::listen(&http)).await,
        ];
        let [tcp, http] = addresses;
        Self {
            host,
            rung,
            addresses: [http, tcp],
        }
    }

    /// Stops it in good order, and starts another in its place. Gives how long the drain took.
    async fn restart(&mut self) -> Duration {
        let begin = Instant::now();
        let run = self.host.run_until(std::future::ready(()));
        let stopped = run.announce(ANNOUNCED).drain(PATIENCE).await;
        let took = begin.elapsed().saturating_sub(ANNOUNCED);
        assert_eq!(stopped.cut, 0);
        *self = Self::start(self.addresses.clone(), &self.rung.all).await;
        took
    }
}

/// Has a host listen at an address, which somebody else may have for a moment. Gives the one that it is.
async fn listen<C: Channel>(host: &Host, channel: impl Fn() -> C) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        match host.register_channel(channel()).await {
            Ok(channel) => {
                let address = channel.address().unwrap();
                return address.rsplit('/').next().unwrap().to_owned();
            }
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

/// A client that makes calls again of which it is known that they did not run, and no others.
async fn client(url: &str) -> (Host, TillProxy) {
    let host = Host::builder()
        .channel(HttpChannel::client())
        .channel(TcpChannel::client())
        .client_sink(Retry::new().tries(8).percent(100))
        .start()
        .await
        .unwrap();
    let till = host.get(url).unwrap();
    (host, till)
}

/// How calls ended.
#[derive(Default)]
struct Ended {
    well: AtomicUsize,
    failed: AtomicUsize,
    longest: AtomicUsize,
}

impl Ended {
    async fn ring(&self, till: &TillProxy, milliseconds: u64) {
        let begin = Instant::now();
        match till.ring(milliseconds).await {
            Ok(()) => self.well.fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                println!("failed, executed: {:?}: {error}", error.executed());
                self.failed.fetch_add(1, Ordering::SeqCst)
            }
        };
        let took = usize::try_from(begin.elapsed().as_millis()).unwrap();
        self.longest.fetch_max(took, Ordering::SeqCst);
    }

    fn well(&self) -> usize {
        self.well.load(Ordering::SeqCst)
    }
}

fn restarts() -> usize {
    let told = std::env::var("REMOTING_RESTARTS").ok();
    told.map_or(10, |number| number.parse().expect("a number of restarts"))
}

/// Starts the gateway in front of two servers.
async fn before(kind: &Kind, servers: &[Server; 2], scheme: &str) -> Gateway {
    let way = usize::from(scheme == "tcp");
    let [a, b] = servers;
    let rest = [
        ("{backend2}", &b.addresses[way]),
        ("{health}", &port(&a.addresses[0])),
        ("{health2}", &port(&b.addresses[0])),
    ];
    kind.before_all(&a.addresses[way], &rest).await
}

fn port(address: &str) -> String {
    address.rsplit(':').next().unwrap().to_owned()
}

async fn restart_in_turns(kind: &Kind, scheme: &str) {
    let all = Arc::new(AtomicUsize::new(0));
    let free = || ["127.0.0.1:0".to_owned(), "127.0.0.1:0".to_owned()];
    let mut servers = [
        Server::start(free(), &all).await,
        Server::start(free(), &all).await,
    ];
    let gateway = before(kind, &servers, scheme).await;
    let url = format!("{scheme}://{}/till", gateway.address);
    let (ended, stop) = (Arc::new(Ended::default()), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for nth in 0..CLIENTS {
        let (url, ended, stop) = (url.clone(), Arc::clone(&ended), Arc::clone(&stop));
        callers.spawn(async move {
            let (_host, till) = client(&url).await;
            for round in 0.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                ended
                    .ring(&till, (nth as u64 * 7 + round) % (LONGEST + 1))
                    .await;
            }
        });
    }
    let mut slowest = Duration::ZERO;
    for round in 0..restarts() {
        let before = ended.well();
        while ended.well() < before + BETWEEN {
            tokio::task::yield_now().await;
        }
        let server = &mut servers[round % 2];
        slowest = slowest.max(server.restart().await);
        // Until the gateway knows that it is there again, the other one may not go.
        while server.rung.here.load(Ordering::SeqCst) == 0 {
            let (_host, till) = client(&url).await;
            ended.ring(&till, 0).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    callers.join_all().await;
    let (well, failed) = (ended.well(), ended.failed.load(Ordering::SeqCst));
    println!(
        "{} {scheme}: {} restarts, {well} calls, {failed} failed; the longest call took {} ms, the longest drain {} ms",
        kind.name,
        restarts(),
        ended.longest.load(Ordering::SeqCst),
        slowest.as_millis(),
    );
    assert_eq!(failed, 0);
    assert_eq!(all.load(Ordering::SeqCst), well, "each ran once");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_servers_behind_haproxy_are_restarted() {
    restart_in_turns(&HAPROXY, "http").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_servers_behind_nginx_are_restarted() {
    restart_in_turns(&NGINX, "http").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_of_a_session_fails_when_servers_behind_haproxy_are_restarted() {
    restart_in_turns(&HAPROXY_FOR_SESSIONS, "tcp").await;
}
