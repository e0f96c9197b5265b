//! What is measured, and how: the same loop for everything that can be called.

use std::fs;
use std::time::{Duration, Instant};

use crate::subjects::{Subject, Workload};

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
