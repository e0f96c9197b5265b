//! The file in which a test writes down what its calls were about to do, did, and came to.

use std::borrow::Cow;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use remoting_core::{Error, Executed};
use serde::{Deserialize, Serialize};

/// Which call, among all that are written down in the journals of one test. It is given by whoever makes the call, and goes along
/// as an argument, so that both sides write of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct CallId {
    /// Who calls. Each has a number of its own.
    pub client: u64,
    /// Which of its calls. A call that is made again is another one, with a number of its own.
    pub call: u64,
}

/// A file in which both sides of calls write down what happens, for [`check`](super::check) to judge.
///
/// A client writes [`begun`](Self::begun) before each call, and [`ok`](Self::ok) or [`failed`](Self::failed) when it has ended;
/// a server writes [`ran`](Self::ran) inside its method, as the first that it does; whoever makes faults writes
/// [`fault`](Self::fault). Several threads may write to one journal. Each process needs one of its own; one that was started again
/// may go on with that of the process that was killed.
///
/// A line is an event, in JSON. It has been given to the system in one piece when the method returns: `kill -9` of the
/// process loses nothing then, but an outage of the machine does.
///
/// ```
/// use remoting::testing::{CallId, Journal, check};
/// # let folder = std::env::temp_dir().join(format!("remoting-journal-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
///
/// let client = Journal::open(folder.join("client"))?;
/// let server = Journal::open(folder.join("server"))?;
/// let id = CallId { client: 1, call: 1 };
/// client.begun(id)?;
/// server.ran(id)?; // in the method
/// client.ok(id)?;
///
/// let verdict = check([folder.join("client"), folder.join("server")])?;
/// verdict.assert_clean();
/// assert_eq!(verdict.ok, 1);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Journal(Mutex<File>);

/// A line of a journal.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Event<'a> {
    Begun(CallId),
    Ok(CallId),
    Failed {
        id: CallId,
        #[serde(with = "Told")]
        executed: Executed,
        #[serde(borrow)]
        kind: Cow<'a, str>,
    },
    Ran(CallId),
    Fault(#[serde(borrow)] Cow<'a, str>),
}

/// How [`Executed`] is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Executed", rename_all = "lowercase")]
enum Told {
    No,
    Yes,
    Unknown,
}

impl Journal {
    /// Opens a journal to write to its end; makes it if there is none.
    ///
    /// # Errors
    ///
    /// Those of the system. So are those of all methods here: the disk is full, say.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).read(true).append(true).open(path)?;
        // Whoever was killed while it wrote has left a piece of a line: it gets an end, or the next line would be lost with it.
        if file.seek(SeekFrom::End(0))? > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(Self(Mutex::new(file)))
    }

    /// A call is about to be made.
    ///
    /// # Errors
    ///
    /// Those of the system; then the call should not be made.
    pub fn begun(&self, id: CallId) -> io::Result<()> {
        self.write(&Event::Begun(id))
    }

    /// The server's answer has come. An error of the interface's own is such an answer, too.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn ok(&self, id: CallId) -> io::Result<()> {
        self.write(&Event::Ok(id))
    }

    /// The call has failed, and the error tells whether it has run.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn failed(&self, id: CallId, error: &Error) -> io::Result<()> {
        self.write(&Event::Failed {
            id,
            executed: error.executed(),
            kind: format!("{:?}", error.kind()).into(),
        })
    }

    /// The method runs.
    ///
    /// # Errors
    ///
    /// Those of the system; then the method should do nothing else.
    pub fn ran(&self, id: CallId) -> io::Result<()> {
        self.write(&Event::Ran(id))
    }

    /// Something is going to be broken.
    ///
    /// - `what`: for those who read the journal.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn fault(&self, what: &str) -> io::Result<()> {
        self.write(&Event::Fault(what.into()))
    }

    fn write(&self, event: &Event<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Journal").field(&self.0).finish()
    }
}

impl From<(u64, u64)> for CallId {
    fn from((client, call): (u64, u64)) -> Self {
        Self { client, call }
    }
}

impl From<CallId> for (u64, u64) {
    fn from(id: CallId) -> Self {
        (id.client, id.call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_short_lines_that_people_can_read() {
        let id = CallId {
            client: 3,
            call: 17,
        };
        let failed = Event::Failed {
            id,
            executed: Executed::Unknown,
            kind: "SessionLost".into(),
        };
        let lines = [
            (Event::Begun(id), r#"{"begun":[3,17]}"#),
            (Event::Ok(id), r#"{"ok":[3,17]}"#),
            (
                failed,
                r#"{"failed":{"id":[3,17],"executed":"unknown","kind":"SessionLost"}}"#,
            ),
            (Event::Ran(id), r#"{"ran":[3,17]}"#),
            (
                Event::Fault("a \"cut\"\n".into()),
                r#"{"fault":"a \"cut\"\n"}"#,
            ),
        ];
        for (event, line) in lines {
            assert_eq!(serde_json::to_string(&event).unwrap(), line);
            assert_eq!(serde_json::from_str::<Event<'_>>(line).unwrap(), event);
        }
    }
}
