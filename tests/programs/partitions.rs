//! Networks that come apart: packets are dropped in one direction or in both, or a line is down. Client and server are in
//! networks of their own, with a line between them, which `unshare` and `ip` give them; `nft` drops the packets.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::Command;
use std::time::Duration;

use crate::process::missing;
use crate::server::{Order, Server, is_this, serve};
use crate::silence::{Journals, Silence, Stopped, fall_silent};

const TEST: &str =
    "partitions::a_network_that_comes_apart_is_noticed_and_calls_go_on_when_it_is_whole";
/// How often each, in the environment.
const ROUNDS: &str = "PARTITIONS";
/// Set where the networks are there.
const APART: &str = "REMOTING_TEST_NETWORKS_APART";
const SAYS: &str = "noticed, and healed: ";

/// Runs a program in a network that has a line to another one: here is `near`, there is `far`.
const NETWORKS: &str = r#"
[ -n "$REMOTING_TEST_NETWORKS_APART" ] || {
  user=
  unshare --net --mount true 2>/dev/null || user=--map-root-user
  REMOTING_TEST_NETWORKS_APART=1 exec unshare $user --net --mount sh -ec "$0" "$0" "$@"
}
mount -t tmpfs none /run
ip netns add far
ip link set lo up
ip link add near type veth peer name far netns far
ip address add 192.0.2.1/24 dev near
ip link set near up
ip -n far address add 192.0.2.2/24 dev far
ip -n far link set far up
exec "$@"
"#;
const FAR: &[&str] = &["ip", "netns", "exec", "far"];
const SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 0));
/// Has a network forget what comes in over the line.
const DROP: &str = "table ip apart { chain incoming { type filter hook input priority 0; iifname { near, far } drop; }; }";

/// Over what the server is reached: the scheme at which it listens, and that at which it is called.
const LINES: [(&str, &str); 2] = [("tcp", "tcp"), ("http", "ws")];

/// What comes apart.
#[derive(Debug, Clone, Copy)]
enum Partition {
    ToServer,
    ToClient,
    Both,
    LinkDown,
}

const PARTITIONS: [Partition; 4] = [
    Partition::ToServer,
    Partition::ToClient,
    Partition::Both,
    Partition::LinkDown,
];

impl Partition {
    /// The networks that forget what comes in.
    fn deaf(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::ToServer => &[FAR],
            Self::ToClient => &[&[]],
            Self::Both => &[&[], FAR],
            Self::LinkDown => &[],
        }
    }
}

/// Runs a command, which has to go well.
fn run(words: &[&str]) {
    let (program, arguments) = words.split_first().unwrap();
    let ran = Command::new(program).args(arguments).output();
    let ran = ran.unwrap_or_else(|error| panic!("{}", missing(program, &error)));
    let why = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{words:?}: {why}");
}

impl Silence for Partition {
    async fn begin(&self, _: &Server) {
        for place in self.deaf() {
            run(&[*place, &["nft", DROP]].concat());
        }
        if let Self::LinkDown = self {
            run(&["ip", "link", "set", "near", "down"]);
        }
    }

    async fn end(&self, _: &Server) {
        for place in self.deaf() {
            run(&[*place, &["nft", "delete table ip apart"]].concat());
        }
        if let Self::LinkDown = self {
            run(&["ip", "link", "set", "near", "up"]);
        }
    }

    fn is_mutual(&self) -> bool {
        true
    }
}

async fn come_apart(rounds: u32) {
    // A second each, as figures have it that are compared with others; short otherwise.
    let timer = Duration::from_millis(if rounds > 1 { 1000 } else { 100 });
    for line in LINES {
        again("stopped", &Stopped, line, timer, rounds).await;
        for partition in PARTITIONS {
            again(&format!("{partition:?}"), &partition, line, timer, rounds).await;
        }
    }
}

async fn again(
    name: &str,
    silence: &impl Silence,
    (scheme, begins): (&'static str, &str),
    timer: Duration,
    rounds: u32,
) {
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        let journals = Journals::new();
        let order = Order {
            test: TEST,
            through: FAR,
            scheme,
            timer,
            journal: journals.of_server(),
        };
        let mut server = Server::start(&order, SERVER).await;
        let base = format!("{begins}://{}", server.address);
        let took = fall_silent(silence, &mut server, &base, timer, &journals).await;
        longest = longest.max(took);
    }
    println!("{SAYS}{begins}, {name}, {rounds} of {rounds} times, after {longest:?} at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_comes_apart_is_noticed_and_calls_go_on_when_it_is_whole() {
    if is_this() {
        return serve().await;
    }
    if std::env::var_os(APART).is_some() {
        let rounds = std::env::var(ROUNDS).map(|rounds| rounds.parse().expect("a number"));
        return come_apart(rounds.unwrap_or(1)).await;
    }
    let mut apart = Command::new("sh");
    apart.args(["-ec", NETWORKS, NETWORKS]);
    apart.arg(std::env::current_exe().unwrap());
    apart.args(["--exact", TEST, "--nocapture"]);
    let ran = apart.output();
    let ran = ran.unwrap_or_else(|error| panic!("{}", missing("util-linux", &error)));
    let [said, why] =
        [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    println!("{said}");
    let went = said.matches(SAYS).count();
    let all = LINES.len() * (1 + PARTITIONS.len());
    assert_eq!(went, all, "is `unshare --net` allowed here?\n{said}\n{why}");
    assert!(ran.status.success(), "{said}\n{why}");
}
