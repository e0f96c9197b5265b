//! What is measured, and how: the same two loops for everything that can be called.

use std::fs;
use std::future::Future;
use std::time::{Duration, Instant};

/// Something that answers the calls of the benchmark over one connection.
pub(crate) trait Subject: Clone + Send + Sync + 'static {
    fn add(&self, a: i32, b: i32) -> impl Future<Output = i32> + Send;

    /// Gives the `id` of the person in the answer.
    fn get_person(
        &self,
        id: u32,
        country: &str,
        detailed: bool,
    ) -> impl Future<Output = u32> + Send;
}

/// What is called, by how many callers at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    Add { callers: usize },
    GetPerson { callers: usize },
}

impl Workload {
    pub(crate) const ALL: [Self; 3] = [
        Self::Add { callers: 1 },
        Self::Add { callers: 64 },
        Self::GetPerson { callers: 64 },
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add { callers: 1 } => "add, one caller",
            Self::Add { .. } => "add, 64 callers",
            Self::GetPerson { .. } => "get_person, 64 callers",
        }
    }

    pub(crate) fn callers(self) -> usize {
        match self {
            Self::Add { callers } | Self::GetPerson { callers } => callers,
        }
    }

    async fn call(self, subject: &impl Subject, number: i32) {
        match self {
            Self::Add { .. } => assert_eq!(subject.add(number, 1).await, number.wrapping_add(1)),
            Self::GetPerson { .. } => assert_eq!(subject.get_person(42, "GB", true).await, 42),
        }
    }
}

/// The outcome of one run, for each call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// The median of the time from call to result.
    pub(crate) p50: Duration,
    /// The time of the whole run, divided by its calls.
    pub(crate) wall: Duration,
    /// The processor time of both processes, divided by the calls; zero where the
    /// system does not tell.
    pub(crate) cpu: Duration,
}

/// Runs `calls` calls and measures them.
///
/// - `server`: the number of the process that answers.
pub(crate) async fn run(
    workload: Workload,
    subject: &impl Subject,
    calls: usize,
    server: u32,
) -> Figures {
    let each = calls / workload.callers();
    spread(workload, subject, each / 10).await;
    let cpu_before = cpu_time(server);
    let start = Instant::now();
    let mut times = spread(workload, subject, each).await;
    let wall = start.elapsed();
    let cpu = cpu_time(server).saturating_sub(cpu_before);
    times.sort_unstable();
    let done = u32::try_from(times.len()).expect("fewer calls than that");
    Figures {
        p50: times[times.len() / 2],
        wall: wall / done,
        cpu: cpu / done,
    }
}

/// Lets each caller call `each` times; gives the time of every call.
async fn spread(workload: Workload, subject: &impl Subject, each: usize) -> Vec<Duration> {
    let callers: Vec<_> = (0..workload.callers())
        .map(|_| {
            let subject = subject.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(each);
                for number in 0..each {
                    let start = Instant::now();
                    workload.call(&subject, number as i32).await;
                    times.push(start.elapsed());
                }
                times
            })
        })
        .collect();
    let mut all = Vec::with_capacity(each * callers.len());
    for caller in callers {
        all.append(&mut caller.await.expect("no call fails"));
    }
    all
}

/// The processor time of all threads of this process and of `server` so far.
fn cpu_time(server: u32) -> Duration {
    let nanoseconds = |process: &str| -> u64 {
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
            return 0;
        };
        let of_thread = |thread: fs::DirEntry| -> Option<u64> {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        threads.flatten().filter_map(of_thread).sum()
    };
    Duration::from_nanos(nanoseconds("self") + nanoseconds(&server.to_string()))
}
