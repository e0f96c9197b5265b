//! What is sent again: what a proxy sends is plain HTTP, and gets the same answers when `curl` sends it; what was sent with a
//! key gets the answer of the first time.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use remoting::formatter::FormatterRef;
use remoting::prelude::*;
use remoting::{Json, MessagePack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::calc::{CalcError, CalcProxy, Server};
use crate::raw::{ask, post};

/// What went each way over one connection.
#[derive(Default)]
struct Recorded {
    asked: Vec<u8>,
    answered: Vec<u8>,
}

/// Passes connections on to a server, and writes down what goes each way.
async fn relay(server: String) -> (String, Arc<Mutex<Vec<Recorded>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let recorded = Arc::<Mutex<Vec<Recorded>>>::default();
    let shared = Arc::clone(&recorded);
    tokio::spawn(async move {
        for nth in 0.. {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(&server).await.unwrap();
            shared.lock().unwrap().push(Recorded::default());
            tokio::spawn(pass(near, far, nth, Arc::clone(&shared)));
        }
    });
    (address, recorded)
}

async fn pass(
    mut near: TcpStream,
    mut far: TcpStream,
    nth: usize,
    recorded: Arc<Mutex<Vec<Recorded>>>,
) {
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            Ok(count @ 1..) = near.read(&mut asked) => {
                recorded.lock().unwrap()[nth].asked.extend(&asked[..count]);
                far.write_all(&asked[..count]).await.unwrap();
            }
            Ok(count @ 1..) = far.read(&mut answered) => {
                recorded.lock().unwrap()[nth].answered.extend(&answered[..count]);
                near.write_all(&answered[..count]).await.unwrap();
            }
            else => return,
        }
    }
}

/// A message of HTTP.
struct Message {
    /// The first line.
    begins: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Cuts what went one way into messages.
fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let begins = lines.next().unwrap().to_owned();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        });
        let mut message = Message {
            begins,
            headers: headers.collect(),
            body: Vec::new(),
        };
        let length = message.header("content-length").unwrap_or("0");
        let (body, rest) = bytes[end + 4..].split_at(length.parse().unwrap());
        message.body = body.to_vec();
        bytes = rest;
        all.push(message);
    }
    all
}

/// Sends a request by `curl`.
fn send_again(server: &str, request: &Message, file: PathBuf) -> Message {
    std::fs::write(&file, &request.body).unwrap();
    let mut words = request.begins.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut curl = Command::new("curl");
    curl.args(["-s", "-i", "-X", method, "--data-binary"])
        .arg(format!("@{}", file.display()));
    for (name, value) in &request.headers {
        if name != "host" && name != "content-length" {
            curl.arg("-H").arg(format!("{name}: {value}"));
        }
    }
    let output = curl.arg(format!("http://{server}{path}")).output();
    let output = output.expect("this test runs `curl`, which is not installed here");
    std::fs::remove_file(file).unwrap();
    messages(&output.stdout).remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_sends_gets_the_same_answers_when_curl_sends_it() {
    let server = Server::start().await;
    for formatter in [FormatterRef::from(Json), MessagePack.into()] {
        let (address, recorded) = relay(server.authority.clone()).await;
        let builder = Host::builder().channel(HttpChannel::client().formatter(formatter.clone()));
        let client = builder.start().await.unwrap();
        let calc: CalcProxy = client.get(&format!("http://{address}/calc")).unwrap();
        assert_eq!(calc.add(2, 3).await.unwrap(), 5);
        let own = calc.divide(1, 0).await.unwrap_err();
        assert!(matches!(own, CalcError::DividedByZero(1)));
        let header = calc.header("who").header("who", "Ännchen & Co").await;
        assert_eq!(header.unwrap().as_deref(), Some("Ännchen & Co"));
        assert_eq!(
            calc.echo("\u{0}ä\n\"".to_owned()).await.unwrap(),
            "\u{0}ä\n\""
        );
        let pairs = {
            let recorded = recorded.lock().unwrap();
            let of_each = recorded.iter().flat_map(|recorded| {
                let (asked, answered) = (messages(&recorded.asked), messages(&recorded.answered));
                assert_eq!(asked.len(), answered.len());
                asked.into_iter().zip(answered)
            });
            of_each.collect::<Vec<_>>()
        };
        assert_eq!(pairs.len(), 4);
        for (nth, (request, answer)) in pairs.into_iter().enumerate() {
            let name = format!("replay-{}-{}-{nth}", std::process::id(), formatter.name());
            let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
            let (authority, begins) = (server.authority.clone(), request.begins.clone());
            let again = move || send_again(&authority, &request, file);
            let again = tokio::task::spawn_blocking(again).await.unwrap();
            assert_eq!(again.begins, answer.begins, "{begins}");
            assert_eq!(again.body, answer.body, "{begins}");
            for name in ["content-type", "remoting-executed"] {
                assert_eq!(again.header(name), answer.header(name), "{begins}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_is_sent_again_after_the_channel_has_stopped_and_listens_anew_does_not_run_again()
 {
    let server = Server::start().await;
    let call = post("/calc/echo", &["Idempotency-Key: 7d2e90bb"], r#"["hello"]"#);
    let first = ask(&server.authority, &call).await.unwrap();
    assert_eq!(
        (first.status, first.header("remoting-replayed")),
        (200, None)
    );
    let http = server.host.channel("http").unwrap();
    http.stop_listening().await;
    http.start_listening().await.unwrap();
    let address = http.address().unwrap();
    let authority = address.trim_start_matches("http://");
    let again = ask(authority, &call).await.unwrap();
    assert_eq!(again.header("remoting-replayed"), Some("yes"));
    assert_eq!((again.status, again.body), (200, first.body));
    assert_eq!(server.calc.echoed.load(Ordering::SeqCst), 1);
}
