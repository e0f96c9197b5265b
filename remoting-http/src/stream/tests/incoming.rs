use std::time::Duration;

use tokio::time::Instant;

use super::feed::{Lines, Server};

const LINES: &str = "application/x-ndjson";
const ANY: &str = "*/*";

#[tokio::test]
async fn a_stream_comes_in_line_by_line_however_they_are_cut() {
    let server = Server::start().await;
    for text in ["1\n2\n3\n", "1\r\n\n  \n2\n3", "1\n 2 \n\n3\n\n"] {
        let answer = server.post("/feed/sum?from=10", ANY, Lines::of(text)).await;
        assert_eq!(answer.status(), 200, "{text:?}");
        assert_eq!(answer.rest().await, "16", "{text:?}");
        let (sender, lines) = Lines::open();
        for byte in text.bytes() {
            sender.send(vec![byte].into()).unwrap();
        }
        drop(sender);
        let answer = server.post("/feed/sum?from=10", ANY, lines).await;
        assert_eq!(answer.rest().await, "16", "{text:?}");
    }
    let nothing = server.post("/feed/sum?from=1", ANY, Lines::of("")).await;
    assert_eq!(nothing.rest().await, "1");
}

#[tokio::test]
async fn a_line_that_is_no_item_is_the_fault_of_the_request() {
    let server = Server::start().await;
    for text in ["1\n2\nthree\n4\n", "1\n2\n\"three\"\n", "1\n2\n{\n"] {
        let answer = server.post("/feed/sum?from=0", ANY, Lines::of(text)).await;
        assert_eq!(answer.status(), 400, "{text:?}");
        assert_eq!(answer.header("remoting-executed"), "yes");
        let body = answer.rest().await;
        assert!(
            body.starts_with(r#"{"code":"bad_arguments","message":"line 3 "#),
            "{body}"
        );
    }
    // One that the method does not look at does no harm.
    let answer = server.post("/feed/first", ANY, Lines::of("1\nthree")).await;
    assert_eq!(answer.rest().await, "1");
}

#[tokio::test]
async fn arguments_beside_a_stream_stand_in_the_query() {
    let server = Server::start().await;
    for (status, target) in [
        (400, "/feed/sum"),
        (400, "/feed/sum?from=one"),
        (400, "/feed/sum?from=1&numbers=2"),
        (415, "/feed/count?most=1"),
        (415, "/feed/parts"),
    ] {
        let answer = server.post(target, LINES, Lines::of("1\n")).await;
        assert_eq!(answer.status(), status, "{target}");
        assert_eq!(answer.header("remoting-executed"), "no", "{target}");
    }
}

#[tokio::test]
async fn a_method_that_has_enough_answers_while_the_body_is_open() {
    let server = Server::start().await;
    let (sender, lines) = Lines::open();
    sender.send("7\n".into()).unwrap();
    let answer = server.post("/feed/first", ANY, lines).await;
    assert_eq!(answer.rest().await, "7");
    // What still comes is thrown away, within bounds.
    let most = server.host.limits().max_message;
    let piece = vec![b'1'; most / 4];
    for _ in 0..5 {
        let _sent = sender.send(piece.clone().into());
    }
    sender.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_takes_is_given_up() {
    let server = Server::start().await;
    let (sender, lines) = Lines::open();
    sender.send("7\n".into()).unwrap();
    let begin = Instant::now();
    let answer = server.post("/feed/first", ANY, lines).await;
    assert_eq!(answer.rest().await, "7");
    sender.closed().await;
    assert_eq!(begin.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn lines_are_read_as_they_are_taken_and_answered_meanwhile() {
    let server = Server::start().await;
    let (sender, lines) = Lines::open();
    let mut answer = server.post("/feed/doubled", LINES, lines).await;
    assert_eq!(answer.status(), 200);
    for number in 1..=1000 {
        sender.send(format!("{number}\n").into()).unwrap();
        let expected = format!("{{\"id\":{number},\"item\":{}}}\n", 2 * number);
        assert_eq!(answer.part().await, Some(expected));
    }
    drop(sender);
    assert_eq!(answer.rest().await, "{\"end\":true}\n");
    assert!(server.reel.is_idle());
}

#[tokio::test]
async fn a_line_longer_than_a_frame_is_refused_and_counted() {
    let server = Server::with(|limits| limits.max_frame = 20_000).await;
    let fits = format!("{}1\n", " ".repeat(19_999));
    let answer = server.post("/feed/sum?from=0", ANY, Lines::of(&fits)).await;
    assert_eq!(answer.rest().await, "1");
    let (sender, lines) = Lines::open();
    sender.send("1\n".into()).unwrap();
    for _ in 0..=20_000 {
        sender.send("1".into()).unwrap();
    }
    let answer = server.post("/feed/sum?from=0", ANY, lines).await;
    assert_eq!(answer.status(), 413);
    assert!(answer.rest().await.contains("line 2 "));
    assert_eq!(server.host.counters().max_frame.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_has_its_time_and_a_stream_may_be_silent() {
    let server = Server::start().await;
    let (sender, lines) = Lines::open();
    let mut answer = server.post("/feed/doubled", LINES, lines).await;
    let sending = tokio::spawn(async move {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(1000)).await;
            sender.send("1\n".into()).unwrap();
        }
        sender.send("1".into()).unwrap();
        sender.closed().await;
    });
    let begin = Instant::now();
    let last = loop {
        let part = answer.part().await.unwrap();
        if part.starts_with("{\"error\"") {
            break part;
        }
    };
    assert_eq!(begin.elapsed().as_secs(), 3010);
    // The handler has passed on what it was told.
    assert!(last.starts_with(r#"{"error":{"code":"app""#), "{last}");
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_line_that_trickles_in_is_no_better_than_one_that_stops() {
    let server = Server::start().await;
    let (sender, lines) = Lines::open();
    let sending = tokio::spawn(async move {
        while sender.send("1".into()).is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let begin = Instant::now();
    let answer = server.post("/feed/sum?from=0", ANY, lines).await;
    assert_eq!(answer.status(), 408);
    assert_eq!(begin.elapsed().as_secs(), 10);
    sending.await.unwrap();
}
