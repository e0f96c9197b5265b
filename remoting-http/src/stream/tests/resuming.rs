use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use remoting_core::{Host, Limits, Principal, Principals};

use super::feed::{Answer, Lines, Server};

const EVENTS: &str = "text/event-stream";

/// Takes an event; gives its id and what it says.
async fn event(answer: &mut Answer) -> (String, String) {
    let text = answer.part().await.unwrap();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().to_owned()
    };
    (field("id: "), field("data: "))
}

/// Takes so many items; gives the id of the last.
async fn take(answer: &mut Answer, numbers: std::ops::RangeInclusive<u64>) -> String {
    let mut last = String::new();
    for number in numbers {
        let (id, item) = event(answer).await;
        assert_eq!(item, number.to_string());
        last = id;
    }
    last
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_where_its_caller_was_when_the_connection_broke() {
    let server = Server::start().await;
    let mut answer = server.get("/feed/play", EVENTS).await;
    let (begin, _) = event(&mut answer).await;
    assert!(begin.ends_with(".0") && begin.len() == 24, "{begin}");
    let third = take(&mut answer, 1..=3).await;
    take(&mut answer, 4..=10).await;
    drop(answer);
    tokio::time::sleep(Duration::from_secs(29)).await;
    // The last seven had not arrived.
    let mut again = server.resume("/feed/play", EVENTS, &third).await;
    assert_eq!(again.status(), 200);
    let last = take(&mut again, 4..=20).await;
    drop(again);
    let mut again = server.resume("/feed/play", EVENTS, &last).await;
    take(&mut again, 21..=30).await;
    assert_eq!(server.reel.calls.load(Ordering::SeqCst), 1);
    assert!(server.reel.made() <= 31);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_comes_back_for_is_dropped() {
    let server = Server::start().await;
    let mut answer = server.get("/feed/play", EVENTS).await;
    event(&mut answer).await;
    let last = take(&mut answer, 1..=3).await;
    drop(answer);
    assert!(!server.reel.is_idle());
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(server.reel.is_idle());
    let late = server.resume("/feed/play", EVENTS, &last).await;
    assert_eq!(late.status(), 410);
    let text = late.rest().await;
    assert!(text.starts_with(r#"{"code":"stream_gone""#), "{text}");
    assert_eq!(server.reel.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_is_taken_off_a_connection_that_only_seems_to_live() {
    let server = Server::start().await;
    let mut dead = server.get("/feed/play", EVENTS).await;
    event(&mut dead).await;
    let last = take(&mut dead, 1..=3).await;
    let mut alive = server.resume("/feed/play", EVENTS, &last).await;
    take(&mut alive, 4..=6).await;
    assert_eq!(dead.part().await, None);
    drop(dead);
    take(&mut alive, 7..=9).await;
}

#[tokio::test]
async fn who_has_got_the_end_is_told_to_stop_and_who_has_not_gets_it() {
    let server = Server::start().await;
    let mut answer = server.get("/feed/count?most=2", EVENTS).await;
    event(&mut answer).await;
    let last = take(&mut answer, 1..=2).await;
    let (end, _) = event(&mut answer).await;
    assert_eq!(answer.part().await, None);
    drop(answer);
    let again = server.resume("/feed/count?most=2", EVENTS, &last).await;
    let expected = format!("event: end\nid: {end}\ndata: {{}}\n\n");
    assert_eq!(again.rest().await, expected);
    let over = server.resume("/feed/count?most=2", EVENTS, &end).await;
    assert_eq!(over.status(), 204);
    let over = server.resume("/feed/count?most=2", EVENTS, &end).await;
    assert_eq!(over.status(), 410);
    assert_eq!(server.reel.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_belongs_to_its_request() {
    let server = Server::start().await;
    let mut answer = server.get("/feed/slow?seconds=0", EVENTS).await;
    event(&mut answer).await;
    let last = take(&mut answer, 1..=1).await;
    for (target, id) in [
        ("/feed/slow?seconds=1", last.as_str()),
        ("/feed/play", &last),
        ("/feed/slow?seconds=0", "guessed.1"),
        ("/feed/slow?seconds=0", "1"),
        ("/feed/slow?seconds=0", &format!("{last}x")),
    ] {
        let other = server.resume(target, EVENTS, id).await;
        assert_eq!(other.status(), 410, "{target} {id}");
    }
    let mut again = server.resume("/feed/slow?seconds=0", EVENTS, &last).await;
    take(&mut again, 2..=3).await;
}

const ANN: &str = "a token that ann has";
const BOB: &str = "a token that bob has";

/// A host that knows ann and bob, and lets few streams linger.
async fn with_friends(most: usize) -> Server {
    let known = Principals::new()
        .token(ANN, Principal::new("ann"))
        .token(BOB, Principal::new("bob"));
    let mut limits = Limits::default();
    limits.lingering_streams = most;
    let builder = Host::builder().limits(limits);
    Server::of(builder.authenticator(known.or_strangers())).await
}

/// Asks for the stream as somebody, from the event after `last` on.
async fn ask(server: &Server, token: Option<&str>, last: &str) -> Answer {
    let mut request = Request::get("/feed/play")
        .header(HOST, "localhost")
        .header(ACCEPT, EVENTS);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    if !last.is_empty() {
        request = request.header("last-event-id", last);
    }
    server.send(request.body(Lines::of("")).unwrap()).await
}

#[tokio::test]
async fn a_stream_belongs_to_its_caller() {
    let server = with_friends(1024).await;
    let mut answer = ask(&server, Some(ANN), "").await;
    event(&mut answer).await;
    let last = take(&mut answer, 1..=3).await;
    for other in [Some(BOB), None] {
        let refused = ask(&server, other, &last).await;
        assert_eq!(refused.status(), 410, "{other:?}");
    }
    let mut again = ask(&server, Some(ANN), &last).await;
    take(&mut again, 4..=6).await;
}

#[tokio::test]
async fn strangers_push_out_no_stream_of_somebody_who_is_known() {
    let server = with_friends(1).await;
    let mut answer = ask(&server, Some(ANN), "").await;
    event(&mut answer).await;
    let last = take(&mut answer, 1..=3).await;
    drop(answer);
    for _ in 0..5 {
        let mut stranger = ask(&server, None, "").await;
        event(&mut stranger).await;
    }
    let mut again = ask(&server, Some(ANN), &last).await;
    assert_eq!(again.status(), 200);
    take(&mut again, 4..=6).await;
}

#[tokio::test]
async fn only_what_may_be_on_its_way_is_sent_again() {
    let server = Server::with(|limits| limits.stream_items = 3).await;
    let mut answer = server.get("/feed/play", EVENTS).await;
    let (begin, _) = event(&mut answer).await;
    take(&mut answer, 1..=2).await;
    let third = take(&mut answer, 3..=3).await;
    take(&mut answer, 4..=6).await;
    drop(answer);
    let mut again = server.resume("/feed/play", EVENTS, &third).await;
    take(&mut again, 4..=6).await;
    drop(again);
    let lost = server.resume("/feed/play", EVENTS, &begin).await;
    assert_eq!(lost.status(), 410);
    assert!(server.reel.is_idle());
}

#[tokio::test]
async fn more_streams_than_may_linger_make_the_oldest_go() {
    let server = Server::with(|limits| limits.lingering_streams = 2).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut answer = server.get("/feed/play", EVENTS).await;
        event(&mut answer).await;
        ids.push(take(&mut answer, 1..=1).await);
    }
    assert_eq!(server.host.counters().lingering_streams.get(), 1);
    for (id, status) in ids.iter().zip([410, 200, 200]) {
        let again = server.resume("/feed/play", EVENTS, id).await;
        assert_eq!(again.status(), status);
    }
}
