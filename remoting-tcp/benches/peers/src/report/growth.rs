//! The tables of growth.

use std::fmt::Write as _;

use serde_json::{Map, Value, json as value};

use super::Report;
use crate::growth::{Series, all};
use crate::measure::Figures;
use crate::peers::{self, FLOOR, OURS, RAISED};

/// The file of the plot.
pub(super) const PLOT: &str = "growth.svg";

/// Who is measured, and the names under which that stands in the report.
pub(super) const SIDES: [(&str, &str); 2] = [(FLOOR, FLOOR), (RAISED, OURS)];

pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::from("\n## Growth\n\n");
    let _ = writeln!(
        text,
        "Medians over the rounds, in new processes for every point. × is the time per call as a \
         ratio to the floor's in the same round: less is better. Memory is the most that the \
         server's process grew by while all were there and calling.\n\n- {OURS}: {}\n",
        peers::about(RAISED).unwrap_or_default()
    );
    let _ = writeln!(text, "![curves]({PLOT})\n");
    for series in all() {
        text.push_str(&table(report, series));
    }
    text
}

fn table(report: &Report, series: &Series) -> String {
    let made = if series.is_made() {
        " set-up µs each floor | set-up µs each | memory each |"
    } else {
        ""
    };
    let rate = series.rate();
    let mut text = format!(
        "### {}\n\n{}.\n\n| {} | {rate} floor | {rate} | × | CPU × | p50 µs floor | p50 µs | \
         p99 µs floor | p99 µs | max µs floor | max µs | memory floor | memory |{made}\n",
        series.title, series.about, series.of
    );
    let columns = if series.is_made() { 16 } else { 13 };
    let _ = writeln!(text, "|{}", "--:|".repeat(columns));
    for size in series.sizes() {
        text.push_str(&line(report, series, size));
    }
    if let Some(shortage) = series.shortage() {
        let _ = writeln!(text, "\n{shortage}.");
    }
    text.push('\n');
    text
}

fn line(report: &Report, series: &Series, size: usize) -> String {
    let key = series.figures(size);
    let both = |figure: fn(&Figures) -> f64, show: &dyn Fn(f64) -> String| {
        let cells = SIDES.map(|(peer, _)| shown(report.runs.median(&key, peer, figure), show));
        cells.join(" | ")
    };
    let ratio = |figure: fn(&Figures) -> f64| {
        let ratio = report.runs.to_floor(&key, RAISED, figure);
        shown(ratio, &|value| format!("{value:.2}"))
    };
    let rate = |each: f64| match series.bytes(size) {
        // A byte a nanosecond is a gigabyte a second.
        Some(bytes) => format!("{:.1}", bytes as f64 / each * 1e3),
        None => format!("{:.0}", 1e9 / each),
    };
    let mut text = format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        name_of(series, size),
        both(|figures| figures.each, &rate),
        ratio(|figures| figures.each),
        ratio(|figures| figures.client_cpu + figures.server_cpu),
        both(|figures| figures.p50, &micros),
        both(|figures| figures.p99, &micros),
        both(|figures| figures.max, &micros),
        both(|figures| figures.memory, &bytes),
    );
    if series.is_made() {
        let each = report.runs.median(&key, RAISED, |figures| figures.memory);
        let each = shown(each, &|memory| bytes(memory / size as f64));
        let set_up = both(|figures| figures.set_up, &micros);
        let _ = write!(text, " {set_up} | {each} |");
    }
    text.push('\n');
    text
}

fn shown(value: Option<f64>, show: &dyn Fn(f64) -> String) -> String {
    value.map_or("–".to_owned(), show)
}

/// A point as people call it.
pub(super) fn name_of(series: &Series, size: usize) -> String {
    match series.bytes(size) {
        Some(_) => bytes(size as f64),
        None => size.to_string(),
    }
}

fn micros(nanos: f64) -> String {
    format!("{:.1}", nanos / 1e3)
}

fn bytes(count: f64) -> String {
    const KIB: f64 = 1024.0;
    let digits = |value: f64| usize::from(value.fract() != 0.0);
    if count < KIB {
        format!("{count:.0} B")
    } else if count < KIB * KIB {
        let value = count / KIB;
        format!("{value:.*} KiB", digits(value))
    } else {
        let value = count / KIB / KIB;
        format!("{value:.*} MiB", digits(value))
    }
}

pub(super) fn json(report: &Report) -> Value {
    let series = all().iter().map(|series| {
        let points = series.sizes().into_iter().map(|size| {
            let key = series.figures(size);
            let peers: Map<_, _> = SIDES
                .iter()
                .map(|(peer, name)| ((*name).to_owned(), rounds(report, &key, peer)))
                .collect();
            let ratio = report.runs.to_floor(&key, RAISED, |figures| figures.each);
            value!({ "size": size, "median_ratio_of_time": ratio, "peers": peers })
        });
        value!({
            "key": series.key,
            "title": series.title,
            "of": series.of,
            "about": series.about,
            "points": points.collect::<Vec<_>>(),
        })
    });
    value!({
        "rounds": report.effort.growth_rounds,
        "settings": peers::about(RAISED).unwrap_or_default(),
        "memory": "the most that the server's process grew by, in bytes",
        "series": series.collect::<Vec<_>>(),
    })
}

/// The figures of all rounds.
pub(super) fn rounds(report: &Report, key: &str, peer: &str) -> Value {
    let rounds = report.runs.rounds(key, peer);
    let rounds = rounds.map(|rounds| rounds.values().collect::<Vec<_>>());
    value!(rounds.unwrap_or_default())
}
