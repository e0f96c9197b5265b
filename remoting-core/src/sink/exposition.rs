//! Counts of calls in the text format of Prometheus.

use std::fmt::Write as _;

use super::metrics::MethodMetrics;

/// Writes counts down.
pub(super) fn render(all: &[MethodMetrics]) -> String {
    let mut out = String::new();
    family(
        &mut out,
        "remoting_calls_total",
        "counter",
        "Calls that have ended.",
    );
    for method in all {
        for (outcome, count) in &method.outcomes {
            let labels = labels(method, &[("outcome", outcome)]);
            line(&mut out, "remoting_calls_total", &labels, count);
        }
    }
    family(
        &mut out,
        "remoting_calls_in_flight",
        "gauge",
        "Calls that are under way.",
    );
    for method in all {
        line(
            &mut out,
            "remoting_calls_in_flight",
            &labels(method, &[]),
            &method.in_flight,
        );
    }
    let histogram = "remoting_call_duration_seconds";
    family(&mut out, histogram, "histogram", "How long calls took.");
    for method in all {
        durations(&mut out, histogram, method);
    }
    out
}

fn durations(out: &mut String, name: &str, method: &MethodMetrics) {
    let mut count = 0;
    for (end, within) in &method.took {
        count += within;
        let end = end.map_or("+Inf".to_owned(), |end| end.as_secs_f64().to_string());
        let labels = labels(method, &[("le", &end)]);
        line(out, &format!("{name}_bucket"), &labels, &count);
    }
    let labels = labels(method, &[]);
    let total = method.total.as_secs_f64();
    line(out, &format!("{name}_sum"), &labels, &total);
    line(out, &format!("{name}_count"), &labels, &count);
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn line(out: &mut String, name: &str, labels: &str, value: &dyn std::fmt::Display) {
    out.push_str(&format!("{name}{{{labels}}} {value}\n"));
}

fn labels(method: &MethodMetrics, more: &[(&str, &str)]) -> String {
    let own = [
        ("side", method.side.word()),
        ("interface", method.interface),
        ("method", method.method),
    ];
    let mut text = String::new();
    for (name, value) in own.iter().chain(more) {
        let comma = if text.is_empty() { "" } else { "," };
        let written = write!(text, "{comma}{name}=\"{}\"", escaped(value));
        debug_assert!(written.is_ok(), "there is always room in a string");
    }
    text
}

/// A label's value as it stands between quotes.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::Side;
    use super::*;

    #[test]
    fn counts_are_written_as_prometheus_reads_them() {
        let method = MethodMetrics {
            side: Side::Server,
            interface: "a\"b\\c",
            method: "next",
            in_flight: 1,
            outcomes: BTreeMap::from([("ok", 3), ("overloaded", 1)]),
            took: vec![(Some(Duration::from_micros(500)), 3), (None, 1)],
            total: Duration::from_millis(1500),
        };
        let labels = r#"side="server",interface="a\"b\\c",method="next""#;
        let expected = format!(
            "# HELP remoting_calls_total Calls that have ended.
# TYPE remoting_calls_total counter
remoting_calls_total{{{labels},outcome=\"ok\"}} 3
remoting_calls_total{{{labels},outcome=\"overloaded\"}} 1
# HELP remoting_calls_in_flight Calls that are under way.
# TYPE remoting_calls_in_flight gauge
remoting_calls_in_flight{{{labels}}} 1
# HELP remoting_call_duration_seconds How long calls took.
# TYPE remoting_call_duration_seconds histogram
remoting_call_duration_seconds_bucket{{{labels},le=\"0.0005\"}} 3
remoting_call_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 4
remoting_call_duration_seconds_sum{{{labels}}} 1.5
remoting_call_duration_seconds_count{{{labels}}} 4
"
        );
        assert_eq!(render(&[method]), expected);
    }
}
