//! The tables of memory, of calls beside streams, and of sinks.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json as value};

use super::fairness::to_alone;
use super::{Report, growth};
use crate::fairness::{ALONE, beside_streams};
use crate::measure::{Figures, Metric};
use crate::peers::{self, OURS};
use crate::streams::{MEMORY, MOST_MEMORY, NEIGHBOUR_MS, NEIGHBOUR_RATIO, SINKS, sink_rows};
use crate::workloads::{PIECE, Row};

const MIB: f64 = 1024.0 * 1024.0;

/// What of a call that passes sinks is told.
const OF_SINKS: [Metric; 3] = [Metric::P50, Metric::Each, Metric::Cpu];

pub(super) fn markdown(report: &Report) -> String {
    let mut text = memory(report);
    text.push_str(&neighbours(report));
    text.push_str(&sinks(report));
    text
}

/// A failure unless the memory of streams was measured and is within its bound.
pub(super) fn hold(report: &Report) -> Result<()> {
    for (key, title, _) in MEMORY {
        let most = most_memory(report, key);
        let most = most.with_context(|| format!("the memory of {title} was not measured"))?;
        ensure!(
            most < MOST_MEMORY,
            "{title}: a process grew by {:.1} MiB, and may by less than {:.0}",
            most / MIB,
            MOST_MEMORY / MIB
        );
    }
    Ok(())
}

/// The most that one of the processes has grown by in any round.
fn most_memory(report: &Report, key: &str) -> Option<f64> {
    let figure = |figures: &Figures| figures.memory.max(figures.client_memory);
    report.runs.largest(key, OURS, figure)
}

fn memory(report: &Report) -> String {
    let mut text = format!(
        "\n## Memory\n\nWhat each process grows by at most while it streams 1 GiB, twice: `RssAnon` \
         every 20 ms, less what it was after some calls; {} rounds, the most of all. It has to be \
         less than {:.0} MiB.\n\n| stream | client | server | |\n|---|--:|--:|---|\n",
        report.effort.memory_rounds,
        MOST_MEMORY / MIB
    );
    for (key, title, _) in MEMORY {
        let grown = [
            |figures: &Figures| figures.client_memory,
            |figures: &Figures| figures.memory,
        ];
        let [client, server] = grown.map(|figure| {
            let most = report.runs.largest(key, OURS, figure);
            most.map_or("–".to_owned(), |bytes| format!("{:.2} MiB", bytes / MIB))
        });
        let verdict = most_memory(report, key).map(|most| most < MOST_MEMORY);
        let _ = writeln!(
            text,
            "| {title} | {client} | {server} | {} |",
            said(verdict)
        );
    }
    text
}

/// Where a neighbour is, and who it has beside it.
struct Place {
    key: String,
    title: String,
    /// What is aimed at is that the connection makes no difference; the rest is the control.
    is_aim: bool,
}

fn places() -> Vec<Place> {
    let each = beside_streams().iter().flat_map(|beside| {
        beside.places().iter().rev().map(|same| Place {
            key: beside.figures(*same),
            title: match (beside.callers, same) {
                (0, _) => beside.title.to_owned(),
                (_, true) => format!("{}, same connection", beside.title),
                (_, false) => format!("{}, another connection (control)", beside.title),
            },
            is_aim: *same && beside.callers > 0,
        })
    });
    each.collect()
}

fn neighbours(report: &Report) -> String {
    let mut text = format!(
        "\n## A call beside a stream\n\nOne caller of `add`, and a stream of pieces of {} KiB, on \
         the same connection and, as the control, on another one of the same two processes. \
         Medians over {} rounds, max of all rounds, in µs; × is the ratio to nobody of the same \
         round. Aimed at is a p99 of at most {NEIGHBOUR_RATIO} × that beside nobody + \
         {NEIGHBOUR_MS} ms.\n\n| beside | p50 | × | p99 | × | max | stream | p99 ≤ |\n\
         |---|{}---|\n",
        PIECE / 1024,
        report.effort.fairness_rounds,
        "--:|".repeat(6)
    );
    for place in places() {
        let _ = writeln!(text, "| {} |{}", place.title, cells(report, &place));
    }
    text
}

