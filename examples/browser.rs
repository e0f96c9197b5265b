//! Objects and a web page: `fetch` for calls, a WebSocket for calls in both directions.
//!
//! Shows
//!
//! - a page that calls objects of a server which it did not come from, because the channel lists its
//!   origin; pages of other origins are refused;
//! - a session of the page's, in which the server calls an object of the page;
//! - `browser/remoting.js`, a client in another language: 400 lines with `browser/wire.js`, written from
//!   PROTOCOL.md.
//!
//! `cargo run --example browser` asks as the page would, and ends; `cargo run --example browser -- serve`
//! stays, and prints the address to open in a browser.

#[path = "browser/board.rs"]
mod board;
#[path = "browser/pages.rs"]
mod pages;

use anyhow::{Context, ensure};
use remoting::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use board::{BoardProxy, Note, Watcher, WatcherProxy};

/// Passes on what it is told.
struct Watching(mpsc::UnboundedSender<Note>);

impl Watcher for Watching {
    async fn pinned(&self, note: Note) -> remoting::Result<()> {
        let _closed = self.0.send(note);
        Ok(())
    }
}

/// Sends a request byte by byte, as a browser does, and gives the whole answer.
async fn ask(server: &str, request: &str) -> anyhow::Result<String> {
    let authority = server.strip_prefix("http://").context("no URL of HTTP")?;
    let mut stream = TcpStream::connect(authority).await?;
    let (line, rest) = request.split_once('\n').context("a request has lines")?;
    let head =
        format!("{line} HTTP/1.1\nHost: {authority}\nConnection: close\n").replace('\n', "\r\n");
    stream
        .write_all((head + &rest.replace('\n', "\r\n")).as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Looks at the page, and does what it would do.
///
/// - `site`: where the page is; `server`: where the objects are.
async fn check(site: &str, server: &str) -> anyhow::Result<()> {
    let page = ask(site, "GET /\n\n").await?;
    ensure!(page.contains("text/html") && page.contains(server));
    let module = ask(site, "GET /remoting.js\n\n").await?;
    ensure!(module.contains("text/javascript") && module.contains("class Session"));
    println!("the page is at {site}, the board at {server}");

    let board: BoardProxy = remoting::connect(&format!("{server}/board")).await?;
    let (told, mut notes) = mpsc::unbounded_channel();
    let before = board.watch(WatcherProxy::local(Watching(told))).await?;
    ensure!(before.is_empty(), "a new board is empty");

    let preflight =
        "Access-Control-Request-Method: POST\nAccess-Control-Request-Headers: content-type";
    let may = ask(
        server,
        &format!("OPTIONS /board/pin\nOrigin: {site}\n{preflight}\n\n"),
    )
    .await?;
    let allowed = format!("access-control-allow-origin: {site}");
    ensure!(
        may.starts_with("HTTP/1.1 204") && may.contains(&allowed),
        "{may}"
    );
    println!("the browser asks first: 204, {allowed}");

    let pin = |origin: &str, text: &str| {
        let body = format!(r#"[{{"author":"Ann","text":"{text}"}}]"#);
        let length = body.len();
        format!(
            "POST /board/pin\nOrigin: {origin}\nContent-Type: application/json\nContent-Length: {length}\n\n{body}"
        )
    };
    let pinned = ask(server, &pin(site, "bread at nine")).await?;
    ensure!(
        pinned.starts_with("HTTP/1.1 200") && pinned.contains(&allowed),
        "{pinned}"
    );
    let note = notes.recv().await.context("the watcher is told")?;
    println!("pinned by a page: {}: {}", note.author, note.text);

    let empty = ask(server, &pin(site, "")).await?;
    ensure!(empty.starts_with("HTTP/1.1 422") && empty.contains(r#"{"Length":{"longest":80}}"#));
    println!("an error of the board's: 422");

    let stranger = ask(server, &pin("http://elsewhere.example", "cheap watches")).await?;
    ensure!(stranger.starts_with("HTTP/1.1 403"), "{stranger}");
    println!("a page of another origin: 403");

    let read = ask(server, &format!("GET /board/notes\nOrigin: {site}\n\n")).await?;
    ensure!(
        read.ends_with(r#"[{"author":"Ann","text":"bread at nine"}]"#),
        "{read}"
    );
    ensure!(board.notes().await? == [note]);
    println!("one note hangs there");
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let site = pages::Site::bind().await?;
    let origin = site.origin.clone();
    let host = board::start(&origin).await?;
    let server = board::address(&host)?;
    let mut all = vec![pages::board("/", &server)];
    all.extend(pages::modules());
    let _serving = site.serve(all);

    if std::env::args().any(|argument| argument == "serve") {
        println!("open {origin}/ in a browser, twice; serving until Ctrl-C");
        host.run_until(tokio::signal::ctrl_c()).await;
        return Ok(());
    }
    check(&origin, &server).await?;
    println!("\nto see it: `cargo run --example browser -- serve`");
    Ok(())
}
