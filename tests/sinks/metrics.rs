//! What is counted of calls, and what is not.

use std::time::Duration;

use remoting::prelude::*;
use remoting::sink::{MethodMetrics, Metrics, Side};

use crate::ground::*;

fn of<'a>(all: &'a [MethodMetrics], side: Side, method: &str) -> &'a MethodMetrics {
    let mut found = all
        .iter()
        .filter(|own| own.side == side && own.method == method);
    let first = found.next();
    first.unwrap_or_else(|| panic!("no {side:?} {method} in {all:?}"))
}

#[tokio::test]
async fn calls_are_counted_by_side_method_and_outcome_over_each_way() {
    for way in WAYS {
        let metrics = Metrics::new();
        let server = server(Host::builder().server_sink(metrics.clone())).await;
        let client = client(Host::builder().client_sink(metrics.clone()));
        let desk = way.desk(&client, &server);
        for _ in 0..3 {
            desk.count().await.unwrap();
        }
        desk.fail().await.unwrap_err();
        desk.panic().await.unwrap_err();
        let short = Duration::from_millis(20);
        desk.wait().deadline(short).await.unwrap_err();
        let all = metrics.snapshot();
        for side in [Side::Client, Side::Server] {
            let count = of(&all, side, "count");
            assert_eq!(count.interface, "sinks.Desk");
            assert_eq!(count.outcomes.iter().collect::<Vec<_>>(), [(&"ok", &3)]);
            assert_eq!(count.in_flight, 0);
            let took = count.took.iter().map(|(_, within)| within).sum::<u64>();
            assert_eq!(took, 3);
            assert_eq!(of(&all, side, "fail").outcomes["user_error"], 1);
            assert_eq!(of(&all, side, "panic").outcomes["internal"], 1);
        }
        let waited = of(&all, Side::Client, "wait");
        assert_eq!(waited.outcomes["deadline_exceeded"], 1, "{way:?}");
        let text = metrics.render();
        let line = "remoting_calls_total{side=\"client\",interface=\"sinks.Desk\",method=\"count\",outcome=\"ok\"} 3";
        assert!(text.lines().any(|known| known == line), "{text}");
    }
}

#[tokio::test]
async fn calls_under_way_are_counted_until_they_are_given_up() {
    for way in WAYS {
        let metrics = Metrics::new();
        let came = Watching::default();
        let builder = Host::builder().server_sink(metrics.clone());
        let server = server(builder.server_sink(came.clone())).await;
        let client = client(Host::builder().client_sink(metrics.clone()));
        let desk = way.desk(&client, &server);
        let waiting = tokio::spawn(desk.wait());
        came.0.notified().await;
        let all = metrics.snapshot();
        assert_eq!(of(&all, Side::Client, "wait").in_flight, 1, "{way:?}");
        assert_eq!(of(&all, Side::Server, "wait").in_flight, 1, "{way:?}");
        waiting.abort();
        came.1.notified().await;
        waiting.await.unwrap_err();
        let all = metrics.snapshot();
        for side in [Side::Client, Side::Server] {
            let wait = of(&all, side, "wait");
            assert_eq!(wait.in_flight, 0, "{way:?} {side:?}");
            assert_eq!(wait.outcomes["given_up"], 1, "{way:?} {side:?}");
        }
    }
}

#[tokio::test]
async fn names_that_a_peer_thinks_of_are_not_counted_apart() {
    let metrics = Metrics::new();
    let third = server(Host::builder()).await;
    let builder = Host::builder().server_sink(metrics.clone());
    let between = listening(builder.client_sink(metrics.clone())).await;
    let beyond = Way::Tcp.desk(&between, &third);
    let lender = crate::inside::lender(beyond);
    between.publish("lender", lender).unwrap();
    let client = client(Host::builder());
    let url = Way::Tcp.url(&between, "lender");
    let desk = crate::inside::lend(&client, &url).await;
    desk.count().await.unwrap();
    desk.header("x").await.unwrap();
    let all = metrics.snapshot();
    for side in [Side::Client, Side::Server] {
        let other = of(&all, side, "(other)");
        assert_eq!(other.interface, "(other)");
        assert_eq!(other.outcomes["ok"], 2);
    }
}
