//! The tables of fairness.

use std::fmt::Write as _;

use serde_json::{Value, json as value};

use super::{Report, growth};
use crate::fairness::{ALONE, Neighbourhood, neighbourhoods};
use crate::measure::Figures;
use crate::peers::{self, FLOOR, OURS};

/// The file of the plot.
pub(super) const PLOT: &str = "fairness.svg";

pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::from("\n## Fairness\n\n");
    let _ = writeln!(
        text,
        "A neighbour calls `add`, one call after the other, beside company: on the same \
         connection, and, as a second control, with the company on a connection of its own. \
         p50 and p99 are medians over the rounds, max is the longest call of all rounds, all in \
         µs; × is the ratio to the neighbour alone, of the same round. Handlers that burn do so \
         by the clock, and share the server's two workers with everybody. The floor runs them \
         where it has read their frame, so all else on their connection waits.\n\n- {OURS}: {}\n",
        peers::about(OURS).unwrap_or_default()
    );
    let _ = writeln!(text, "![delays]({PLOT})\n");
    for peer in [OURS, FLOOR] {
        text.push_str(&table(report, peer));
    }
    text
}

fn table(report: &Report, peer: &str) -> String {
    let place = "p50 | × | p99 | × | max |";
    let mut text = format!(
        "### {peer}\n\n| beside | same connection: {place} company calls/s | \
         another connection: {place} company calls/s |\n|---|{}\n",
        "--:|".repeat(12)
    );
    for neighbourhood in neighbourhoods() {
        if peer == FLOOR && !neighbourhood.floor {
            continue;
        }
        let _ = writeln!(
            text,
            "| {} |{}{}",
            neighbourhood.title,
            cells(report, peer, neighbourhood, true),
            cells(report, peer, neighbourhood, false)
        );
    }
    text.push('\n');
    text
}

fn cells(report: &Report, peer: &str, neighbourhood: &Neighbourhood, same: bool) -> String {
    let runs = &report.runs;
    let key = neighbourhood.figures(same);
    let mut text = String::new();
    for figure in [
        |figures: &Figures| figures.p50,
        |figures: &Figures| figures.p99,
    ] {
        let ratio = to_alone(report, peer, &key, figure);
        let _ = write!(
            text,
            " {} | {} |",
            shown(runs.median(&key, peer, figure).map(|nanos| nanos / 1e3), 1),
            shown(ratio, 2)
        );
    }
    let _ = write!(
        text,
        " {} | {} |",
        shown(
            runs.largest(&key, peer, |figures| figures.max)
                .map(|nanos| nanos / 1e3),
            0
        ),
        shown(runs.median(&key, peer, |figures| figures.company), 0)
    );
    text
}

/// The ratio of a figure to the neighbour's that is alone.
pub(super) fn to_alone(
    report: &Report,
    peer: &str,
    key: &str,
    figure: fn(&Figures) -> f64,
) -> Option<f64> {
    let alone = format!("{ALONE}-beside");
    report.runs.ratio((key, peer), (&alone, peer), figure)
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

pub(super) fn json(report: &Report) -> Value {
    let rows = neighbourhoods().iter().flat_map(|neighbourhood| {
        neighbourhood.places().iter().map(|same| {
            let key = neighbourhood.figures(*same);
            value!({
                "key": neighbourhood.key,
                "title": neighbourhood.title,
                "callers": neighbourhood.callers,
                "same_connection": same,
                "median_ratio_of_p50": to_alone(report, OURS, &key, |figures| figures.p50),
                "median_ratio_of_p99": to_alone(report, OURS, &key, |figures| figures.p99),
                "peers": {
                    FLOOR: growth::rounds(report, &key, FLOOR),
                    OURS: growth::rounds(report, &key, OURS),
                },
            })
        })
    });
    value!({
        "rounds": report.effort.fairness_rounds,
        "measured_seconds": report.effort.fairness_measured.as_secs_f64(),
        "rows": rows.collect::<Vec<_>>(),
    })
}
