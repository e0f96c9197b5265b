use std::sync::atomic::Ordering;
use std::time::Duration;

use std::sync::Arc;

use hyper::Request;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use remoting_core::{LeasePolicy, Peer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::watch;
use tokio::time::Instant;

use super::feed::{FeedDispatcher, Lines, Reel, Server};
use crate::connection;
use crate::gate::Gate;
use crate::once::Kept;
use crate::planted::acceptor;
use crate::serve::Service;

const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

#[tokio::test(start_paused = true)]
async fn a_stream_is_asked_for_an_item_only_when_the_last_one_was_taken() {
    let server = Server::start().await;
    let mut answer = server.get("/feed/play", LINES).await;
    assert_eq!(
        (answer.status(), answer.header("content-type")),
        (200, LINES)
    );
    assert_eq!(answer.header("remoting-executed"), "yes");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(server.reel.made(), 0);
    for number in 1..=100 {
        let expected = format!("{{\"id\":{number},\"item\":{number}}}\n");
        assert_eq!(answer.part().await, Some(expected));
        // One may be in the producer's hand.
        assert!((number..=number + 1).contains(&server.reel.made()));
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(server.reel.made() <= 101);
    assert!(!server.reel.is_idle());
    drop(answer);
    assert!(server.reel.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_with_the_result_and_not_its_stream() {
    let server = Server::start().await;
    let request = Request::get("/feed/slow?seconds=1000")
        .header(HOST, "localhost")
        .header(ACCEPT, LINES)
        .header("remoting-timeout-ms", "50");
    let request = request.body(Lines::of("")).unwrap();
    let mut answer = server.send(request).await;
    let mut items = 0;
    while items < 3 {
        let part = answer.part().await.unwrap();
        items += u32::from(part != "\n");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_tells_that_it_is_there() {
    let server = Server::start().await;
    for (form, heartbeat) in [(LINES, "\n"), (EVENTS, ":\n\n")] {
        let mut answer = server.get("/feed/slow?seconds=40", form).await;
        if form == EVENTS {
            answer.part().await.unwrap();
        }
        let begin = Instant::now();
        for seconds in [15, 30] {
            assert_eq!(answer.part().await.as_deref(), Some(heartbeat));
            assert_eq!(begin.elapsed().as_secs(), seconds);
        }
        assert!(answer.part().await.unwrap().contains('1'));
        assert_eq!(begin.elapsed().as_secs(), 40);
        assert_eq!(answer.part().await.as_deref(), Some(heartbeat));
        assert_eq!(begin.elapsed().as_secs(), 55);
    }
}

#[tokio::test]
async fn who_does_not_say_how_it_takes_a_stream_is_told_and_nothing_runs() {
    let server = Server::start().await;
    for accept in ["*/*", "application/json"] {
        let answer = server.get("/feed/play", accept).await;
        assert_eq!(answer.status(), 406);
        assert_eq!(answer.header("remoting-executed"), "no");
        let text = answer.rest().await;
        assert!(text.contains("`Accept: application/x-ndjson`"), "{text}");
    }
    for (status, content_type, key) in [
        (415, "application/msgpack", None),
        (400, "application/json", Some("one")),
    ] {
        let request = Request::post("/feed/play")
            .header(HOST, "localhost")
            .header(ACCEPT, LINES)
            .header(CONTENT_TYPE, content_type);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        let answer = server.send(request.body(Lines::of("")).unwrap()).await;
        assert_eq!(answer.status(), status);
    }
    assert_eq!(server.reel.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stream_that_no_descriptor_knows_of_is_one_all_the_same() {
    let server = Server::start().await;
    let answer = server.get("/feed/hidden", LINES).await;
    let expected = "{\"id\":1,\"item\":1}\n{\"id\":2,\"item\":2}\n{\"end\":true}\n";
    assert_eq!(answer.rest().await, expected);
    let answer = server.get("/feed/hidden", "*/*").await;
    assert_eq!(answer.status(), 501);
    assert_eq!(answer.header("remoting-executed"), "yes");
}

#[tokio::test]
async fn a_stream_that_is_a_part_of_the_result_is_refused_and_dropped() {
    let server = Server::start().await;
    let answer = server.get("/feed/labelled", LINES).await;
    assert_eq!(answer.status(), 501);
    assert_eq!(answer.header("remoting-executed"), "yes");
    let text = answer.rest().await;
    assert!(text.contains("the whole result"), "{text}");
    assert!(server.reel.is_idle());
}

#[tokio::test]
async fn an_item_longer_than_a_frame_ends_the_stream_and_is_counted() {
    let server = Server::with(|limits| limits.max_frame = 20_000).await;
    let mut answer = server.get("/feed/pieces?length=19998", LINES).await;
    assert!(answer.part().await.unwrap().len() > 19_998);
    let mut answer = server.get("/feed/pieces?length=19999", LINES).await;
    let text = answer.part().await.unwrap();
    assert!(
        text.starts_with("{\"error\":{\"code\":\"too_large\""),
        "{text}"
    );
    assert_eq!(answer.part().await, None);
    assert_eq!(server.host.counters().max_frame.get(), 1);
}

#[tokio::test]
async fn a_stream_ends_with_its_host() {
    let server = Server::start().await;
    let mut answer = server.get("/feed/play", LINES).await;
    answer.part().await.unwrap();
    let reel = server.reel.clone();
    drop(server);
    let text = answer.part().await.unwrap();
    assert!(
        text.starts_with("{\"error\":{\"code\":\"disconnected\""),
        "{text}"
    );
    assert_eq!(answer.part().await, None);
    assert!(reel.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_stream_keeps_the_object_that_has_returned_it() {
    let server = Server::start().await;
    let second = Duration::from_secs(1);
    let policy = LeasePolicy::classic().initial(second).renew_on_call(second);
    let publication = FeedDispatcher::<Reel>::activated().lease(policy);
    server.host.publish("feeds", publication).unwrap();
    let request = Request::post("/feeds:begin").header(HOST, "localhost");
    let made = server.send(request.body(Lines::of("")).unwrap()).await;
    let target = format!("{}/slow?seconds=1", made.header("location"));
    let mut answer = server.get(&target, LINES).await;
    for _ in 0..10 {
        assert!(answer.part().await.unwrap().starts_with("{\"id\""));
    }
    drop(answer);
    tokio::time::sleep(5 * second).await;
    assert_eq!(server.get(&target, LINES).await.status(), 410);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_given_up_and_its_producer_dropped() {
    let (host, acceptor) = acceptor().await;
    let reel = Reel::default();
    let shared = reel.clone();
    let publication = FeedDispatcher::singleton(move || shared.clone());
    host.publish("feed", publication).unwrap();
    let (mut client, stream) = duplex(1024);
    let admission = acceptor.admit(None).unwrap();
    let service = Arc::new(Service::new(acceptor, Gate::default(), "", Kept::new(10)));
    let (_stop, stopping) = watch::channel(());
    let peer = Arc::new(Peer::named("test"));
    tokio::spawn(connection::run(stream, peer, admission, service, stopping));
    let ask = b"GET /feed/play HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n";
    client.write_all(ask).await.unwrap();
    for _ in 0..20 {
        client.read_exact(&mut [0; 4096]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(9)).await;
    }
    let made = reel.made();
    assert!(!reel.is_idle());
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(reel.made(), made);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(reel.is_idle());
    assert_eq!(host.counters().write_stall.get(), 1);
}
