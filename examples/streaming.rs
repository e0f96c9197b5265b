//! Streaming: a large file on its way to a server and back, in pieces, with checks.
//!
//! Shows
//!
//! - a stream as an argument, and one as a result: neither side ever has the whole file in memory;
//! - that nobody is faster than the other: the sender of a stream waits while its reader does;
//! - what is known after a failure: a stream that breaks off leaves nothing half done;
//! - a reader that has had enough: it drops the stream, and the server stops reading its file.
//!
//! `cargo run --example streaming` sends this program itself; `… -- FILE` another file.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use remoting::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a piece is.
const PIECE: usize = 64 * 1024;

// ---- the contract, shared by client and server

/// Keeps files.
#[remote]
trait Depot {
    /// Keeps a file under a name; what breaks off is not kept.
    async fn store(&self, name: &str, pieces: Pieces) -> Result<Receipt, DepotError>;
    /// Gives a file back.
    async fn fetch(&self, name: &str) -> Result<Pieces, DepotError>;
    /// How many bytes were read of files so far, to be sent.
    async fn bytes_read(&self) -> Result<u64, DepotError>;
}

/// A file in pieces.
type Pieces = Streaming<Vec<u8>, DepotError>;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Receipt {
    bytes: u64,
    sha256: [u8; 32],
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum DepotError {
    #[error("there is no file `{0}`")]
    NoSuchFile(String),
    #[error("`{0}` is no name for a file")]
    BadName(String),
    #[error("the file could not be read or written: {0}")]
    Io(String),
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

impl From<std::io::Error> for DepotError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.kind().to_string())
    }
}

// ---- the server

struct Shelf {
    folder: PathBuf,
    read: Arc<AtomicU64>,
}

impl Depot for Shelf {
    async fn store(&self, name: &str, pieces: Pieces) -> Result<Receipt, DepotError> {
        let place = self.place(name)?;
        let partial = place.with_extension("partial");
        let stored = write(&partial, pieces).await;
        match stored {
            Ok(_) => tokio::fs::rename(&partial, &place).await?,
            Err(_) => tokio::fs::remove_file(&partial).await?,
        }
        stored
    }

    async fn fetch(&self, name: &str) -> Result<Pieces, DepotError> {
        let place = self.place(name)?;
        let file = File::open(&place).await;
        let file = file.map_err(|_| DepotError::NoSuchFile(name.to_owned()))?;
        Ok(pieces_of(file, Arc::clone(&self.read)))
    }

    async fn bytes_read(&self) -> Result<u64, DepotError> {
        Ok(self.read.load(Ordering::SeqCst))
    }
}

impl Shelf {
    fn place(&self, name: &str) -> Result<PathBuf, DepotError> {
        let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match is_plain {
            true => Ok(self.folder.join(name)),
            false => Err(DepotError::BadName(name.to_owned())),
        }
    }
}

async fn server() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("remoting-depot-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let shelf = Shelf {
        folder: folder.clone(),
        read: Arc::default(),
    };
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.marshal("depot", DepotDispatcher::new(shelf))?;
    println!("{}", host.url("depot")?);
    // Serve until whoever started this process goes away.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
    let left: Vec<_> = std::fs::read_dir(&folder)?.flatten().collect();
    println!("server: {} file(s) kept", left.len());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

// ---- both

/// The pieces of a file. It is read only as fast as they are taken.
fn pieces_of(mut file: File, read: Arc<AtomicU64>) -> Pieces {
    Streaming::produce(move |mut out| async move {
        loop {
            let mut piece = vec![0; PIECE];
            let length = file.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            piece.truncate(length);
            read.fetch_add(length as u64, Ordering::SeqCst);
            out.send(piece).await?;
        }
    })
}

/// Writes pieces to a file.
async fn write(to: &Path, mut pieces: Pieces) -> Result<Receipt, DepotError> {
    let mut file = File::create(to).await?;
    let (mut bytes, mut digest) = (0, Sha256::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        digest.update(&piece);
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    let sha256 = digest.finalize().into();
    Ok(Receipt { bytes, sha256 })
}

// ---- the client

async fn client(url: &str, file: &Path) -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;
    let depot: DepotProxy = host.connect(url).await?;
    let length = std::fs::metadata(file)?.len();
    let sent = Arc::new(AtomicU64::new(0));

    let pieces = pieces_of(File::open(file).await?, Arc::clone(&sent));
    let receipt = depot.store("copy", pieces).await?;
    println!("client: {} bytes stored, of {length}", receipt.bytes);
    ensure!(receipt.bytes == length && sent.load(Ordering::SeqCst) == length);
    ensure!(
        receipt.sha256 == digest_of(file)?,
        "the same bytes as in the file"
    );

    let back = std::env::temp_dir().join(format!("remoting-back-{}", std::process::id()));
    let fetched = write(&back, depot.fetch("copy").await?).await;
    std::fs::remove_file(&back)?;
    ensure!(fetched? == receipt, "the same bytes came back");
    println!("client: fetched again, with the same SHA-256");

    breaks_off(&depot).await?;
    has_enough(&depot, length).await
}

/// An upload whose source fails in the middle.
async fn breaks_off(depot: &DepotProxy) -> anyhow::Result<()> {
    let broken = Streaming::produce(|mut out| async move {
        out.send(vec![1; PIECE]).await?;
        Err(DepotError::Io("the disk is gone".to_owned()))
    });
    let error = depot.store("broken", broken).await;
    let Err(DepotError::Io(text)) = error else {
        anyhow::bail!("the server sees the client's own error: {error:?}");
    };
    println!("client: broken off by \"{text}\"");
    let missing = depot.fetch("broken").await;
    ensure!(
        matches!(missing, Err(DepotError::NoSuchFile(_))),
        "nothing half done is kept"
    );
    Ok(())
}

/// A download that is dropped after its first piece.
async fn has_enough(depot: &DepotProxy, length: u64) -> anyhow::Result<()> {
    let before = depot.bytes_read().await?;
    let mut pieces = depot.fetch("copy").await?;
    let first = pieces.next().await.context("there is a first piece")??;
    drop(pieces);
    let read = depot.bytes_read().await? - before;
    println!(
        "client: enough after {} bytes; the server had read {read}",
        first.len()
    );
    // What may be on its way, and a piece in the hands of each side.
    let ahead = remoting::Limits::default().stream_bytes + 3 * PIECE;
    ensure!(read <= length.min(ahead as u64));
    Ok(())
}

fn digest_of(file: &Path) -> anyhow::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut file = std::fs::File::open(file)?;
    let mut piece = vec![0; PIECE];
    loop {
        match std::io::Read::read(&mut file, &mut piece)? {
            0 => return Ok(digest.finalize().into()),
            length => digest.update(&piece[..length]),
        }
    }
}

/// Starts this program again as the server and reads the URL that it prints first.
fn start_server() -> anyhow::Result<(Child, BufReader<impl std::io::Read>, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the server process starts")?;
    let output = child.stdout.take().context("the server has an output")?;
    let (mut output, mut url) = (BufReader::new(output), String::new());
    output.read_line(&mut url)?;
    ensure!(!url.is_empty(), "the server ended before it was ready");
    Ok((child, output, url.trim().to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server"] => return server().await,
        [] => std::env::current_exe()?,
        [file] if Path::new(file).is_file() => PathBuf::from(file),
        _ => anyhow::bail!("usage: streaming [FILE]"),
    };
    let (mut child, output, url) = start_server()?;
    let result = client(&url, &file).await;
    drop(child.stdin.take());
    for line in output.lines() {
        println!("{}", line?);
    }
    child.wait()?;
    result
}
