//! A server that has no descriptors left for new connections.

use std::fs::File;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use remoting::ConnectPolicy::FailFast;
use remoting::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::desk::{client, within_patience};

/// Takes all descriptors of its process, and gives them back.
#[remote]
pub trait Hog {
    async fn fill(&self) -> remoting::Result<usize>;
    /// - `most`: how many at most.
    async fn free(&self, most: usize) -> remoting::Result<usize>;
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

    async fn free(&self, most: usize) -> remoting::Result<usize> {
        let mut files = self.0.lock().unwrap();
        let most = most.min(files.len());
        Ok(files.drain(..most).count())
    }
}

const NAME: &str =
    "descriptors::a_server_without_descriptors_goes_on_and_accepts_again_when_there_are_some";
const IS_SERVER: &str = "REMOTING_TEST_IS_SERVER";
const SAYS: &str = "listens at ";

/// The server: this program once more, with few descriptors. It ends with its standard input.
async fn serve() {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .channel(HttpChannel::listen("127.0.0.1:0"));
    let host = host.start().await.unwrap();
    let publication = HogDispatcher::singleton(Greedy::default);
    host.publish("hog", publication).unwrap();
    println!("{SAYS}{}", host.urls("hog").join(" "));
    let _ended = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}

/// Starts it. Gives where its object is, too, over TCP and over HTTP.
async fn start() -> (Child, [String; 2]) {
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
        if let Some((_, urls)) = line.split_once(SAYS) {
            let (tcp, http) = urls.split_once(' ').unwrap();
            return (child, [tcp.to_owned(), http.to_owned()]);
        }
    }
}

/// A connection over which the server is asked how it is.
struct Asking(BufReader<TcpStream>);

impl Asking {
    async fn at(url: &str) -> Self {
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    async fn health(&mut self) -> String {
        let request = "GET /.well-known/remoting/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
        self.0.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        self.0.read_until(b'}', &mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, status) = answer.split_once("{\"status\":\"").unwrap();
        let status = status.trim_end_matches("\"}");
        let is_ok = head.starts_with("HTTP/1.1 200 ");
        assert_eq!(is_ok, status == "serving", "{answer}");
        status.to_owned()
    }
}

#[test]
fn a_server_without_descriptors_goes_on_and_accepts_again_when_there_are_some() {
    within_patience(async {
        if std::env::var_os(IS_SERVER).is_some() {
            return serve().await;
        }
        let (_server, [url, http]) = start().await;
        let mut asking = Asking::at(&http).await;
        assert_eq!(asking.health().await, "serving");
        let inside = client(FailFast);
        let hog: HogProxy = inside.get(&url).unwrap();
        assert_eq!(hog.free(usize::MAX).await.unwrap(), 0);
        let taken = hog.fill().await.unwrap();
        assert!((10..64).contains(&taken), "{taken}");
        // The system takes the connection, and the server cannot.
        let outside = client(FailFast);
        let other: HogProxy = outside.get(&url).unwrap();
        let waiting = tokio::spawn(async move { (other.free(usize::MAX).await, Instant::now()) });
        while asking.health().await != "overloaded" {}
        let until = Instant::now() + Duration::from_millis(300);
        let mut calls = 0;
        while Instant::now() < until || calls < 10 {
            assert_eq!(hog.fill().await.unwrap(), taken);
            calls += 1;
        }
        assert!(!waiting.is_finished());
        assert_eq!(hog.free(usize::MAX).await.unwrap(), taken);
        let freed = Instant::now();
        let (answered, when) = waiting.await.unwrap();
        assert_eq!(answered.unwrap(), 0);
        let took = when.saturating_duration_since(freed);
        assert!(took < Duration::from_secs(1), "{took:?}");
        while asking.health().await != "serving" {}
        // The last one goes to a connection. Nobody else waits then, and nobody comes when there are some again.
        hog.fill().await.unwrap();
        assert_eq!(hog.free(1).await.unwrap(), 1);
        let last = client(FailFast);
        let inside: HogProxy = last.get(&url).unwrap();
        assert_eq!(inside.free(0).await.unwrap(), 0);
        while asking.health().await != "overloaded" {}
        hog.free(usize::MAX).await.unwrap();
        while asking.health().await != "serving" {}
    });
}
