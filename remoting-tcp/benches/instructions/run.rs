//! What is counted: a server, a client and their calls on one thread.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::mpsc;

use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::subjects::{Subject, Workload, floor, objects};
use crate::{Outcome, floor_rmp, streams};

/// The flag that makes the program make calls. After it come the contestant, the workload
/// and how many calls each caller makes.
pub(crate) const MAKE: &str = "--make";

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Calls over one connection.
    Calls(Workload),
    /// A connection for each call, which is closed after it.
    Connect,
    /// The items of one stream.
    Stream,
}

impl Work {
    pub(crate) const ALL: [Self; 5] = [
        Self::Calls(Workload::ALL[0]),
        Self::Calls(Workload::ALL[1]),
        Self::Calls(Workload::ALL[2]),
        Self::Connect,
        Self::Stream,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calls(workload) => workload.name(),
            Self::Connect => "connect, call and close",
            Self::Stream => "an item of a stream",
        }
    }

    pub(crate) fn callers(self) -> usize {
        match self {
            Self::Calls(workload) => workload.callers(),
            Self::Connect | Self::Stream => 1,
        }
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Contestant {
    Floor,
    FloorRmp,
    Remoting,
}

impl Contestant {
    const ALL: [Self; 3] = [Self::Floor, Self::FloorRmp, Self::Remoting];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::FloorRmp => "floor-rmp",
            Self::Remoting => "remoting",
        }
    }
}

/// Makes the calls that the words after [`MAKE`] ask for.
pub(crate) fn make(words: &[String]) -> Outcome<()> {
    let [contestant, workload, each, ..] = words else {
        return Err("a contestant, a workload and a number of calls are wanted".into());
    };
    let contestant = Contestant::ALL
        .into_iter()
        .find(|one| one.name() == contestant);
    let work = Work::ALL.into_iter().find(|one| one.name() == workload);
    let contestant = contestant.ok_or("there is no such contestant")?;
    let work = work.ok_or("there is no such workload")?;
    serve_and_call(contestant, work, each.parse()?)
}

/// Lets every contestant make a few calls of every workload.
pub(crate) fn make_all() -> Outcome<()> {
    for work in Work::ALL {
        for contestant in Contestant::ALL {
            serve_and_call(contestant, work, 10)?;
        }
    }
    Ok(())
}

/// Serves and calls on one thread, while the runtime's clock stands still.
///
/// The library times handlers and starts the slow ones on tasks of their own. In valgrind
/// even `add` is slow now and then, and the figures would tell how often.
fn serve_and_call(contestant: Contestant, work: Work, each: usize) -> Outcome<()> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build()?;
    // A clock that stands still would jump to the next timer whenever all tasks wait, were
    // it not for a blocking one.
    let (end, ended) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || ended.recv());
    let outcome = runtime.block_on(contest(contestant, work, each));
    drop(end);
    outcome
}

async fn contest(contestant: Contestant, work: Work, each: usize) -> Outcome<()> {
    if let Work::Stream = work {
        return streams::stream(contestant, each as u64).await;
    }
    match contestant {
        Contestant::Floor => {
            let (listener, address) = listen().await?;
            tokio::spawn(floor::serve(listener));
            call(work, || floor::Client::connect(address), each).await
        }
        Contestant::FloorRmp => {
            let (listener, address) = listen().await?;
            tokio::spawn(floor_rmp::serve(listener));
            call(work, || floor_rmp::Client::connect(address), each).await
        }
        Contestant::Remoting => {
            let (_host, url) = objects::serve().await?;
            call(work, || objects::Client::connect(&url), each).await
        }
    }
}

pub(crate) async fn listen() -> Outcome<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Lets each caller call `each` times over one connection, or one caller over as many.
async fn call<S: Subject, E: Error + 'static>(
    work: Work,
    connect: impl AsyncFn() -> Result<S, E>,
    each: usize,
) -> Outcome<()> {
    let workload = match work {
        Work::Calls(workload) => workload,
        Work::Connect | Work::Stream => {
            for number in 0..each {
                assert_eq!(connect().await?.add(number as i32, 0).await, number as i32);
            }
            return Ok(());
        }
    };
    let subject = connect().await?;
    let callers: Vec<_> = (0..workload.callers())
        .map(|_| {
            let subject = subject.clone();
            tokio::spawn(async move {
                for number in 0..each {
                    workload.call(&subject, number as i32).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await?;
    }
    Ok(())
}
