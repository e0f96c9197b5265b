//! The other processes: this same program, started once more for each of them.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use remoting_core::prelude::*;

use crate::Outcome;
use crate::clients::client_host;
use crate::server::{ControlProxy, Standing};

/// The flag that makes the program a server.
pub(crate) const SERVE: &str = "--serve";
/// The flag that makes the program a holder of objects until it is killed; after it come the
/// URL of what to activate, its own number, how many clients it has, and how many objects each.
pub(crate) const HOLD: &str = "--hold";

/// How long the server may take for something.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process of its own, which ends when this value is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(arguments).stdin(Stdio::piped());
        Ok(Self(command.stdout(Stdio::piped()).spawn()?))
    }

    /// Waits until it says the line that tells that it is ready. To be called once.
    pub(crate) fn ready(&mut self) -> Outcome<String> {
        let stdout = self.0.stdout.take().ok_or("the process has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match line.trim_end() {
            "" => Err("a process did not start".into()),
            line => Ok(line.to_owned()),
        }
    }

    /// Kills the process, without a word to it: by `SIGKILL`, where there are signals.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        Ok(self.0.kill()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Failing to end what has ended already is no failure.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server, and the way to steer it.
pub(crate) struct Server {
    pub(crate) control: ControlProxy,
    /// The URL of the object that steers it.
    pub(crate) url: String,
    _host: Host,
    _process: Process,
}

impl Server {
    pub(crate) async fn start() -> Outcome<Self> {
        let mut process = Process::start(&[SERVE])?;
        let url = process.ready()?;
        let host = client_host().await?;
        let control: ControlProxy = host.connect(&url).await?;
        Ok(Self {
            control: control.with(CallOptions::new().deadline(PATIENCE)),
            url,
            _host: host,
            _process: process,
        })
    }

    /// Waits until the server keeps nothing for anybody and this program is its only client, or
    /// for ten seconds; and a second more, for what it then still has to do.
    pub(crate) async fn emptied(&self) -> Outcome<Standing> {
        let begin = Instant::now();
        loop {
            let standing = self.control.standing().await?;
            let empty = standing.objects == 0 && standing.clients == 1;
            if empty || begin.elapsed() > Duration::from_secs(10) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(self.control.standing().await?)
    }
}
