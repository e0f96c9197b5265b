//! Counting words in another process: state at the server that belongs to one client.
//!
//! Shows
//!
//! - a client-activated object: the constructor's arguments travel, and each activation
//!   makes a counter of its own;
//! - `&mut self` at the server, where calls take turns, so plain fields need no lock;
//! - calls as values: eight pieces of text are under way at a time, each in a task;
//! - large input sent in pieces, since a message has a bound.
//!
//! `cargo run --example wordcount` counts the text files of this repository;
//! `… -- FOLDER` those of another folder.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use remoting::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

/// The most text that goes into one call, in bytes.
const PIECE: usize = 64 * 1024;

/// How many calls may be under way.
const AHEAD: usize = 8;

// ---- the contract, shared by client and server

/// Counts words.
#[remote]
trait WordCounter {
    /// Makes a counter that leaves out words of fewer letters than `shortest`.
    #[constructor]
    async fn new(shortest: usize) -> remoting::Result<Self>;

    /// Counts the words of a piece of text.
    async fn add(&mut self, text: &str) -> remoting::Result<()>;

    /// What was counted so far.
    async fn totals(&self) -> remoting::Result<Totals>;

    /// The most frequent words; of two that are equally frequent, the first in the alphabet.
    async fn most_frequent(&self, how_many: usize) -> remoting::Result<Vec<(String, u64)>>;
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Totals {
    bytes: u64,
    lines: u64,
    words: u64,
    /// How many different words.
    different: u64,
}

// ---- the server

#[derive(Default)]
struct Tally {
    shortest: usize,
    totals: Totals,
    words: HashMap<String, u64>,
}

impl Tally {
    fn count(&mut self, text: &str) {
        self.totals.bytes += text.len() as u64;
        self.totals.lines += text.matches('\n').count() as u64;
        let words = text.split(|letter: char| !letter.is_alphanumeric());
        for word in words.filter(|word| !word.is_empty() && word.chars().count() >= self.shortest) {
            self.totals.words += 1;
            *self.words.entry(word.to_lowercase()).or_default() += 1;
        }
        self.totals.different = self.words.len() as u64;
    }

    fn ranking(&self) -> Vec<(String, u64)> {
        let mut ranking: Vec<_> = self
            .words
            .iter()
            .map(|(word, count)| (word.clone(), *count))
            .collect();
        ranking.sort_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
        ranking
    }
}

impl WordCounter for Tally {
    async fn new(shortest: usize) -> remoting::Result<Self> {
        Ok(Self {
            shortest,
            ..Self::default()
        })
    }

    async fn add(&mut self, text: &str) -> remoting::Result<()> {
        self.count(text);
        Ok(())
    }

    async fn totals(&self) -> remoting::Result<Totals> {
        Ok(self.totals.clone())
    }

    async fn most_frequent(&self, how_many: usize) -> remoting::Result<Vec<(String, u64)>> {
        let mut ranking = self.ranking();
        ranking.truncate(how_many);
        Ok(ranking)
    }
}

async fn server() -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.publish("words", WordCounterDispatcher::<Tally>::activated())?;
    println!("{}", host.url("words")?);
    // Serve until whoever started this process goes away.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
    Ok(())
}

// ---- the client

async fn client(url: &str, folder: &Path) -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::client())
        .start_client()?;
    let counters = host.activate::<WordCounterProxy>(url);
    let counter = counters.new(3).await?;
    let mut here = Tally {
        shortest: 3,
        ..Tally::default()
    };

    let files = files_below(folder)?;
    let mut progress = Progress::new(files.len());
    for file in &files {
        let content =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        if let Ok(text) = String::from_utf8(content) {
            send(&counter, &text).await?;
            here.count(&text);
            progress.texts += 1;
        }
        progress.file_done(here.totals.bytes);
    }
    progress.finish();

    let totals = counter.totals().await?;
    let ranking = counter.most_frequent(10).await?;
    println!(
        "{} text files of {} below {}",
        progress.texts,
        files.len(),
        folder.display()
    );
    println!(
        "{} bytes, {} lines, {} words, {} different",
        totals.bytes, totals.lines, totals.words, totals.different
    );
    for (word, count) in &ranking {
        println!("{count:>8} {word}");
    }
    ensure!(
        totals == here.totals,
        "a count here gives {:?}",
        here.totals
    );
    ensure!(
        ranking[..] == here.ranking()[..ranking.len()],
        "a count here ranks other words first"
    );
    println!("the same as counted here");
    let another = counters.new(3).await?;
    ensure!(
        another.totals().await? == Totals::default(),
        "another counter has counted nothing"
    );
    Ok(())
}

/// Sends a text in pieces, several at a time: the server takes them as they come.
async fn send(counter: &WordCounterProxy, text: &str) -> anyhow::Result<()> {
    let mut under_way = JoinSet::new();
    for piece in pieces(text) {
        if under_way.len() == AHEAD {
            under_way.join_next().await.transpose()?.transpose()?;
        }
        // The call holds the piece already encoded, so that it borrows neither text nor proxy.
        under_way.spawn(counter.add(piece));
    }
    while let Some(added) = under_way.join_next().await {
        added??;
    }
    Ok(())
}

/// Cuts a text between words.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(cut(text));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Where the next piece ends: behind the last gap within `PIECE` bytes, else behind the first one.
fn cut(text: &str) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let (head, tail) = text.as_bytes().split_at(PIECE);
    let within = head.iter().rposition(u8::is_ascii_whitespace);
    let gap = within.or_else(|| {
        tail.iter()
            .position(u8::is_ascii_whitespace)
            .map(|at| PIECE + at)
    });
    gap.map_or(text.len(), |at| at + 1)
}

/// The files of a folder and of those in it, sorted; hidden ones and `target` are left out.
fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') || name == "target" {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Tells how far the client is, where somebody watches.
struct Progress {
    files: usize,
    done: usize,
    texts: usize,
    watched: bool,
}

impl Progress {
    fn new(files: usize) -> Self {
        Self {
            files,
            done: 0,
            texts: 0,
            watched: std::io::stderr().is_terminal(),
        }
    }

    fn file_done(&mut self, bytes: u64) {
        self.done += 1;
        if self.watched {
            eprint!(
                "\r{} of {} files, {} KiB",
                self.done,
                self.files,
                bytes / 1024
            );
        }
    }

    fn finish(&self) {
        if self.watched {
            eprintln!();
        }
    }
}

// ---- both

/// Starts this program again as the server and reads the URL that it prints first.
fn start_server() -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the server process starts")?;
    let mut url = String::new();
    BufReader::new(child.stdout.take().context("the server has an output")?).read_line(&mut url)?;
    ensure!(!url.is_empty(), "the server ended before it was ready");
    Ok((child, url.trim().to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let argument = std::env::args_os().nth(1);
    if argument
        .as_deref()
        .is_some_and(|argument| argument == "--server")
    {
        return server().await;
    }
    let folder = argument.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let (mut child, url) = start_server()?;
    let result = client(&url, &folder).await;
    // The end of its input is the end of the server.
    drop(child.stdin.take());
    child.wait()?;
    result
}
