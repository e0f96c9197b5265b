//! A server and a client from two files: no address, no lifetime and no secret in code.
//!
//! Shows
//!
//! - `server.toml` and `client.toml`, and the one place where a program names its classes;
//! - what the environment says goes before the files: here the server's port;
//! - a mistake in a file, with line, column, and what was meant;
//! - where each value comes from, without the secrets.
//!
//! `cargo run --example configured`; `-- show` prints the server's whole configuration.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use remoting::ErrorKind;
use remoting::config::{Classes, Config};
use remoting::prelude::*;

// ---- the contract, shared by client and server

/// Counts how often it was asked.
#[remote]
trait Tally {
    async fn next(&self) -> remoting::Result<u64>;
}

/// Money of one customer.
#[remote]
trait Account {
    #[constructor]
    async fn open(owner: &str) -> remoting::Result<Self>;

    async fn deposit(&mut self, cents: u64) -> remoting::Result<String>;
}

// ---- the server

#[derive(Default)]
struct Counted(AtomicU64);

impl Tally for Counted {
    async fn next(&self) -> remoting::Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

struct Saved {
    owner: String,
    cents: u64,
}

impl Account for Saved {
    async fn open(owner: &str) -> remoting::Result<Self> {
        Ok(Self {
            owner: owner.to_owned(),
            cents: 0,
        })
    }

    async fn deposit(&mut self, cents: u64) -> remoting::Result<String> {
        self.cents += cents;
        Ok(format!("{} has {} cents", self.owner, self.cents))
    }
}

/// The names by which a file may call the program's types: all that it can reach.
fn classes() -> Classes {
    Classes::new()
        .add::<TallyDispatcher<Counted>>("demo.Tally")
        .add_activated::<AccountDispatcher<Saved>>("demo.Account")
}

// ---- the client

fn interfaces() -> Classes {
    Classes::new()
        .proxy::<TallyProxy>()
        .activatable::<AccountProxy>()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/configured")
        .join(name)
}

/// Reads a file as a process would whose environment has these variables. A program of yours says
/// `Host::from_config("server.toml", classes()).await?`, and has the environment of its process.
fn read(name: &str, variables: &[(&str, String)]) -> anyhow::Result<Config> {
    let path = file(name);
    let text = std::fs::read_to_string(&path).context("the file is beside the example")?;
    Ok(Config::parse(&text, &path, variables.iter().cloned())?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A secret is never in a file; here it is not in the code either.
    let token = ("CONFIGURED_TOKEN", format!("{:032x}", rand()));
    let configuration = read("server.toml", std::slice::from_ref(&token))?;
    if std::env::args().nth(1).as_deref() == Some("show") {
        print!("{configuration}");
        return Ok(());
    }
    let server = configuration.start(classes()).await?;
    println!("server: {}", server.published().join(", "));
    let shown = configuration.to_string();
    let line = shown.lines().find(|line| line.contains("token"));
    println!(
        "what holds: {}",
        line.context("the token has a line")?.trim()
    );
    ensure!(!shown.contains(&token.1), "no secret is shown");

    // The port that was free is known now; the environment tells the client.
    let at = |name: &str| server.url(name).map(|url| url.to_string());
    let variables = [
        token,
        ("REMOTING__CLIENT__WELL_KNOWN__TALLY__URL", at("tally")?),
        ("REMOTING__CLIENT__ACTIVATED__ACCOUNT__URL", at("accounts")?),
    ];
    let client = read("client.toml", &variables)?.start(interfaces()).await?;

    let tally: TallyProxy = client.well_known()?;
    tally.next().await?;
    println!("well known: asked {} times", tally.next().await?);
    let account = AccountProxy::open("Ann").await?;
    println!("activated: {}", account.deposit(500).await?);
    let lease = account.lease().info().await?;
    let minutes = lease.remaining.context("it has an end")?.as_secs() / 60;
    println!("its lease: {minutes} minutes more, as the server's file says");

    // Who has no token is let in, and has no role.
    let stranger = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;
    let refused = stranger.activate::<AccountProxy>(&at("accounts")?);
    let refused = refused.open("Eve").await.expect_err("she has no role");
    ensure!(refused.kind() == ErrorKind::Unauthenticated);
    println!("a stranger: {refused}");

    // A mistake says where it is and what was meant, and nothing is started.
    let text = "[channels.web]\nkind = \"http\"\nprioritty = 7\n";
    let mistake = Config::parse(text, "client.toml", Vec::<(String, String)>::new());
    let mistake = mistake.expect_err("there is no such key");
    println!("a mistake: {mistake}");
    ensure!(mistake.to_string().contains("client.toml:3:1"));
    Ok(())
}

/// 128 bits that nobody has seen before.
fn rand() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(()));
    half() << 64 | half()
}
