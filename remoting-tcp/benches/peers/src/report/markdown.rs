//! The tables for people.

use std::fmt::Write as _;
use std::thread::available_parallelism;

use super::{Report, fairness, growth, streams};
use crate::contest::settings;
use crate::measure::{Figures, Metric};
use crate::peers::{FLOOR, Suite};
use crate::workloads::{Headline, Operation, Row, Target};

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let subject = subject(report);
    let mut text = format!("# What a {subject} costs\n\n");
    let effort = report.effort;
    let processors = available_parallelism().map_or(0, usize::from);
    let _ = writeln!(
        text,
        "{} rounds of {:.2} s a row and contestant, after {:.2} s to warm up; {processors} \
         processors; loopback TCP, client and server in two processes. Growth: {} rounds of as \
         long. Fairness: {} rounds of {:.2} s.\n",
        effort.rounds,
        effort.measured.as_secs_f64(),
        effort.warm_up.as_secs_f64(),
        effort.growth_rounds,
        effort.fairness_rounds,
        effort.fairness_measured.as_secs_f64(),
    );
    text.push_str(&tables(report));
    if report.rows.is_empty() {
        return text;
    }
    text.push_str("\n## All figures of the rows\n\n");
    let _ = writeln!(
        text,
        "Medians over the rounds. Processor time and switches are for each {subject}.\n"
    );
    for row in &report.rows {
        match row.operation {
            Operation::Rest => {}
            Operation::Counted => text.push_str(&instructions(report, row)),
            _ => text.push_str(&long(report, row)),
        }
    }
    text
}

/// What a row makes again and again.
fn subject(report: &Report) -> &'static str {
    match report.suite {
        Suite::Streams => "stream",
        Suite::Tcp | Suite::Http => "call",
    }
}

/// What everybody should see: one line for each target, growth and fairness, and what failed.
pub(super) fn tables(report: &Report) -> String {
    let mut text = String::new();
    if !report.rows.is_empty() {
        text.push_str(&short(report));
        text.push_str("\n![ratios to the floor](report.svg)\n");
    }
    if report.parts.growth {
        text.push_str(&growth::markdown(report));
    }
    if report.parts.fairness {
        text.push_str(&fairness::markdown(report));
    }
    if report.parts.streams {
        text.push_str(&streams::markdown(report));
    }
    for failure in report.runs.failures() {
        let _ = writeln!(text, "- FAILED: {failure}");
    }
    text
}

/// The table with one line for each target, and what is to be known to read it.
fn short(report: &Report) -> String {
    let mut text = String::from("| workload | figure | floor |");
    let others: Vec<_> = report.peers.iter().filter(|peer| **peer != FLOOR).collect();
    for peer in &others {
        let _ = write!(text, " {peer} |");
    }
    text.push_str(" target |\n|---|---|--:|");
    text.push_str(&"--:|".repeat(others.len()));
    text.push_str("---|\n");
    for row in &report.rows {
        for headline in row.headlines {
            let floor = report.median(row, FLOOR, |figures| headline.metric.of(figures));
            let floor = floor.map_or("–".to_owned(), |value| absolute(row, headline, value));
            let _ = write!(
                text,
                "| {} | {} | {floor} |",
                row.title,
                name(row, headline)
            );
            for peer in &others {
                let value = report.aimed_at(row, peer, headline);
                let _ = write!(
                    text,
                    " {} |",
                    value.map_or("–".to_owned(), |v| cell(headline, v))
                );
            }
            let _ = writeln!(text, " {} |", target(report, row, headline));
        }
    }
    text.push_str(
        "\nBeside the floor's own figures stand ratios to it: each is the median over the rounds \
         of the ratio to the floor of the same round, and less is better. Memory and \
         instructions stand as they are.\n\n",
    );
    for (peer, about) in settings(report.suite, &report.peers) {
        let _ = writeln!(text, "- {peer}: {about}");
    }
    text
}

/// What the column of figures says: calls per second are ratios of time as well.
fn name(row: &Row, headline: &Headline) -> &'static str {
    match headline.metric {
        Metric::Each if row.bytes() > 0 => "bytes/s",
        Metric::Each if row.numbers() > 0 => "items/s",
        Metric::Each => "calls/s",
        other => other.name(),
    }
}

fn absolute(row: &Row, headline: &Headline, value: f64) -> String {
    match headline.metric {
        // A byte a nanosecond is a gigabyte a second.
        Metric::Each if row.bytes() > 0 => format!("{:.2} GB/s", row.bytes() as f64 / value),
        Metric::Each if row.numbers() > 0 => {
            format!("{:.2} M/s", row.numbers() as f64 * 1e3 / value)
        }
        Metric::Each => format!("{:.0}/s", 1e9 / value),
        Metric::Memory => format!("{:.1} KiB", value / 1024.0),
        Metric::Instructions => format!("{value:.0}"),
        Metric::P50 | Metric::Cpu => format!("{:.2} µs", value / 1e3),
    }
}

fn cell(headline: &Headline, value: f64) -> String {
    match headline.target {
        Target::OfFloor(_) | Target::Unset => format!("{value:.2}"),
        Target::OfFloorRmp(_) => format!("{value:.0}"),
        Target::Bytes(_) => format!("{:.1} KiB", value / 1024.0),
    }
}

fn target(report: &Report, row: &Row, headline: &Headline) -> String {
    let most = match headline.target {
        Target::OfFloor(most) | Target::Bytes(most) => cell(headline, most),
        Target::OfFloorRmp(most) => format!("{most:.1} × floor-rmp"),
        Target::Unset => return "–".to_owned(),
    };
    let verdict = match report.reached(row, headline) {
        Some(true) => ", reached",
        Some(false) => ", **missed**",
        None => "",
    };
    format!("≤ {most}{verdict}")
}

/// All figures of one row.
fn long(report: &Report, row: &Row) -> String {
    let mut text = format!(
        "### {}\n\n| | {}s/s | p50 µs | p99 µs | CPU client µs | CPU server µs | \
         switches client | switches server |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
        row.title,
        subject(report)
    );
    for peer in &report.peers {
        let median = |figure: fn(&Figures) -> f64| report.median(row, peer, figure);
        let Some(each) = median(|figures| figures.each) else {
            continue;
        };
        let _ = write!(text, "| {peer} | {:.0} |", 1e9 / each);
        let times: [fn(&Figures) -> f64; 4] = [
            |figures| figures.p50,
            |figures| figures.p99,
            |figures| figures.client_cpu,
            |figures| figures.server_cpu,
        ];
        for time in times {
            let _ = write!(text, " {:.2} |", median(time).unwrap_or(0.0) / 1e3);
        }
        let switches = [median(|f| f.client_switches), median(|f| f.server_switches)];
        for count in switches {
            let _ = write!(text, " {:.3} |", count.unwrap_or(0.0));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// The instructions of each side.
fn instructions(report: &Report, row: &Row) -> String {
    let mut text = format!(
        "### {}\n\n| | client | server |\n|---|--:|--:|\n",
        row.title
    );
    for peer in &report.peers {
        let client = report.median(row, peer, |figures| figures.client_instructions);
        let server = report.median(row, peer, |figures| figures.server_instructions);
        if let (Some(client), Some(server)) = (client, server) {
            let _ = writeln!(text, "| {peer} | {client:.0} | {server:.0} |");
        }
    }
    text.push('\n');
    text
}
