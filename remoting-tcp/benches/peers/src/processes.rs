//! The processes of a contestant: this same program, started once for each end.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::arguments::{DRIVE, SERVE};
use crate::counters;
use crate::drive::{Answer, Order};
use crate::measure::Figures;

/// How often the memory of watched processes is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Where and how a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    AllCpus,
    OneCpu,
    /// In a machine that counts instructions, which is slow.
    Counted,
}

/// A process that ends when this value is dropped.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Where the number of instructions will stand.
    count: Option<PathBuf>,
}

impl Process {
    fn start(arguments: &[&str], place: Place) -> Result<Self> {
        let program = env::current_exe().context("this program's own path")?;
        let mut count = None;
        let mut command = match place {
            Place::AllCpus => Command::new(&program),
            Place::OneCpu => {
                let mut command = Command::new("taskset");
                command.args(["-c", &counters::first_processor()]);
                command
            }
            Place::Counted => {
                let role = arguments.first().copied().unwrap_or_default();
                let name = format!("remoting-peers-{}{role}", std::process::id());
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
                let mut log = OsString::from("--log-file=");
                log.push(count.insert(env::temp_dir().join(name)));
                command.arg(log);
                command
            }
        };
        if place != Place::AllCpus {
            command.arg(program);
        }
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("a process could not be started")?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("a process without output")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
            count,
        })
    }

    /// Lets the process end; gives the number of instructions that it took.
    fn instructions(mut self) -> Result<u64> {
        drop(self.input.take());
        self.child.wait()?;
        let path = self.count.take().context("nothing was counted")?;
        let log = fs::read_to_string(&path)?;
        fs::remove_file(&path)?;
        let number = log
            .lines()
            .find_map(|line| line.split("Collected :").nth(1));
        let number = number.context("valgrind tells no number of instructions")?;
        Ok(number.trim().parse()?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            bail!("a process ended before its time");
        }
        Ok(line.to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Failing to end what has ended already is no failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The memory of both processes in bytes.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) client: u64,
    pub(crate) server: u64,
}

impl Memory {
    fn of(client: u32, server: u32) -> Self {
        Self {
            client: counters::memory(client),
            server: counters::memory(server),
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            client: self.client.max(other.client),
            server: self.server.max(other.server),
        }
    }

    /// What has come to `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            client: self.client.saturating_sub(before.client),
            server: self.server.saturating_sub(before.server),
        }
    }
}

/// The server and the client of one contestant.
pub(crate) struct Pair {
    client: Process,
    server: Process,
}

impl Pair {
    /// Starts both and waits until the server listens.
    ///
    /// - `place`: where and how both run.
    pub(crate) fn start(peer: &str, place: Place) -> Result<Self> {
        let mut server = Process::start(&[SERVE, peer], place)?;
        let address = server.line()?;
        let id = server.child.id().to_string();
        let client = Process::start(&[DRIVE, peer, &address, &id], place)?;
        Ok(Self { client, server })
    }

    pub(crate) fn run(&mut self, order: &Order) -> Result<Figures> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        let input = self
            .client
            .input
            .as_mut()
            .context("a client without input")?;
        input.write_all(line.as_bytes())?;
        match serde_json::from_str(&self.client.line()?)? {
            Answer::Done(figures) => Ok(figures),
            Answer::Failed(why) => bail!(why),
        }
    }

    /// Gives as well the most memory that each process had meanwhile.
    pub(crate) fn run_watched(&mut self, order: &Order) -> Result<(Figures, Memory)> {
        let (client, server) = (self.client.child.id(), self.server.child.id());
        let (end, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let mut most = Memory::default();
                loop {
                    most = most.most(Memory::of(client, server));
                    if ended.recv_timeout(GLANCE) != Err(RecvTimeoutError::Timeout) {
                        return most;
                    }
                }
            });
            let figures = self.run(order);
            drop(end);
            let most = watch
                .join()
                .map_err(|_| anyhow!("the watch has panicked"))?;
            Ok((figures?, most))
        })
    }

    /// The memory of both processes.
    pub(crate) fn memory(&self) -> Memory {
        Memory::of(self.client.child.id(), self.server.child.id())
    }
}

impl Pair {
    /// Ends both; gives the numbers of instructions that client and server took.
    pub(crate) fn instructions(self) -> Result<(u64, u64)> {
        Ok((self.client.instructions()?, self.server.instructions()?))
    }
}

/// Whether processes can be kept on one processor here.
pub(crate) fn can_pin() -> bool {
    runs("taskset", &["-c", &counters::first_processor(), "true"])
}

/// Whether instructions can be counted here.
pub(crate) fn can_count() -> bool {
    runs("valgrind", &["--version"])
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    command.stderr(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
