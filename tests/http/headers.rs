//! Headers of the caller's own, and of its tracer, which handlers find.

use crate::calc::Server;
use crate::raw::{ask, post};

#[tokio::test]
async fn a_handler_sees_the_callers_headers_and_the_trace() {
    let server = Server::start().await;
    for (line, name, value) in [
        ("Remoting-Headers: tenant=a%20b&x=1", "tenant", r#""a b""#),
        (
            "traceparent: 00-aa-bb-01",
            "traceparent",
            r#""00-aa-bb-01""#,
        ),
    ] {
        let request = post("/calc/header", &[line], &format!(r#"["{name}"]"#));
        let answer = ask(&server.authority, &request).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, value));
    }
    let answer = ask(&server.authority, &post("/calc/header", &[], r#"["none"]"#)).await;
    assert_eq!(answer.unwrap().status, 204);
}

#[tokio::test]
async fn a_handler_sees_the_state_of_a_trace_and_no_nonsense() {
    let server = Server::start().await;
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let long = format!("tracestate: a={}", "x".repeat(10_000));
    for (lines, seen) in [
        (
            &[trace, "tracestate: rojo=1", "tracestate: congo=2"][..],
            Some(r#""rojo=1,congo=2""#),
        ),
        (&[trace, "tracestate: rojo"], None),
        (&[trace, "tracestate: a=b\tc=\u{80}"], None),
        (&[trace, &long], None),
        (&["traceparent: 00-aa-bb-01", "tracestate: rojo=1"], None),
        (&["tracestate: rojo=1"], None),
    ] {
        let request = post("/calc/header", lines, r#"["tracestate"]"#);
        let answer = ask(&server.authority, &request).await.unwrap();
        match seen {
            Some(seen) => assert_eq!((answer.status, &*answer.body), (200, seen)),
            None => assert_eq!(answer.status, 204, "{lines:?}"),
        }
    }
}
