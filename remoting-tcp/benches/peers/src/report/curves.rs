//! The plot of growth: for each series calls or bytes per second, p99, and memory.
//!
//! All scales are logarithmic. A curve that goes steadily has no cliff.

use std::fmt::Write as _;

use super::Report;
use super::growth::{SIDES, name_of};
use super::svg::label;
use crate::growth::{Series, all};
use crate::measure::Figures;
use crate::peers::RAISED;

/// The size of one small plot, and the room around it.
const WIDTH: f64 = 270.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 50.0;
const ACROSS: f64 = WIDTH + LEFT + 20.0;
const DOWN: f64 = HEIGHT + 90.0;

/// What a small plot shows of each point.
struct Curve {
    title: fn(&Series) -> &'static str,
    of: fn(&Series, usize, &Figures) -> f64,
}

const CURVES: [Curve; 3] = [
    Curve {
        title: |series| series.rate(),
        of: |series, size, figures| match series.bytes(size) {
            Some(bytes) => bytes as f64 / figures.each * 1e3,
            None => 1e9 / figures.each,
        },
    },
    Curve {
        title: |_| "p99 in µs",
        of: |_, _, figures| figures.p99 / 1e3,
    },
    Curve {
        title: |_| "server memory in KiB",
        of: |_, _, figures| figures.memory / 1024.0,
    },
];

/// Where a small plot lies, and what its scale goes through.
struct Frame {
    x: f64,
    y: f64,
    least: f64,
    most: f64,
    points: usize,
}

impl Frame {
    fn across(&self, point: usize) -> f64 {
        let steps = self.points.saturating_sub(1).max(1) as f64;
        self.x + WIDTH * point as f64 / steps
    }

    fn up(&self, value: f64) -> f64 {
        let part = (value.max(self.least) / self.least).log10() / (self.most / self.least).log10();
        self.y + HEIGHT * (1.0 - part)
    }
}

pub(super) fn text(report: &Report) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        ACROSS * CURVES.len() as f64 + 20.0,
        DOWN * all().len() as f64 + 40.0
    );
    let mut x = LEFT;
    for (peer, name) in SIDES {
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.0} 16h24\" stroke=\"{}\" stroke-width=\"2\"/>",
            colour(peer)
        );
        label(&mut svg, x + 30.0, 20.0, name);
        x += 120.0;
    }
    for (row, series) in all().iter().enumerate() {
        for (column, curve) in CURVES.iter().enumerate() {
            let corner = (
                LEFT + ACROSS * column as f64,
                TOP + 20.0 + DOWN * row as f64,
            );
            plot(&mut svg, report, series, curve, corner);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn colour(peer: &str) -> &'static str {
    if peer == RAISED { "#d62728" } else { "#7f7f7f" }
}

fn plot(svg: &mut String, report: &Report, series: &Series, curve: &Curve, corner: (f64, f64)) {
    let sizes = series.sizes();
    let lines = SIDES.map(|(peer, _)| (peer, values(report, series, curve, peer, &sizes)));
    let all = lines.iter().flat_map(|(_, values)| values.iter());
    let known: Vec<f64> = all
        .flatten()
        .copied()
        .filter(|value| *value > 0.0)
        .collect();
    let title = format!("{}: {}", series.title, (curve.title)(series));
    label(svg, corner.0, corner.1 - 10.0, &title);
    let Some(least) = known.iter().copied().min_by(f64::total_cmp) else {
        return;
    };
    let most = known.iter().copied().fold(least, f64::max);
    let frame = Frame {
        x: corner.0,
        y: corner.1,
        least: 10_f64.powf(least.log10().floor()),
        most: 10_f64.powf(most.log10().floor() + 1.0),
        points: sizes.len(),
    };
    scales(svg, series, &sizes, &frame);
    for (peer, values) in lines {
        curve_of(svg, &frame, &values, colour(peer));
    }
}

fn values(
    report: &Report,
    series: &Series,
    curve: &Curve,
    peer: &str,
    sizes: &[usize],
) -> Vec<Option<f64>> {
    let value = |size: &usize| {
        let figure = |figures: &Figures| (curve.of)(series, *size, figures);
        report.runs.median(&series.figures(*size), peer, figure)
    };
    sizes.iter().map(value).collect()
}

fn scales(svg: &mut String, series: &Series, sizes: &[usize], frame: &Frame) {
    let mut value = frame.least;
    while value <= frame.most * 1.01 {
        let y = frame.up(value);
        let _ = writeln!(
            svg,
            "<path d=\"M{:.1} {y:.1}h{WIDTH}\" stroke=\"#ddd\"/>",
            frame.x
        );
        label(svg, frame.x - 64.0, y + 4.0, &grouped(value));
        value *= 10.0;
    }
    for (point, size) in sizes.iter().enumerate() {
        let (x, y) = (frame.across(point) - 12.0, frame.y + HEIGHT + 16.0);
        let name = match series.bytes(*size) {
            Some(_) => name_of(series, *size).replace("iB", ""),
            None => grouped(*size as f64),
        };
        label(svg, x, y, &name.replace(' ', ""));
    }
}

fn grouped(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.0} M", value / 1e6),
        value if value >= 1e3 => format!("{:.0} k", value / 1e3),
        value => format!("{value}"),
    }
}

fn curve_of(svg: &mut String, frame: &Frame, values: &[Option<f64>], colour: &str) {
    let mut path = String::new();
    for (point, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let (x, y) = (frame.across(point), frame.up(*value));
        let _ = write!(
            path,
            "{}{x:.1} {y:.1}",
            if path.is_empty() { "M" } else { "L" }
        );
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\">\
             <title>{value:.1}</title></circle>"
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"{path}\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>"
    );
}
