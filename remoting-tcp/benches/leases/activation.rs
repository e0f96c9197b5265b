//! Making very many objects and renewing their leases: how fast, and in how much memory.

use std::time::{Duration, Instant};

use crate::clients::{Clients, Deed};
use crate::plain::PlainFigures;
use crate::processes::Server;
use crate::progress::Progress;
use crate::report::{Report, Row, grouped, mebibytes};
use crate::server::SHARED;
use crate::{Effort, Outcome};

/// A million objects are to be held in 256 MiB.
const BYTES_OF_AN_OBJECT: u64 = 268;
const RENEWALS: f64 = 200_000.0;

/// Activates and renews; gives how many objects were activated in a second.
pub(crate) async fn measure(
    effort: &Effort,
    plain: &PlainFigures,
    progress: Progress,
    report: &mut Report,
) -> Outcome<f64> {
    let server = Server::start().await?;
    let shared = server.url.replace("control", SHARED);
    let mut clients = Clients::connect(effort.sessions, &shared).await?;
    let url = server.control.offer("things", None).await?;
    let before = server.control.standing().await?;
    let counting = progress.counting("activated", effort.objects);
    let (began, count) = (Instant::now(), effort.objects as u64);
    clients
        .activate(effort.objects, &url, 0, Some(&counting))
        .await?;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let after = server.control.standing().await?;
    if after.objects != effort.objects {
        return Err(format!("the server keeps {} objects", after.objects).into());
    }
    let each = after.resident.saturating_sub(before.resident) / count;
    let most = BYTES_OF_AN_OBJECT;
    report.section("activation");
    report.add(Row::new("objects of no size", per_second(rate)));
    report.add(
        Row::new("memory of an object at the server", format!("{each} B"))
            .control(format!("{} B", plain.grown / count))
            .target(format!("<= {most} B"), each <= most),
    );
    report.add(Row::new("  the server before", mebibytes(before.resident)));
    report.add(Row::new("  the server after", mebibytes(after.resident)));
    report.section("renewals");
    renewals(
        effort,
        plain,
        (&server, &shared, &clients),
        progress,
        report,
    )
    .await?;
    Ok(rate)
}

async fn renewals(
    effort: &Effort,
    plain: &PlainFigures,
    (server, shared, clients): (&Server, &str, &Clients),
    progress: Progress,
    report: &mut Report,
) -> Outcome<()> {
    let of_map = plain.renewing.div_f64(effort.objects as f64);
    let mut least = None;
    for (name, deed) in [
        ("calls without a lease", Deed::TouchShared(shared)),
        ("calls that renew", Deed::Touch),
        ("renewals", Deed::Renew),
    ] {
        progress.say(name);
        let (before, began) = (server.control.standing().await?, Instant::now());
        let count = clients.repeat(deed, effort.renewing).await? as f64;
        let rate = count / began.elapsed().as_secs_f64();
        let processor = server.control.standing().await?.processor - before.processor;
        let each = processor.div_f64(count);
        let row = Row::new(name, per_second(rate));
        report.add(match least {
            None => row,
            Some(_) => row.target(format!(">= {}", per_second(RENEWALS)), rate >= RENEWALS),
        });
        report.add(Row::new(
            "  the server's processor time of each",
            nanoseconds(each),
        ));
        if let Some(least) = least {
            let more = nanoseconds(each.saturating_sub(least));
            let row = Row::new("  more than without a lease, by", more);
            report.add(row.control(nanoseconds(of_map)));
        }
        least = least.or(Some(each));
    }
    Ok(())
}

fn per_second(rate: f64) -> String {
    format!("{}/s", grouped(rate as usize))
}

fn nanoseconds(time: Duration) -> String {
    format!("{} ns", grouped(time.as_nanos() as usize))
}
