//! Callbacks: a server that tells an object of the client how far it is.
//!
//! Shows
//!
//! - an object of the client as an argument: `ProgressProxy::local(..)` lends it for the call;
//! - calls from the server to it, which come over the connection that the client has opened: the
//!   client listens nowhere, and a firewall in front of it needs no hole;
//! - an answer that decides: the client says stop, and the server stops;
//! - that the client's object is let go when the server has no more use for it.
//!
//! `cargo run --example callbacks` looks through the folder it is started in;
//! `… -- FOLDER` through another one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, ensure};
use remoting::GoneReason;
use remoting::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// How many files lie between two reports.
const STEP: usize = 50;

// ---- the contract, shared by client and server

/// Looks through folders.
#[remote]
trait Surveyor {
    /// Adds up the sizes of the files in a folder, and tells `progress` now and then how far it is.
    async fn survey(&self, folder: PathBuf, progress: ProgressProxy) -> remoting::Result<Survey>;
}

/// Is told how far something is.
#[remote]
trait Progress {
    /// The answer says whether to go on.
    async fn so_far(&self, survey: Survey) -> remoting::Result<bool>;
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Survey {
    files: usize,
    bytes: u64,
    /// Nobody said stop.
    finished: bool,
}

// ---- the server

struct Walker;

impl Surveyor for Walker {
    async fn survey(&self, folder: PathBuf, progress: ProgressProxy) -> remoting::Result<Survey> {
        let mut survey = Survey::default();
        for file in files_below(&folder) {
            survey.files += 1;
            survey.bytes += file.metadata().map_or(0, |known| known.len());
            // This call goes to the client, whose own call is still under way.
            if survey.files % STEP == 0 && !progress.so_far(survey).await? {
                return Ok(survey);
            }
        }
        survey.finished = true;
        Ok(survey)
    }
}

async fn server() -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.publish("surveyor", SurveyorDispatcher::singleton(|| Walker))?;
    println!("{}", host.url("surveyor")?);
    // Serve until whoever started this process goes away.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
    Ok(())
}

// ---- the client

/// Writes down what it is told, and says stop after so many files.
struct Notebook {
    enough: usize,
    reports: Mutex<Vec<Survey>>,
}

impl Progress for Notebook {
    async fn so_far(&self, survey: Survey) -> remoting::Result<bool> {
        println!("client: {} files, {} bytes", survey.files, survey.bytes);
        let mut reports = self.reports.lock().expect("nobody panics with it");
        reports.push(survey);
        Ok(survey.files < self.enough)
    }
}

/// Has a folder looked through; gives the result, and what was reported on the way.
async fn survey(
    surveyor: &SurveyorProxy,
    folder: &Path,
    enough: usize,
) -> anyhow::Result<(Survey, Vec<Survey>)> {
    let notebook = Notebook {
        enough,
        reports: Mutex::default(),
    };
    // What the notebook holds when the server has let it go.
    let (ended, end) = oneshot::channel();
    let ended = Mutex::new(Some(ended));
    let dispatcher = ProgressDispatcher::new(notebook);
    let dispatcher = dispatcher.on_released(move |notebook: &Notebook, reason| {
        let reports = notebook.reports.lock().expect("nobody panics with it");
        if let Some(ended) = ended.lock().expect("nobody panics with it").take() {
            let _client_gone = ended.send((reports.clone(), reason));
        }
    });
    let survey = surveyor
        .survey(folder.to_owned(), dispatcher.proxy())
        .await?;
    drop(dispatcher);
    let (reports, reason) = end.await.context("the server lets the notebook go")?;
    ensure!(reason == GoneReason::Released, "it went by {reason:?}");
    Ok((survey, reports))
}

async fn client(url: &str, folder: &Path) -> anyhow::Result<()> {
    let host = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;
    let surveyor: SurveyorProxy = host.connect(url).await?;

    let (all, reports) = survey(&surveyor, folder, usize::MAX).await?;
    println!(
        "client: all in all {} files, {} bytes",
        all.files, all.bytes
    );
    ensure!(all.finished, "nobody said stop");
    ensure!(
        reports.len() == all.files / STEP,
        "a report every {STEP} files"
    );
    let grows = reports.is_sorted_by_key(|report| (report.files, report.bytes));
    ensure!(grows, "reports come in order");
    let here = files_below(folder).count();
    ensure!(all.files == here, "the same as counted here");

    if all.files >= STEP {
        let (some, reports) = survey(&surveyor, folder, STEP).await?;
        println!("client: stopped after {} files", some.files);
        ensure!(!some.finished && some.files == STEP && reports.len() == 1);
    }
    println!("client: the server holds no object of this process any more");
    ensure!(host.kept_objects() == 0);
    Ok(())
}

// ---- both

/// The files below a folder, but those that are hidden or built.
fn files_below(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
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
    files.into_iter()
}

/// Starts this program again as the server and reads the URL that it prints first.
fn start_server() -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("server")
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
    let folder = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server"] => return server().await,
        [] => std::env::current_dir()?,
        [folder] if Path::new(folder).is_dir() => PathBuf::from(folder),
        _ => anyhow::bail!("usage: callbacks [FOLDER]"),
    };
    let (mut child, url) = start_server()?;
    let result = client(&url, &folder).await;
    drop(child.stdin.take());
    child.wait()?;
    result
}
