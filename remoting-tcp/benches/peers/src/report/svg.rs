//! The plot: for each target a line of marks, one a contestant, on a logarithmic scale.

use std::fmt::Write as _;

use super::Report;
use crate::measure::Metric;
use crate::peers::{FLOOR, OURS};
use crate::workloads::{Row, Target};

const LEFT: f64 = 320.0;
const WIDTH: f64 = 700.0;
const LINE: f64 = 30.0;
const TOP: f64 = 76.0;
/// From which ratio to which the scale goes; what is beyond stands at its end.
const SCALE: [f64; 2] = [0.5, 128.0];
/// Colours that most people can tell apart.
const COLOURS: [&str; 8] = [
    "#7f7f7f", "#17becf", "#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#ff7f0e",
];

pub(super) fn text(report: &Report) -> String {
    let lines: Vec<_> = report
        .rows
        .iter()
        .flat_map(|row| row.headlines.iter().map(move |headline| (*row, headline)))
        .collect();
    let bottom = TOP + LINE * lines.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 40.0,
        bottom + 50.0
    );
    label(
        &mut svg,
        10.0,
        24.0,
        "Ratio to the floor of the same round (less is better)",
    );
    legend(&mut svg, report);
    scale(&mut svg, bottom);
    for (number, (row, headline)) in lines.iter().enumerate() {
        let y = TOP + LINE * (number as f64 + 0.5);
        let title = format!("{}: {}", row.title, headline.metric.name());
        label(&mut svg, 10.0, y + 4.0, &title);
        if let Target::OfFloor(most) = headline.target {
            let x = place(most);
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {:.1}v20\" stroke=\"#d62728\" stroke-width=\"2\"/>",
                y - 10.0
            );
        }
        marks(&mut svg, report, row, headline.metric, y);
    }
    label(
        &mut svg,
        LEFT,
        bottom + 38.0,
        "A red line is what the library aims at.",
    );
    svg.push_str("</svg>\n");
    svg
}

/// The contestants but the floor, each with its colour.
fn coloured(report: &Report) -> impl Iterator<Item = (&'static str, &'static str)> {
    let others = report.peers.iter().copied().filter(|peer| *peer != FLOOR);
    others.zip(COLOURS.iter().copied().cycle())
}

fn marks(svg: &mut String, report: &Report, row: &Row, metric: Metric, y: f64) {
    for (peer, colour) in coloured(report) {
        let Some(ratio) = report.ratio(row, peer, metric) else {
            continue;
        };
        let (x, radius) = (place(ratio), if peer == OURS { 7 } else { 5 });
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\" \
             fill-opacity=\"0.8\"><title>{peer}: {ratio:.2}</title></circle>"
        );
    }
}

fn legend(svg: &mut String, report: &Report) {
    let mut x = 10.0;
    for (peer, colour) in coloured(report) {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"44\" r=\"5\" fill=\"{colour}\"/>",
            x + 5.0
        );
        label(svg, x + 16.0, 48.0, peer);
        x += 36.0 + 8.0 * peer.len() as f64;
    }
}

fn scale(svg: &mut String, bottom: f64) {
    let mut ratio = SCALE[0];
    while ratio <= SCALE[1] {
        let x = place(ratio);
        let colour = if ratio == 1.0 { "#444" } else { "#ddd" };
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP}V{bottom:.1}\" stroke=\"{colour}\"/>"
        );
        label(svg, x - 8.0, bottom + 16.0, &format!("{ratio}×"));
        ratio *= 2.0;
    }
}

fn place(ratio: f64) -> f64 {
    let [least, most] = SCALE;
    let part = (ratio.clamp(least, most) / least).ln() / (most / least).ln();
    LEFT + WIDTH * part
}

pub(super) fn label(svg: &mut String, x: f64, y: f64, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}
