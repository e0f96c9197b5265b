//! The plot of fairness: what the neighbour's calls take beside each company.

use std::fmt::Write as _;

use super::Report;
use super::svg::label;
use crate::fairness::neighbourhoods;
use crate::measure::Figures;
use crate::peers::OURS;

const LEFT: f64 = 400.0;
const WIDTH: f64 = 600.0;
const LINE: f64 = 36.0;
const TOP: f64 = 60.0;
/// From which microsecond to which the scale goes.
const SCALE: [f64; 2] = [10.0, 100_000.0];
/// The company on the same connection, and on another one.
const COLOURS: [(bool, &str, &str); 2] = [
    (true, "same connection", "#d62728"),
    (false, "another connection", "#1f77b4"),
];

pub(super) fn text(report: &Report) -> String {
    let bottom = TOP + LINE * neighbourhoods().len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 60.0,
        bottom + 50.0
    );
    let title =
        format!("{OURS}: a lone caller's p50 (dot), p99 (ring) and longest call (bar) in µs");
    label(&mut svg, 10.0, 20.0, &title);
    for (number, (_, name, colour)) in COLOURS.iter().enumerate() {
        let x = 14.0 + 170.0 * number as f64;
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"40\" r=\"5\" fill=\"{colour}\"/>"
        );
        label(&mut svg, x + 12.0, 44.0, name);
    }
    scale(&mut svg, bottom);
    for (number, neighbourhood) in neighbourhoods().iter().enumerate() {
        let y = TOP + LINE * (number as f64 + 0.5);
        label(&mut svg, 10.0, y + 4.0, neighbourhood.title);
        for (same, _, colour) in COLOURS {
            let y = if same { y - 6.0 } else { y + 6.0 };
            marks(&mut svg, report, &neighbourhood.figures(same), y, colour);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn marks(svg: &mut String, report: &Report, key: &str, y: f64, colour: &str) {
    let median = |figure: fn(&Figures) -> f64| report.runs.median(key, OURS, figure);
    let longest = report.runs.largest(key, OURS, |figures| figures.max);
    let (Some(p50), Some(p99), Some(max)) = (
        median(|figures| figures.p50),
        median(|figures| figures.p99),
        longest,
    ) else {
        return;
    };
    let [p50, p99, max] = [p50, p99, max].map(|nanos| place(nanos / 1e3));
    let _ = writeln!(
        svg,
        "<path d=\"M{p50:.1} {y:.1}H{max:.1}m0 -5v10\" stroke=\"{colour}\" fill=\"none\"/>\n\
         <circle cx=\"{p50:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>\n\
         <circle cx=\"{p99:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"white\" stroke=\"{colour}\"/>"
    );
}

fn scale(svg: &mut String, bottom: f64) {
    let mut micros = SCALE[0];
    while micros <= SCALE[1] {
        let x = place(micros);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP}V{bottom:.1}\" stroke=\"#ddd\"/>"
        );
        label(svg, x - 12.0, bottom + 16.0, &micros.to_string());
        micros *= 10.0;
    }
}

fn place(micros: f64) -> f64 {
    let [least, most] = SCALE;
    LEFT + WIDTH * (micros.clamp(least, most) / least).ln() / (most / least).ln()
}
