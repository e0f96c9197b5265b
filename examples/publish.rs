//! What a server may do while it runs: give an object a name, take it back, open and close doors.
//!
//! Shows
//!
//! - an object that already lives, marshalled under a name, disconnected, and marshalled
//!   again: its state stays, and old proxies work again;
//! - several named channels with priorities, and the ports they were given;
//! - a channel that stops to listen and starts again, and what each caller sees of it.
//!
//! `cargo run --example publish` runs the server and its clients in one process, over TCP.

use std::sync::Arc;

use anyhow::{Context, ensure};
use remoting::prelude::*;
use remoting::{ChannelHandle, ErrorKind, Executed, GoneReason};
use tokio::sync::watch;

// ---- the contract, shared by client and server

/// A board that notes can be pinned to.
#[remote]
trait Board {
    /// Pins a note and tells how many there are.
    async fn pin(&self, note: &str) -> remoting::Result<usize>;

    /// Waits until there are so many notes, and gives the last one.
    async fn once_there_are(&self, count: usize) -> remoting::Result<String>;
}

// ---- the server

#[derive(Default)]
struct NoticeBoard {
    notes: watch::Sender<Vec<String>>,
    /// How many calls wait for a note.
    waiting: watch::Sender<usize>,
}

impl Board for NoticeBoard {
    async fn pin(&self, note: &str) -> remoting::Result<usize> {
        self.notes.send_modify(|notes| notes.push(note.to_owned()));
        Ok(self.notes.borrow().len())
    }

    async fn once_there_are(&self, count: usize) -> remoting::Result<String> {
        let mut notes = self.notes.subscribe();
        self.waiting.send_modify(|waiting| *waiting += 1);
        let last = match notes.wait_for(|notes| notes.len() >= count).await {
            Ok(notes) => notes.last().cloned(),
            Err(_) => None,
        };
        self.waiting.send_modify(|waiting| *waiting -= 1);
        Ok(last.unwrap_or_default())
    }
}

async fn start_server() -> anyhow::Result<Host> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0").named("back"))
        .channel(TcpChannel::listen("127.0.0.1:0").named("front").priority(5))
        .start()
        .await?;
    for channel in host.channels() {
        let address = channel.address().context("the channel listens")?;
        println!(
            "channel {}, priority {}: {address}",
            channel.name(),
            channel.priority()
        );
    }
    let names: Vec<String> = host
        .channels()
        .iter()
        .map(|channel| channel.name().to_owned())
        .collect();
    ensure!(
        names == ["front", "back"],
        "the higher priority stands first"
    );
    Ok(host)
}

// ---- names come and go

/// Publishes one object, takes it back, and publishes it again.
async fn marshal(
    host: &Host,
    client: &Host,
    board: &BoardDispatcher<NoticeBoard>,
) -> anyhow::Result<()> {
    let reference = host.marshal("board", board.clone())?;
    let urls = reference.urls();
    println!("{reference:?} is at {}", urls.join(" and "));
    ensure!(
        urls.len() == 2,
        "every channel that listens serves every object"
    );

    let front: BoardProxy = client.connect(&urls[0]).await?;
    let back: BoardProxy = client.connect(&urls[1]).await?;
    ensure!(
        (front.pin("one").await?, back.pin("two").await?) == (1, 2),
        "it is one object behind both"
    );

    ensure!(host.disconnect(&reference)?, "the board was there");
    ensure!(!host.disconnect(&reference)?, "and is not any more");
    for proxy in [&front, &back] {
        let error = proxy
            .pin("lost")
            .await
            .err()
            .context("nothing has that name now")?;
        println!("disconnected: {error}");
        ensure!(error.kind() == ErrorKind::ObjectGone(GoneReason::Disconnected));
        ensure!(error.executed() == Executed::No);
    }
    // The server itself goes on using the object meanwhile.
    ensure!(board.proxy().pin("three").await? == 3);

    let again = host.marshal("board", board.clone())?;
    ensure!(
        again == reference,
        "the same object under the same name gives the same reference"
    );
    let count = front.pin("four").await?;
    println!("marshalled again: {count} notes, through the proxy from before");
    ensure!(count == 4, "neither the state nor the proxies were lost");
    Ok(())
}

/// A name stands for one thing, and an object has one name.
fn one_name_each(host: &Host, board: &BoardDispatcher<NoticeBoard>) -> anyhow::Result<()> {
    let other = BoardDispatcher::new(NoticeBoard::default());
    let taken = host
        .marshal("board", other)
        .err()
        .context("the name is taken")?;
    let named = host
        .marshal("bulletin", board.clone())
        .err()
        .context("the object has a name")?;
    println!("refused: {taken}");
    println!("refused: {named}");
    ensure!((taken.kind(), named.kind()) == (ErrorKind::NameTaken, ErrorKind::NameTaken));
    ensure!(host.published() == ["board"], "a refusal changes nothing");
    Ok(())
}

// ---- doors open and close

async fn listen(host: &Host, client: &Host, board: &NoticeBoard) -> anyhow::Result<()> {
    let door = host.channel("front").context("a channel has that name")?;
    let front: BoardProxy = client.connect(&url(&door)?).await?;
    let back: BoardProxy = client
        .connect(&url(&host.channel("back").context("so has another")?)?)
        .await?;

    // One caller waits inside while the door is being closed.
    let inside = tokio::spawn(front.once_there_are(5));
    board
        .waiting
        .subscribe()
        .wait_for(|waiting| *waiting == 1)
        .await?;
    // Who is inside gets the answer before the door is shut; the other door stays open.
    let ((), five, last) = tokio::join!(door.stop_listening(), back.pin("five"), inside);
    let last = last??;
    println!("stopped: the caller inside still got its answer, {last:?}");
    ensure!((five?, last.as_str()) == (5, "five"));
    ensure!(!door.is_listening() && door.address().is_none());

    let error = front
        .pin("six")
        .await
        .err()
        .context("nobody listens there")?;
    println!("stopped: {error}");
    ensure!(error.kind() == ErrorKind::ConnectFailed);
    ensure!(error.executed() == Executed::No);
    ensure!(
        host.urls("board").len() == 1,
        "an object has a URL for each door that is open"
    );
    ensure!(
        host.channels().len() == 2,
        "the channel is still the host's"
    );

    // Made with port 0, the channel is given a port anew; with a port of its own it would have that again.
    door.start_listening().await?;
    println!("listening again: {}", url(&door)?);
    let front: BoardProxy = client.connect(&url(&door)?).await?;
    ensure!(front.pin("six").await? == 6);
    ensure!(
        back.pin("seven").await? == 7,
        "who came through the other channel never noticed"
    );
    Ok(())
}

fn url(channel: &ChannelHandle) -> anyhow::Result<String> {
    channel
        .url("board")
        .with_context(|| format!("channel `{}` listens", channel.name()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host = start_server().await?;
    let client = Host::builder()
        .channel(TcpChannel::client())
        .start_client()?;
    let object = Arc::new(NoticeBoard::default());
    let board = BoardDispatcher::from_arc(Arc::clone(&object));

    marshal(&host, &client, &board).await?;
    one_name_each(&host, &board)?;
    listen(&host, &client, &object).await
}
