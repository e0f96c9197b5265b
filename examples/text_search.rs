//! Text search: a server looks through a folder of files, and the client sees each match at once.
//!
//! Shows
//!
//! - a stream of values of one's own, here matches and, between them, how far the search is;
//! - that matches come while the search goes on, and that it waits for whoever reads them;
//! - a search that is given up: the client drops the stream, and the server stops.
//!
//! `cargo run --example text_search` looks for `pub fn` in the folder it is started in;
//! `… -- TEXT FOLDER` for another text in another one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use remoting::prelude::*;
use serde::{Deserialize, Serialize};

// ---- the contract, shared by client and server

/// A folder of files.
#[remote]
trait Library {
    /// Looks for a text in all files.
    async fn search(&self, text: &str) -> remoting::Result<Streaming<Found>>;
    /// How many files were looked through, in all searches.
    async fn looked_through(&self) -> remoting::Result<usize>;
}

/// What a search tells.
#[derive(Debug, Serialize, Deserialize)]
enum Found {
    /// A line with the text.
    Match {
        file: PathBuf,
        line: usize,
        text: String,
    },
    /// So many files of so many were looked through.
    Progress { files: usize, of: usize },
}

// ---- the server

struct Folder {
    files: Vec<PathBuf>,
    looked_through: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Library for Folder {
    async fn search(&self, text: &str) -> remoting::Result<Streaming<Found>> {
        let (files, text) = (self.files.clone(), text.to_owned());
        let looked_through = self.looked_through.clone();
        Ok(Streaming::produce(move |mut out| async move {
            let of = files.len();
            for (number, file) in files.into_iter().enumerate() {
                for (line, text) in matches(file.clone(), text.clone()).await {
                    let file = file.clone();
                    out.send(Found::Match { file, line, text }).await?;
                }
                looked_through.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let files = number + 1;
                if files % 50 == 0 || files == of {
                    out.send(Found::Progress { files, of }).await?;
                }
            }
            Ok(())
        }))
    }

    async fn looked_through(&self) -> remoting::Result<usize> {
        Ok(self
            .looked_through
            .load(std::sync::atomic::Ordering::SeqCst))
    }
}

/// The lines of a file that have the text in them, with their numbers. Files are read on a thread for such things.
async fn matches(file: PathBuf, text: String) -> Vec<(usize, String)> {
    let search = move || {
        let all = std::fs::read_to_string(file).unwrap_or_default();
        let lines = all.lines().zip(1..);
        let found = lines.filter(|(line, _)| line.contains(&text));
        let owned = found.map(|(line, number)| (number, line.trim().to_owned()));
        owned.collect()
    };
    tokio::task::spawn_blocking(search)
        .await
        .unwrap_or_default()
}

async fn server(folder: &Path) -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    let library = Folder {
        files: files_below(folder),
        looked_through: Default::default(),
    };
    host.marshal("library", LibraryDispatcher::new(library))?;
    println!("{}", host.url("library")?);
    // Serve until whoever started this process goes away.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
    Ok(())
}

// ---- the client

async fn client(url: &str, text: &str, folder: &Path) -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;
    let library: LibraryProxy = host.connect(url).await?;

    let mut found = library.search(text).await?;
    let (mut count, mut last) = (0, (0, 0));
    while let Some(next) = found.next().await {
        match next? {
            Found::Match { file, line, text } => {
                count += 1;
                if count <= 3 {
                    let file = file.strip_prefix(folder).unwrap_or(&file);
                    println!("client: {}:{line}: {text}", file.display());
                }
            }
            Found::Progress { files, of } => {
                println!("client: {files} of {of} files, {count} matches");
                last = (files, of);
            }
        }
    }
    let files = files_below(folder);
    let all = files.len();
    ensure!(last == (all, all), "the progress was told to its end");
    ensure!(
        library.looked_through().await? == all,
        "and each file was looked through"
    );
    ensure!(count == count_here(&files, text), "the same as found here");

    // Nothing stands in every line, and the first of them is enough for this one.
    let lines = count_here(&files, "");
    let mut found = library.search("").await?;
    let first = found.next().await.transpose()?;
    drop(found);
    let searched = library.looked_through().await? - all;
    println!("client: enough after the first of {lines} lines");
    ensure!(first.is_some());
    // So many matches are not sent before somebody takes them.
    ensure!(lines < 10_000 || searched < all, "the search was given up");
    Ok(())
}

fn count_here(files: &[PathBuf], text: &str) -> usize {
    let all = files
        .iter()
        .map(std::fs::read_to_string)
        .map(Result::unwrap_or_default);
    all.map(|all| all.lines().filter(|line| line.contains(text)).count())
        .sum()
}

// ---- both

/// The files below a folder, but those that are hidden or built.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let skipped = name.to_string_lossy().starts_with('.') || name == "target";
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !skipped => folders.push(path),
                Ok(kind) if kind.is_file() && !skipped => files.push(path),
                _ => {}
            }
        }
    }
    files.sort_unstable();
    files
}

/// Starts this program again as the server and reads the URL that it prints first.
fn start_server(folder: &Path) -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("server")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the server process starts")?;
    let output = child.stdout.take().context("the server has an output")?;
    let mut url = String::new();
    BufReader::new(output).read_line(&mut url)?;
    ensure!(!url.is_empty(), "the server ended before it was ready");
    Ok((child, url.trim().to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let here = std::env::current_dir()?;
    let (text, folder) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", folder] => return server(Path::new(folder)).await,
        [] => ("pub fn", here),
        [text] if !text.is_empty() => (text, here),
        [text, folder] if !text.is_empty() && Path::new(folder).is_dir() => {
            (text, PathBuf::from(folder))
        }
        _ => anyhow::bail!("usage: text_search [TEXT [FOLDER]]"),
    };
    let (mut child, url) = start_server(&folder)?;
    let result = client(&url, text, &folder).await;
    drop(child.stdin.take());
    child.wait()?;
    result
}