fn cells(report: &Report, place: &Place) -> String {
    let (runs, key) = (&report.runs, place.key.as_str());
    let mut text = String::new();
    let figures: [fn(&Figures) -> f64; 2] = [|figures| figures.p50, |figures| figures.p99];
    for figure in figures {
        let micros = runs.median(key, OURS, figure).map(|nanos| nanos / 1e3);
        let ratio = to_alone(report, OURS, key, figure);
        let _ = write!(text, " {} | {} |", shown(micros, 1), shown(ratio, 2));
    }
    let longest = runs.largest(key, OURS, |figures| figures.max);
    let pieces = runs.median(key, OURS, |figures| figures.company);
    let rate = pieces
        .filter(|rate| *rate > 0.0)
        .map(|rate| rate * PIECE as f64 / 1e6);
    let rate = rate.map_or("–".to_owned(), |rate| format!("{rate:.0} MB/s"));
    let _ = write!(
        text,
        " {} | {rate} |",
        shown(longest.map(|nanos| nanos / 1e3), 0)
    );
    let aim = aim(report).filter(|_| key != alone());
    let verdict = match (aim, place.is_aim) {
        (Some(aim), true) => format!("{:.0}, {}", aim / 1e3, said(reached(report, place))),
        (Some(aim), false) => format!("{:.0}: control {}", aim / 1e3, said(reached(report, place))),
        (None, _) => "–".to_owned(),
    };
    let _ = write!(text, " {verdict} |");
    text
}

fn alone() -> String {
    format!("{ALONE}-beside")
}

/// What the p99 beside a stream may be, in nanoseconds.
fn aim(report: &Report) -> Option<f64> {
    let alone = report.runs.median(&alone(), OURS, |figures| figures.p99)?;
    Some(NEIGHBOUR_RATIO * alone + NEIGHBOUR_MS * 1e6)
}

fn reached(report: &Report, place: &Place) -> Option<bool> {
    let p99 = report
        .runs
        .median(&place.key, OURS, |figures| figures.p99)?;
    Some(p99 <= aim(report)?)
}

fn said(reached: Option<bool>) -> &'static str {
    match reached {
        Some(true) => "reached",
        Some(false) => "**missed**",
        None => "–",
    }
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

/// The rows of sinks that were measured.
fn measured_sinks(report: &Report) -> impl Iterator<Item = &'static Row> {
    let rows = sink_rows().into_iter();
    rows.filter(|row| report.runs.rounds(row.key, OURS).is_some())
}

/// A figure's ratio to that without sinks, of the same round.
fn to_none(report: &Report, row: &Row, peer: &str, metric: Metric) -> Option<f64> {
    let figure = |figures: &Figures| metric.of(figures);
    report.runs.ratio((row.key, peer), (row.key, OURS), figure)
}

fn sinks(report: &Report) -> String {
    let mut text = String::from(
        "\n## Sinks\n\nWhat three sinks that only pass calls on cost. Beside the figures without \
         any stand ratios to them, of the same round; the first of these is without sinks as \
         well, and so is noise.\n\n| workload | figure |",
    );
    for peer in SINKS {
        let _ = write!(text, " {peer} |");
    }
    let _ = writeln!(text, "\n|---|---|{}", "--:|".repeat(SINKS.len()));
    for row in measured_sinks(report) {
        for metric in OF_SINKS {
            let without = report.median(row, OURS, |figures| metric.of(figures));
            let without = without.map(|nanos| nanos / 1e3);
            let _ = write!(
                text,
                "| {} | {} | {} µs |",
                row.title,
                metric.name(),
                shown(without, 2)
            );
            for peer in &SINKS[1..] {
                let ratio = to_none(report, row, peer, metric);
                let _ = write!(text, " {} |", shown(ratio, 2));
            }
            text.push('\n');
        }
    }
    text.push('\n');
    for peer in SINKS {
        let _ = writeln!(text, "- {peer}: {}", peers::about(peer).unwrap_or_default());
    }
    text
}

pub(super) fn json(report: &Report) -> Value {
    let memory = MEMORY.map(|(key, title, _)| {
        value!({
            "key": key,
            "title": title,
            "most_bytes": most_memory(report, key),
            "at_most": MOST_MEMORY,
            "rounds": growth::rounds(report, key, OURS),
        })
    });
    let beside = places().into_iter().map(|place| {
        value!({
            "key": place.key,
            "title": place.title,
            "median_ratio_of_p50": to_alone(report, OURS, &place.key, |figures| figures.p50),
            "median_ratio_of_p99": to_alone(report, OURS, &place.key, |figures| figures.p99),
            "reached": reached(report, &place),
            "rounds": growth::rounds(report, &place.key, OURS),
        })
    });
    let sinks = measured_sinks(report).map(|row| {
        let peers = SINKS.iter().map(|peer| {
            let ratios: Map<_, _> = OF_SINKS
                .iter()
                .map(|metric| {
                    let ratio = to_none(report, row, peer, *metric);
                    (metric.name().to_owned(), Value::from(ratio))
                })
                .collect();
            let rounds = growth::rounds(report, row.key, peer);
            let all = value!({ "median_ratios": ratios, "rounds": rounds });
            ((*peer).to_owned(), all)
        });
        value!({ "key": row.key, "title": row.title, "peers": peers.collect::<Map<_, _>>() })
    });
    value!({
        "memory": memory,
        "beside": beside.collect::<Vec<_>>(),
        "p99_at_most_nanoseconds": aim(report),
        "sinks": sinks.collect::<Vec<_>>(),
    })
}
