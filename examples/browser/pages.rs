//! A server of pages, as small as can be: what a web server does for you elsewhere.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How many bytes of a request are looked at.
const HEAD: u64 = 8 * 1024;

/// A path, the type of what is there, and its text.
pub type Page = (&'static str, &'static str, String);

/// The two modules that a page needs to call objects.
pub fn modules() -> [Page; 2] {
    let module = |path, text: &str| (path, "text/javascript", text.to_owned());
    [
        module("/remoting.js", include_str!("remoting.js")),
        module("/wire.js", include_str!("wire.js")),
    ]
}

/// The page of the board.
///
/// - `server`: where the objects are: `http://127.0.0.1:40123`.
pub fn board(path: &'static str, server: &str) -> Page {
    let text = include_str!("index.html").replace("{{server}}", server);
    (path, "text/html; charset=utf-8", text)
}

/// An origin that pages will come from.
pub struct Site {
    listener: TcpListener,
    /// As browsers write it: `http://127.0.0.1:40123`.
    pub origin: String,
}

impl Site {
    /// Takes a free port of this machine.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        Ok(Self { listener, origin })
    }

    /// Serves pages until what it gives is dropped.
    pub fn serve(self, pages: impl IntoIterator<Item = Page>) -> JoinSet<()> {
        let pages: Arc<[Page]> = pages.into_iter().collect();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((stream, _)) = self.listener.accept().await {
                visits.spawn(answer(stream, Arc::clone(&pages)));
                while visits.try_join_next().is_some() {}
            }
        });
        serving
    }
}

/// Answers one request, if it is one.
async fn answer(stream: TcpStream, pages: Arc<[Page]>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut lines = (&mut stream).take(HEAD).lines();
    let request = lines.next_line().await.ok()??;
    while !lines.next_line().await.ok()??.is_empty() {}
    let path = request.strip_prefix("GET ")?.split(' ').next()?;
    let page = pages.iter().find(|(own, ..)| *own == path);
    let (status, kind, text) = match page {
        Some((_, kind, text)) => ("200 OK", *kind, text.as_str()),
        None => ("404 Not Found", "text/plain", "there is no such page"),
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{text}"
    );
    stream.write_all(answer.as_bytes()).await.ok()
}
