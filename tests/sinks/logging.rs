//! What the log says of calls.

use std::time::Duration;

use remoting::prelude::*;
use remoting::sink::Logging;
use tracing::Level;

use crate::ground::*;
use crate::log::Log;

/// The one line that has all of `parts`.
#[track_caller]
pub fn line(log: &Log, parts: &[&str]) -> String {
    let mut found = log.lines(parts);
    let line = found.pop().filter(|_| found.is_empty());
    line.unwrap_or_else(|| panic!("not one line with {parts:?}:\n{}", log.text()))
}

#[tokio::test]
async fn each_call_is_one_line_at_each_end() {
    for way in WAYS {
        let log = Log::default();
        let _guard = log.begin(Level::INFO);
        let server = server(Host::builder().server_sink(Logging::new())).await;
        let client = client(Host::builder().client_sink(Logging::new()));
        let desk = way.desk(&client, &server);
        desk.header("a word of the argument's").await.unwrap();
        let outside = line(&log, &["side=\"client\""]);
        let url = format!("object=\"{}\"", way.url(&server, "desk"));
        for part in [
            " INFO remoting::call: call ",
            "interface=\"sinks.Desk\"",
            "method=\"header\"",
            "outcome=\"ok\"",
            "executed=\"yes\"",
            "received=1",
            "took_ms=",
            &*url,
        ] {
            assert!(outside.contains(part), "{way:?} {part}: {outside}");
        }
        assert!(!outside.contains("peer="), "{outside}");
        let inside = line(&log, &["side=\"server\""]);
        for part in [
            "peer=127.0.0.1:",
            "method=\"header\"",
            "outcome=\"ok\"",
            "object=\"desk\"",
        ] {
            assert!(inside.contains(part), "{way:?} {part}: {inside}");
        }
        assert!(!log.text().contains("a word of"), "{}", log.text());
    }
}

#[tokio::test]
async fn the_level_says_how_bad_it_is() {
    for way in WAYS {
        let log = Log::default();
        let _guard = log.begin(Level::INFO);
        let server = server(Host::builder().server_sink(Logging::new())).await;
        let client = client(Host::builder().client_sink(Logging::new()));
        let desk = way.desk(&client, &server);
        desk.fail().await.unwrap_err();
        let parts = ["method=\"fail\"", " INFO ", "outcome=\"user_error\""];
        assert_eq!(log.lines(&parts).len(), 2, "{way:?} {}", log.text());
        desk.panic().await.unwrap_err();
        let parts = [
            "method=\"panic\"",
            "ERROR ",
            "outcome=\"internal\"",
            "correlation=",
        ];
        assert_eq!(log.lines(&parts).len(), 2, "{way:?} {}", log.text());
        let late = desk.wait().deadline(Duration::from_millis(20));
        late.await.unwrap_err();
        let parts = ["method=\"wait\"", " WARN ", "outcome=\"deadline_exceeded\""];
        line(&log, &[&parts[..], &["side=\"client\""]].concat());
        let nobody: DeskProxy = client.get(&way.url(&server, "nobody")).unwrap();
        nobody.count().await.unwrap_err();
        line(
            &log,
            &[" WARN ", "outcome=\"not_found\"", "executed=\"no\""],
        );
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_is_told_too() {
    for way in WAYS {
        let log = Log::default();
        let _guard = log.begin(Level::INFO);
        let came = Watching::default();
        let builder = Host::builder().server_sink(Logging::new());
        let server = server(builder.server_sink(came.clone())).await;
        let client = client(Host::builder().client_sink(Logging::new()));
        let waiting = tokio::spawn(way.desk(&client, &server).wait());
        came.0.notified().await;
        waiting.abort();
        came.1.notified().await;
        let given_up = [
            "method=\"wait\"",
            " INFO ",
            "outcome=\"given_up\"",
            "executed=\"unknown\"",
        ];
        assert_eq!(log.lines(&given_up).len(), 2, "{way:?} {}", log.text());
    }
}

#[tokio::test]
async fn the_ticket_of_an_object_is_not_told() {
    let log = Log::default();
    let _guard = log.begin(Level::INFO);
    let server = server(Host::builder()).await;
    let client = client(Host::builder().client_sink(Logging::new()));
    server
        .publish("lender", crate::inside::own_lender())
        .unwrap();
    let desk = crate::inside::lend(&client, &Way::Http.url(&server, "lender")).await;
    let url = Proxy::url(&desk).unwrap();
    let ticket = url.rsplit('/').next().unwrap();
    assert!(ticket.starts_with("rt1.") && ticket.len() > 20, "{url}");
    desk.count().await.unwrap();
    let line = line(&log, &["method=\"count\""]);
    assert!(line.contains("/~/rt1.…\""), "{line}");
    assert!(!log.text().contains(ticket), "{}", log.text());
}
