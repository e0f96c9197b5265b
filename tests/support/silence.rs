//! A client whose server falls silent for a while: how soon that is noticed, and what becomes of a call that is made meanwhile.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use remoting::prelude::*;
use remoting::testing::{CallId, Journal, check};
use tokio::process::Command;

use crate::folder::Folder;
use crate::server::{Server, WorkProxy, impatient, lost};

/// The journals of a server and its client.
pub struct Journals(Folder);

impl Journals {
    pub fn new() -> Self {
        Self(Folder::new("silence"))
    }

    pub fn of_server(&self) -> PathBuf {
        self.0.path().join("server")
    }

    fn of_client(&self) -> PathBuf {
        self.0.path().join("client")
    }
}

/// How to have a server fall silent, and speak again.
pub trait Silence {
    async fn begin(&self, server: &Server);
    async fn end(&self, server: &Server);
    /// Whether the server notices too; it does not while it is stopped.
    fn is_mutual(&self) -> bool;
}

/// The process is stopped.
pub struct Stopped;

impl Silence for Stopped {
    async fn begin(&self, server: &Server) {
        signal(server, "STOP").await;
    }

    async fn end(&self, server: &Server) {
        signal(server, "CONT").await;
    }

    fn is_mutual(&self) -> bool {
        false
    }
}

async fn signal(server: &Server, name: &str) {
    let process = server.process.id().expect("it runs").to_string();
    let mut kill = Command::new("kill");
    kill.args([&format!("-{name}"), &process]);
    let sent = kill.status().await.expect("`kill` is there");
    assert!(sent.success());
}

/// Has the server fall silent and speak again while a client calls it. Gives how long it took until it was noticed,
/// at both ends where both can.
///
/// - `base`: where the server is reached, as URLs begin.
pub async fn fall_silent(
    silence: &impl Silence,
    server: &mut Server,
    base: &str,
    timer: Duration,
    journals: &Journals,
) -> Duration {
    let builder = Host::builder().limits(impatient(timer));
    let builder = builder.channel(TcpChannel::client());
    let client = builder
        .channel(HttpChannel::client())
        .start_client()
        .unwrap();
    let mut events = client.connection_events();
    let work: WorkProxy = client.get(&format!("{base}/work")).unwrap();
    let journal = Journal::open(journals.of_client()).unwrap();
    call(&work, &journal, 1).await;
    silence.begin(server).await;
    let began = Instant::now();
    let waiting = tokio::spawn(async move { call(&work, &journal, 2).await });
    assert!(lost(&mut events).await, "the client is there");
    if silence.is_mutual() {
        server.has_lost().await;
    }
    let took = began.elapsed();
    silence.end(server).await;
    // It was on its way, or waited: either way it runs now, once.
    waiting.await.unwrap();
    verify(&journals.of_client(), &journals.of_server());
    took
}

async fn call(work: &WorkProxy, journal: &Journal, call: u64) {
    let id = CallId { client: 0, call };
    journal.begun(id).unwrap();
    assert_eq!(work.run(id, b"").await, Ok(0));
    journal.ok(id).unwrap();
}

fn verify(client: &Path, server: &Path) {
    let verdict = check([client, server]).unwrap();
    verdict.assert_clean();
    assert_eq!(verdict.ok, 2);
}
