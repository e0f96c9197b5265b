//! A server that has no descriptors left for new connections.

use std::fs::File;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use remoting::ConnectPolicy::FailFast;
use remoting::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::desk::{client, within_patience};

/// Takes all descriptors of its process, and gives them back.
#[remote]
pub trait Hog {
    async fn fill(&self) -> remoting::Result<usize>;
    async fn free(&self) -> remoting::Result<usize>;
}

#[derive(Default)]
struct Greedy(Mutex<Vec<File>>);

impl Hog for Greedy {
    async fn fill(&self) -> remoting::Result<usize> {
        let mut files = self.0.lock().unwrap();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        Ok(files.len())
    }

    async fn free(&self) -> remoting::Result<usize> {
        Ok(self.0.lock().unwrap().drain(..).count())
    }
}

const NAME: &str =
    "descriptors::a_server_without_descriptors_goes_on_and_accepts_again_when_there_are_some";
const IS_SERVER: &str = "REMOTING_TEST_IS_SERVER";
const SAYS: &str = "listens at ";

/// The server: this program once more, with few descriptors. It ends with its standard input.
async fn serve() {
    let host = Host::builder().channel(TcpChannel::listen("127.0.0.1:0"));
    let host = host.start().await.unwrap();
    let publication = HogDispatcher::singleton(Greedy::default);
    host.publish("hog", publication).unwrap();
    println!("{SAYS}{}", host.url("hog").unwrap());
    let _ended = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}

/// Starts it. Gives where its object is, too.
async fn start() -> (Child, String) {
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(IS_SERVER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("it says where");
        if let Some((_, url)) = line.split_once(SAYS) {
            return (child, url.to_owned());
        }
    }
}

#[test]
fn a_server_without_descriptors_goes_on_and_accepts_again_when_there_are_some() {
    within_patience(async {
        if std::env::var_os(IS_SERVER).is_some() {
            return serve().await;
        }
        let (_server, url) = start().await;
        let inside = client(FailFast);
        let hog: HogProxy = inside.get(&url).unwrap();
        assert_eq!(hog.free().await.unwrap(), 0);
        let taken = hog.fill().await.unwrap();
        assert!((10..64).contains(&taken), "{taken}");
        // The system takes the connection, and the server cannot.
        let outside = client(FailFast);
        let other: HogProxy = outside.get(&url).unwrap();
        let waiting = tokio::spawn(async move { (other.free().await, Instant::now()) });
        let until = Instant::now() + Duration::from_millis(300);
        let mut calls = 0;
        while Instant::now() < until {
            assert_eq!(hog.fill().await.unwrap(), taken);
            calls += 1;
        }
        assert!(calls > 10, "{calls}");
        assert!(!waiting.is_finished());
        assert_eq!(hog.free().await.unwrap(), taken);
        let freed = Instant::now();
        let (answered, when) = waiting.await.unwrap();
        assert_eq!(answered.unwrap(), 0);
        let took = when.saturating_duration_since(freed);
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}
