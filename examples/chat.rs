//! A chat room: events from one object to listeners in many processes.
//!
//! Shows
//!
//! - [`Subscribers`]: each guest has a queue of its own, so nobody waits for a slow one;
//! - listeners that are objects of the clients, which listen at no port;
//! - a client process that is killed: the room removes its listener and tells the others, who
//!   notice nothing else.
//!
//! `cargo run --example chat` plays an evening with three guests, each a process. By hand:
//! `… -- server`, then in other terminals `… -- guest NAME URL`; what you type there is said.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use remoting::prelude::*;
use remoting::{Limits, Subscribers};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

// ---- the contract, shared by client and server

/// Where guests meet.
#[remote]
trait Room {
    /// From now on `guest` hears what is said.
    async fn enter(&self, name: &str, guest: GuestProxy) -> remoting::Result<()>;

    /// Says something to everybody in the room, the speaker included.
    async fn say(&self, name: &str, text: &str) -> remoting::Result<()>;
}

/// Hears what is said in a room.
#[remote]
trait Guest {
    async fn hear(&self, name: &str, text: &str) -> remoting::Result<()>;
}

// ---- the server

#[derive(Clone)]
struct Parlour {
    guests: Subscribers<GuestProxy>,
    names: Arc<Mutex<HashMap<GuestProxy, String>>>,
}

impl Parlour {
    /// - `left`: is told the names of guests that cannot be reached any more.
    fn new(left: mpsc::UnboundedSender<String>) -> Self {
        let names = Arc::<Mutex<HashMap<GuestProxy, String>>>::default();
        let known = Arc::clone(&names);
        let guests = Subscribers::new().on_removed(move |guest: GuestProxy, _why| {
            if let Some(name) = known.lock().expect("nobody panics with it").remove(&guest) {
                let _closed = left.send(name);
            }
        });
        Self { guests, names }
    }

    fn tell(&self, name: &str, text: &str) {
        let (name, text) = (name.to_owned(), text.to_owned());
        // The call of one guest; it is made for each of them, beside each other.
        self.guests
            .publish(move |guest, _missed| guest.hear(&name, &text));
    }
}

impl Room for Parlour {
    async fn enter(&self, name: &str, guest: GuestProxy) -> remoting::Result<()> {
        let mut names = self.names.lock().expect("nobody panics with it");
        names.insert(guest.clone(), name.to_owned());
        drop(names);
        self.guests.add(guest);
        self.tell("room", &format!("{name} has come"));
        Ok(())
    }

    async fn say(&self, name: &str, text: &str) -> remoting::Result<()> {
        self.tell(name, text);
        Ok(())
    }
}

async fn server() -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    let (left, mut leaving) = mpsc::unbounded_channel();
    let parlour = Parlour::new(left);
    host.marshal("room", RoomDispatcher::new(parlour.clone()))?;
    println!("{}", host.url("room")?);
    let announce = async {
        while let Some(name) = leaving.recv().await {
            parlour.tell("room", &format!("{name} has left"));
        }
    };
    // Serve until whoever started this process goes away.
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    tokio::select! {
        () = announce => {}
        _closed = async { while input.next_line().await?.is_some() {} Ok::<_, std::io::Error>(()) } => {}
    }
    Ok(())
}

// ---- a client

/// Prints what it hears.
struct Ear;

impl Guest for Ear {
    async fn hear(&self, name: &str, text: &str) -> remoting::Result<()> {
        println!("{name}: {text}");
        Ok(())
    }
}

async fn guest(name: &str, url: &str) -> anyhow::Result<()> {
    // Who loses the connection has left the room, and nobody waits for a guest to come back.
    let mut limits = Limits::default();
    limits.resume_window = Duration::ZERO;
    let host = Host::builder()
        .limits(limits)
        .channel(TcpChannel::client())
        .start()
        .await?;
    let room: RoomProxy = host.connect(url).await?;
    room.enter(name, GuestProxy::local(Ear)).await?;
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    while let Some(text) = input.next_line().await? {
        room.say(name, &text).await?;
    }
    Ok(())
}

// ---- an evening

/// Another process of this program.
struct Process {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(name: &'static str, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).kill_on_drop(true);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("the process of {name} starts"))?;
        let input = child.stdin.take().context("it has an input")?;
        let output = child.stdout.take().context("it has an output")?;
        let output = BufReader::new(output).lines();
        Ok(Self {
            name,
            child,
            input,
            output,
        })
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let line = tokio::time::timeout(Duration::from_secs(30), self.output.next_line()).await;
        let line = line.with_context(|| format!("{} printed nothing", self.name))?;
        line?.with_context(|| format!("{} has ended", self.name))
    }

    async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.input.write_all(format!("{text}\n").as_bytes()).await?;
        Ok(self.input.flush().await?)
    }

    /// The next that it prints has to be this.
    async fn hears(&mut self, expected: &str) -> anyhow::Result<()> {
        self.hears_all(&[expected]).await
    }

    /// The next that it prints have to be these, in whatever order.
    async fn hears_all(&mut self, expected: &[&str]) -> anyhow::Result<()> {
        let mut missing = expected.to_vec();
        while !missing.is_empty() {
            let line = self.line().await?;
            println!("{} hears {line}", self.name);
            let place = missing.iter().position(|expected| *expected == line);
            let place = place.with_context(|| format!("{} was to hear {missing:?}", self.name))?;
            missing.remove(place);
        }
        Ok(())
    }

    async fn ends(mut self) -> anyhow::Result<()> {
        drop(self.input);
        let status = self.child.wait().await?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}

async fn evening() -> anyhow::Result<()> {
    let mut server = Process::start("the room", &["server"])?;
    let url = server.line().await?;

    let mut ann = Process::start("ann", &["guest", "ann", &url])?;
    ann.hears("room: ann has come").await?;
    let mut bob = Process::start("bob", &["guest", "bob", &url])?;
    bob.hears("room: bob has come").await?;
    let mut carol = Process::start("carol", &["guest", "carol", &url])?;
    carol.hears("room: carol has come").await?;
    for name in ["bob", "carol"] {
        ann.hears(&format!("room: {name} has come")).await?;
    }
    bob.hears("room: carol has come").await?;

    ann.say("good evening").await?;
    for guest in [&mut ann, &mut bob, &mut carol] {
        guest.hears("ann: good evening").await?;
    }

    // Without a goodbye: the process is gone, and all it had.
    println!("carol is killed");
    carol.child.kill().await?;
    bob.say("where is carol?").await?;
    // The room learns of it by what carol does not answer: what bob says, or already what ann said.
    let heard = ["bob: where is carol?", "room: carol has left"];
    for guest in [&mut ann, &mut bob] {
        guest.hears_all(&heard).await?;
    }

    ann.say("then it is two of us").await?;
    for guest in [&mut ann, &mut bob] {
        guest.hears("ann: then it is two of us").await?;
    }
    ann.ends().await?;
    bob.ends().await?;
    server.ends().await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => evening().await,
        ["server"] => server().await,
        ["guest", name, url] => guest(name, url).await,
        _ => anyhow::bail!("usage: chat [server | guest NAME URL]"),
    }
}
