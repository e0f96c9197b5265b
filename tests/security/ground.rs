//! What the tests here stand on: an object, hosts with TLS at either kind of channel, and the lines
//! that they log.

use std::time::Duration;

use remoting::prelude::*;
use remoting::{ClientTls, HostBuilder, ServerTls};

use crate::log::Log;

/// How long a test may take: far longer than any does, so that a hang is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

#[remote]
pub trait Desk {
    /// Adds two numbers.
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64>;

    /// Tells what the desk knows of its caller: certificate, principal, roles.
    async fn who(&self) -> remoting::Result<(Option<String>, Option<String>)>;
}

pub struct Clerk;

impl Desk for Clerk {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64> {
        Ok(a + b)
    }

    async fn who(&self) -> remoting::Result<(Option<String>, Option<String>)> {
        let context = CallContext::current().unwrap();
        let peer = context.peer();
        let subject = peer.certificate().map(|own| own.subject.clone());
        let principal = peer.principal().map(|own| own.name().to_owned());
        Ok((subject, principal))
    }
}

/// The kinds of channels that have TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Http,
    WebSocket,
}

pub const KINDS: [Kind; 3] = [Kind::Tcp, Kind::Http, Kind::WebSocket];

impl Kind {
    /// Adds a channel that listens on any free port of this machine.
    pub fn listen(self, builder: HostBuilder, tls: Option<ServerTls>) -> HostBuilder {
        match self {
            Self::Tcp => {
                let channel = TcpChannel::listen("127.0.0.1:0");
                builder.channel(match tls {
                    Some(tls) => channel.tls(tls),
                    None => channel,
                })
            }
            Self::Http | Self::WebSocket => {
                let channel = HttpChannel::listen("127.0.0.1:0");
                builder.channel(match tls {
                    Some(tls) => channel.tls(tls),
                    None => channel,
                })
            }
        }
    }

    /// A server with a desk.
    pub async fn server(self, tls: Option<ServerTls>) -> Host {
        self.server_of(Host::builder(), tls).await
    }

    /// The same, with what else the builder says.
    pub async fn server_of(self, builder: HostBuilder, tls: Option<ServerTls>) -> Host {
        let host = self.listen(builder, tls).start().await.unwrap();
        host.publish("desk", DeskDispatcher::single_call(|| Clerk))
            .unwrap();
        host
    }

    /// Where the desk is.
    pub fn url(self, server: &Host) -> String {
        self.url_of(server, "desk")
    }

    /// Where something is.
    pub fn url_of(self, server: &Host, name: &str) -> String {
        let url = server.url(name).unwrap();
        match self {
            Self::Tcp | Self::Http => url,
            Self::WebSocket => url.replacen("http", "ws", 1),
        }
    }
}

/// A client of both kinds of channels.
pub fn client(tls: ClientTls) -> Host {
    let builder = Host::builder()
        .channel(TcpChannel::client().client_tls(tls.clone()))
        .channel(HttpChannel::client().client_tls(tls));
    builder.start_client().unwrap()
}

/// Runs a test on a runtime of its own; one that hangs fails. Gives what was logged meanwhile.
pub fn within_patience(test: impl Future<Output = ()>) -> String {
    let log = Log::default();
    let _guard = log.begin(tracing::Level::TRACE);
    // One thread, so that all that the test does is logged here.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, test)
            .await
            .expect("the test ends in time");
    });
    drop(runtime);
    log.text()
}

/// A GET by hand.
pub fn get(place: &str, path: &str, token: Option<&str>) -> String {
    send(place, "GET", path, token, "")
}

/// A request by hand; gives the answer as it comes.
pub fn send(place: &str, method: &str, path: &str, token: Option<&str>, body: &str) -> String {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let headers = token.unwrap_or_default();
    request(place, method, path, &headers, body)
}

/// A POST by hand, with headers, each with its line end.
pub fn post(place: &str, path: &str, headers: &str, body: &str) -> String {
    request(place, "POST", path, headers, body)
}

fn request(place: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let mut stream = std::net::TcpStream::connect(place).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A client that shows a token over both kinds of channel, if it has one.
pub fn caller(token: Option<&str>) -> Host {
    let (tcp, http) = (TcpChannel::client(), HttpChannel::client());
    let builder = match token {
        Some(token) => Host::builder()
            .channel(tcp.token(token))
            .channel(http.token(token)),
        None => Host::builder().channel(tcp).channel(http),
    };
    builder.start_client().unwrap()
}
