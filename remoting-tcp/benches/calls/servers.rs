//! The servers: this same program, started once more for each of them.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use tokio::net::TcpListener;

use crate::subjects::{floor, objects};
use crate::{Outcome, runtime};

/// The flag that makes the program a server; what kind of server comes after it.
pub(crate) const SERVE: &str = "--serve";

/// A server in a process of its own, which ends when this value is dropped.
pub(crate) struct Server {
    process: Child,
    /// What its clients connect to.
    pub(crate) address: String,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// - `kind`: `floor` or `objects`.
    pub(crate) fn start(kind: &str) -> Outcome<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args([SERVE, kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("the server has no output")?;
        let mut server = Self {
            process,
            address: String::new(),
        };
        BufReader::new(stdout).read_line(&mut server.address)?;
        server.address.truncate(server.address.trim_end().len());
        if server.address.is_empty() {
            return Err(format!("the server `{kind}` did not start").into());
        }
        Ok(server)
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Failing to end what has ended already is no failure.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is a server until the parent goes away: then the standard input ends.
pub(crate) fn serve(kind: &str) -> Outcome<()> {
    let runtime = runtime()?;
    let (address, _host) = match kind {
        "floor" => {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
            let address = listener.local_addr()?.to_string();
            runtime.spawn(floor::serve(listener));
            (address, None)
        }
        "objects" => {
            let (host, url) = runtime.block_on(objects::serve())?;
            (url, Some(host))
        }
        other => return Err(format!("there is no server `{other}`").into()),
    };
    println!("{address}");
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
