//! Everything that was measured, for other programs.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{Report, fairness, growth, streams};
use crate::contest::settings;
use crate::measure::Figures;
use crate::workloads::{Row, Target};

pub(super) fn text(report: &Report) -> Result<String> {
    let rows: Vec<_> = report.rows.iter().map(|row| of_row(report, row)).collect();
    let about: Map<_, _> = settings(report.suite, &report.peers)
        .into_iter()
        .map(|(peer, about)| (peer.to_owned(), Value::from(about)))
        .collect();
    let all = json!({
        "quick": report.effort.quick,
        "rounds": report.effort.rounds,
        "measured_seconds": report.effort.measured.as_secs_f64(),
        "peers": report.peers,
        "settings": about,
        "units": "nanoseconds and counts for each call or stream; bytes of memory for each connection",
        "rows": rows,
        "growth": report.parts.growth.then(|| growth::json(report)),
        "fairness": report.parts.fairness.then(|| fairness::json(report)),
        "streams": report.parts.streams.then(|| streams::json(report)),
        "failures": report.runs.failures(),
    });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

fn of_row(report: &Report, row: &Row) -> Value {
    let peers: Map<_, _> = report
        .peers
        .iter()
        .map(|peer| ((*peer).to_owned(), of_peer(report, row, peer)))
        .collect();
    json!({
        "key": row.key,
        "title": row.title,
        "callers_per_connection": row.callers,
        "connections": row.connections,
        "one_cpu": row.one_cpu,
        "targets": targets(report, row),
        "peers": peers,
    })
}

fn targets(report: &Report, row: &Row) -> Vec<Value> {
    let each = row.headlines.iter().filter_map(|headline| {
        let (kind, most) = match headline.target {
            Target::OfFloor(most) => ("times the floor", most),
            Target::OfFloorRmp(most) => ("times the floor with MessagePack", most),
            Target::Bytes(most) => ("bytes", most),
            Target::Unset => return None,
        };
        Some(json!({
            "metric": headline.metric.name(),
            "at_most": most,
            "of": kind,
            "reached": report.reached(row, headline),
        }))
    });
    each.collect()
}

fn of_peer(report: &Report, row: &Row, peer: &str) -> Value {
    let rounds: Vec<&Figures> = report
        .runs
        .rounds(row.key, peer)
        .map(|rounds| rounds.values().collect())
        .unwrap_or_default();
    let ratios: Map<_, _> = row
        .headlines
        .iter()
        .map(|headline| {
            let ratio = report.ratio(row, peer, headline.metric);
            (headline.metric.name().to_owned(), Value::from(ratio))
        })
        .collect();
    json!({ "median_ratios": ratios, "rounds": rounds })
}
