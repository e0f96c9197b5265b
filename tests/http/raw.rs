//! Requests byte by byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An answer, as far as it was looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

/// A connection on which anything can be sent.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn connect(authority: &str) -> Self {
        Self(TcpStream::connect(authority).await.unwrap())
    }

    /// A client that has hardly room for what it does not read.
    pub async fn connect_narrow(authority: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self(socket.connect(authority.parse().unwrap()).await.unwrap())
    }

    pub async fn send(&mut self, text: &str) {
        // The server may have closed already, which the next read tells.
        let _closed = self.0.write_all(text.as_bytes()).await;
    }

    /// Reads one answer; nothing if the connection ends without one.
    pub async fn answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer {
            status,
            head,
            body: String::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.ok()?;
        answer.body = String::from_utf8(body).unwrap();
        Some(answer)
    }

    /// Whether nothing more comes, now that an answer has been read.
    pub async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]).await, Ok(0) | Err(_))
    }
}

/// Sends one request on a connection of its own.
pub async fn ask(authority: &str, request: &str) -> Option<Answer> {
    let mut raw = Raw::connect(authority).await;
    raw.send(request).await;
    raw.answer().await
}

/// A POST with these additional header lines.
pub fn post(path: &str, lines: &[&str], body: &str) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
    )
}
