//! Dialling again for a session that has lost its link.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::resume::{Arrival, Greeting};
use super::{Connection, Origin};
use crate::authentication::Token;
use crate::channel::{Link, LinkError};
use crate::error::{Error, ErrorKind};
use crate::jitter::Pauses;
use crate::session::{End, longest_body};
use crate::wire::{Abort, BYE, Hello, Message, Violation, split_frame, write_abort};

/// After how many times that the machine was there and nobody listened, the peer is taken for dead.
const REFUSALS: u32 = 2;

/// What is said of a peer that can be dialled and does not answer.
const MUTE: &str = "the peer can be dialled, and does not answer";
/// The same of one that lets nobody in.
const FULL: &str = "the peer lets nobody in for now";

/// Why a link was not had.
enum Failed {
    /// Nobody listens there, although the machine answers.
    Refused(String),
    /// There may be one later.
    ForNow(String),
    /// The session is over.
    For(End),
}

/// Dials until there is a link on which the peer agrees to go on. Whoever waits for it ends it when the time is over.
pub(super) async fn redial(
    connection: Arc<Connection>,
    origin: Arc<dyn Origin>,
) -> Result<Arrival, End> {
    let mut pauses = Pauses::new();
    let mut refusals = 0;
    loop {
        let failed = match try_once(&connection, &*origin).await {
            Ok(arrival) => return Ok(arrival),
            Err(failed) => failed,
        };
        let why = match failed {
            Failed::For(end) => return Err(end),
            Failed::Refused(why) => {
                refusals += 1;
                why
            }
            Failed::ForNow(why) => {
                refusals = 0;
                why
            }
        };
        if refusals >= REFUSALS {
            let text = "nobody listens where the peer was";
            return Err(End::Away(text.to_owned()));
        }
        let pause = pauses.draw();
        connection.tell_failure(why, pause);
        sleep(pause).await;
    }
}

async fn try_once(connection: &Arc<Connection>, origin: &dyn Origin) -> Result<Arrival, Failed> {
    // However long that takes: it has bounds of its own, and a name may have several addresses.
    let link = origin.dial().await.map_err(|error| of_dialling(&error))?;
    let asking = ask(connection, origin, link);
    let mute = |_| Err(Failed::ForNow(MUTE.to_owned()));
    let asked = timeout(connection.limits.handshake_time, asking).await;
    asked.unwrap_or_else(mute)
}

/// Asks the peer on a link to go on.
async fn ask(
    connection: &Arc<Connection>,
    origin: &dyn Origin,
    mut link: Link,
) -> Result<Arrival, Failed> {
    let plea = {
        let token = origin.token();
        let token = token.as_ref().map(Token::mint);
        connection.lock().session.plea(token)
    };
    write(&mut link, &plea)
        .await
        .map_err(|broken| Failed::ForNow(broken.to_string()))?;
    let longest = longest_body(&connection.limits);
    let (hello, unread) = read_hello(&mut link, longest).await?;
    let recognized = connection.lock().session.recognize(&hello);
    if let Err(end) = recognized {
        let mut farewell = Vec::new();
        let (code, text) = (BYE, "");
        write_abort(&mut farewell, &Abort { code, text });
        let _unheard = write(&mut link, &farewell).await;
        return Err(Failed::For(end));
    }
    Ok(Arrival {
        reader: link.reader,
        writer: link.writer,
        unread,
        guard: Box::new(()),
        from: None,
        greeting: Greeting::Answer(Box::new(hello)),
    })
}

/// What a failed dialling means for the session.
fn of_dialling(error: &Error) -> Failed {
    let source = std::error::Error::source(error);
    let source = source.and_then(|source| source.downcast_ref::<io::Error>());
    let is_refused = source.is_some_and(|source| source.kind() == io::ErrorKind::ConnectionRefused);
    match error.kind() {
        ErrorKind::ConnectFailed if is_refused => Failed::Refused(error.to_string()),
        ErrorKind::ConnectFailed | ErrorKind::Overloaded => Failed::ForNow(error.to_string()),
        _ => Failed::For(End::Away(format!(
            "the connection cannot be made again: {}",
            error.message()
        ))),
    }
}

async fn write(link: &mut Link, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let taken = poll_fn(|cx| link.writer.poll_write(cx, bytes)).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(taken..).unwrap_or_default();
    }
    Ok(())
}

/// Reads the peer's HELLO. Gives what came behind it too.
async fn read_hello(link: &mut Link, longest: usize) -> Result<(Hello, Vec<u8>), Failed> {
    let mut buffer = Vec::new();
    loop {
        let split =
            split_frame(&buffer, longest).map_err(|violation| Failed::For(violation.into()))?;
        if let Some((frame, length)) = split {
            let message =
                Message::parse(frame).map_err(|violation| Failed::For(violation.into()))?;
            return match message {
                Message::Hello(hello) => {
                    let unread = buffer.get(length..).unwrap_or_default().to_vec();
                    Ok((hello, unread))
                }
                Message::Abort(abort) if abort.code == ErrorKind::Overloaded.code() => {
                    Err(Failed::ForNow(FULL.to_owned()))
                }
                Message::Abort(abort) => Err(Failed::For(End::Aborted {
                    code: abort.code,
                    text: abort.text.to_owned(),
                })),
                _ => Err(Failed::For(Violation::FrameBeforeHello.into())),
            };
        }
        match poll_fn(|cx| link.reader.poll_read(cx, &mut buffer)).await {
            Ok(0) | Err(LinkError::Io(_)) => return Err(Failed::ForNow(MUTE.to_owned())),
            Ok(_) => {}
            Err(LinkError::Refused {
                kind: ErrorKind::Overloaded,
                ..
            }) => return Err(Failed::ForNow(FULL.to_owned())),
            Err(LinkError::Refused { kind, what }) => {
                return Err(Failed::For(End::Refused { kind, what }));
            }
            Err(LinkError::NotOurProtocol(what)) => {
                return Err(Failed::For(End::NotOurProtocol(what)));
            }
            Err(version @ LinkError::Version(_)) => {
                return Err(Failed::For(End::VersionMismatch(version.to_string())));
            }
        }
    }
}
