//! Very many leases that run out within a few seconds, while somebody else calls.

use std::time::{Duration, Instant};

use crate::clients::{Clients, probe, share};
use crate::ledger::{Lateness, Tally};
use crate::plain::PlainFigures;
use crate::processes::Server;
use crate::progress::Progress;
use crate::report::{Report, Row, grouped, mebibytes, milliseconds};
use crate::server::SHARED;
use crate::{Effort, Outcome};

const LATE_P99: Duration = Duration::from_millis(100);
const LATE_WORST: Duration = Duration::from_millis(250);
const CALL_P99: Duration = Duration::from_millis(10);
/// How much of what it has grown by a server may keep, in hundredths.
const KEPT: u64 = 10;
/// How long an object may go on living before it is taken to live for ever.
const FOR_EVER: Duration = Duration::from_secs(10);
/// The objects are activated in so many parts, each with a lease that is over when it is to be.
const PARTS: usize = 100;
/// How long the first lease still runs when all objects should be there.
const SPARE: Duration = Duration::from_secs(2);

pub(crate) async fn measure(
    effort: &Effort,
    plain: &PlainFigures,
    rate: f64,
    progress: Progress,
    report: &mut Report,
) -> Outcome<()> {
    let server = Server::start().await?;
    let shared = server.url.replace("control", SHARED);
    let mut clients = Clients::connect(effort.sessions, &shared).await?;
    progress.say("calling while nothing happens");
    let quiet = probe(&server.url, effort.window).await?;
    let before = server.control.standing().await?.resident;
    let first_due = activate(effort, rate, &server, &mut clients, progress).await?;
    let most = server.control.standing().await?.resident;
    tokio::time::sleep_until(first_due.into()).await;
    progress.say("the leases run out");
    let busy = probe(&server.url, effort.window).await?;
    let tally = all_gone(&server).await?;
    progress.say("dropping all proxies");
    drop(clients);
    let after = server.emptied().await?.resident;
    tell(&tally, plain, report);
    tell_of_calls(busy, quiet, report);
    tell_of_memory([before, most, after], plain, report);
    progress.say("the same once more, for the memory alone");
    let mut clients = Clients::connect(effort.sessions, &shared).await?;
    let url = server.control.offer("again", Some(10 * FOR_EVER)).await?;
    clients.activate(effort.objects, &url, 0, None).await?;
    let again = server.control.standing().await?.resident;
    let row = Row::new("  with as many objects again", mebibytes(again));
    report.add(row);
    Ok(())
}

/// Activates all objects; gives when the first lease is over.
async fn activate(
    effort: &Effort,
    rate: f64,
    server: &Server,
    clients: &mut Clients,
    progress: Progress,
) -> Outcome<Instant> {
    // Twice the time that it takes: it may be slower this time.
    let expected = Duration::from_secs_f64(2.0 * effort.objects as f64 / rate);
    let first_due = Instant::now() + expected + SPARE;
    let counting = progress.counting("activated", effort.objects);
    for part in 0..PARTS {
        let due = first_due + effort.window.mul_f64(part as f64 / PARTS as f64);
        let lease = due.saturating_duration_since(Instant::now());
        let offered = server.control.offer(&format!("part-{part}"), Some(lease));
        let (url, count) = (offered.await?, share(effort.objects, PARTS, part));
        clients.activate(count, &url, 0, Some(&counting)).await?;
    }
    if Instant::now() > first_due {
        return Err("activation took longer than was to be expected; try again".into());
    }
    Ok(first_due)
}

/// Waits until all objects are gone, or will not go.
async fn all_gone(server: &Server) -> Outcome<Tally> {
    let began = Instant::now();
    loop {
        let tally = server.control.tally().await?;
        if tally.left == 0 || began.elapsed() > FOR_EVER {
            return Ok(tally);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn tell(tally: &Tally, plain: &PlainFigures, report: &mut Report) {
    let window = tally.window.as_secs_f64();
    let made = grouped(tally.made as usize);
    report.section(format!("expiry of {made} leases within {window:.1} s"));
    report.fates(tally);
    let most = [Some(LATE_P99), Some(LATE_WORST)];
    report.lateness(tally.late, Some(plain.late), most);
}

fn tell_of_calls(busy: Lateness, quiet: Lateness, report: &mut Report) {
    let most = format!("<= {}", milliseconds(CALL_P99));
    let row = Row::new("other calls meanwhile, p99", milliseconds(busy.p99));
    report.add(row.target(most, busy.p99 <= CALL_P99));
    report.add(Row::new("  before it, p99", milliseconds(quiet.p99)));
    let both = |times: Lateness| [times.p50, times.worst].map(milliseconds).join(", ");
    report.add(Row::new("  meanwhile, p50 and worst", both(busy)));
    report.add(Row::new("  before it, p50 and worst", both(quiet)));
}

/// - `resident`: before, with all objects, and without them and their clients.
fn tell_of_memory(resident: [u64; 3], plain: &PlainFigures, report: &mut Report) {
    let [before, most, after] = resident;
    let share = |grown: u64, kept: u64| kept * 100 / grown.max(1);
    let kept = share(most.saturating_sub(before), after.saturating_sub(before));
    report.add(
        Row::new(
            "memory not given back, of what was taken",
            format!("{kept} %"),
        )
        .control(format!("{} %", share(plain.grown, plain.kept)))
        .target(format!("<= {KEPT} %"), kept <= KEPT),
    );
    report.add(Row::new("  the server before", mebibytes(before)));
    report.add(Row::new("  with all objects", mebibytes(most)));
    report.add(Row::new("  without objects and clients", mebibytes(after)));
}
