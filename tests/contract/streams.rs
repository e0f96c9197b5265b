//! Streams as results and arguments: whole, in order, no faster than they are read, and ended from either side.

use std::sync::atomic::Ordering;

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, Limits};

use crate::pair::{Pair, statements, until};
use crate::tape::*;
use crate::tower::{BellProxy, Brass};

statements! { channels with references:
    a_stream_arrives_whole_and_in_order,
    a_stream_goes_in_while_another_comes_out,
    proxies_travel_in_streams_both_ways,
    a_consumer_that_does_not_read_stops_the_producer_within_its_credit,
    long_items_are_stopped_by_their_bytes,
    an_error_ends_a_stream_as_the_value_that_it_is,
    a_consumer_that_leaves_stops_the_producer,
    a_server_that_leaves_a_stream_stops_the_clients_producer,
    a_call_that_is_refused_ends_its_stream,
    a_constructor_takes_a_stream_and_ends_it_also_when_it_is_refused,
    a_panic_in_a_producer_is_internal_for_its_consumer_alone,
    a_stream_ends_with_its_session,
    an_item_longer_than_a_frame_is_refused_at_its_sender,
    more_streams_than_the_peer_takes_are_refused,
    a_stream_is_sent_once,
    a_stream_travels_on_to_a_third_party,
    a_stream_of_a_call_that_is_never_polled_never_runs,
    a_drained_channel_waits_for_its_streams,
}

statements! { in virtual time:
    a_deadline_ends_with_the_call_and_not_its_stream,
    a_stream_keeps_the_object_that_has_returned_it,
}

async fn a_stream_arrives_whole_and_in_order(pair: &Pair) {
    let (_, tape) = tape(pair);
    let numbers: Vec<u64> = tape.count(20_000).await.unwrap().collect().await.unwrap();
    assert!(numbers.into_iter().eq(0..20_000));
    let none: Vec<u64> = tape.count(0).await.unwrap().collect().await.unwrap();
    assert!(none.is_empty());
    let sum = tape.sum(Streaming::of(1..=1000)).await.unwrap();
    assert_eq!(sum, 500_500);
    tape.store(Streaming::of(1..=1000)).await.unwrap();
    while tape.stored().await.unwrap() < 500_500 {}
}

async fn a_stream_goes_in_while_another_comes_out(pair: &Pair) {
    let (_, tape) = tape(pair);
    let reel = Reel::default();
    let mut doubled = tape.doubled(reel.numbers()).await.unwrap();
    for number in 0..10_000 {
        assert_eq!(doubled.next().await.unwrap().unwrap(), 2 * number);
    }
    assert!(reel.made() < 10_000 + 2 * Limits::default().stream_items as u64 + 10);
    drop(doubled);
    until(|| reel.is_idle()).await;
}

async fn proxies_travel_in_streams_both_ways(pair: &Pair) {
    let (_, tape) = tape(pair);
    let own: Vec<_> = (0..10)
        .map(|_| BellProxy::local(Brass::default()))
        .collect();
    let mut back = tape.bells(Streaming::of(own.clone())).await.unwrap();
    for own in &own {
        let home = back.next().await.unwrap().unwrap();
        assert!(home.is_local());
        assert_eq!(&home, own);
        assert_eq!(home.ring(1).await.unwrap(), 2);
        let theirs = back.next().await.unwrap().unwrap();
        assert_eq!(theirs.ring(3).await.unwrap(), 3);
    }
    assert!(back.next().await.is_none());
}

async fn a_consumer_that_does_not_read_stops_the_producer_within_its_credit(pair: &Pair) {
    let (reel, tape) = tape(pair);
    let credit = Limits::default().stream_items as u64;
    let mut stalled = tape.play().await.unwrap();
    until(|| reel.made() >= credit).await;
    // Others are not held up by it.
    let other: Vec<u64> = tape.count(20_000).await.unwrap().collect().await.unwrap();
    assert_eq!(other.len(), 20_000);
    for _ in 0..100 {
        tape.ping().await.unwrap();
    }
    // One is in the producer's hand.
    assert!(
        (credit..=credit + 1).contains(&reel.made()),
        "{}",
        reel.made()
    );
    for number in 0..credit * 2 {
        assert_eq!(stalled.next().await.unwrap().unwrap(), number);
    }
    assert!(reel.made() <= 3 * credit + 1, "{}", reel.made());
}

async fn long_items_are_stopped_by_their_bytes(pair: &Pair) {
    let (reel, tape) = tape(pair);
    let length = 20_000;
    let credit = (Limits::default().stream_bytes / length) as u64;
    let mut stalled = tape.pieces(length as u32).await.unwrap();
    for _ in 0..200 {
        tape.ping().await.unwrap();
    }
    assert!((1..=credit + 1).contains(&reel.made()), "{}", reel.made());
    for _ in 0..100 {
        let piece = stalled.next().await.unwrap().unwrap();
        assert!(piece.len() == length && piece.iter().all(|byte| *byte == 7));
    }
}

async fn an_error_ends_a_stream_as_the_value_that_it_is(pair: &Pair) {
    let (_, tape) = tape(pair);
    let mut torn = tape.torn(3).await.unwrap();
    for number in 0..3 {
        assert_eq!(torn.next().await.unwrap().unwrap(), number);
    }
    assert_eq!(torn.next().await, Some(Err(TapeError::Torn(3))));
    assert_eq!(torn.next().await, None);
    // The other way, through the server's own handler.
    let own = Streaming::produce(|mut out| async move {
        out.send(1).await?;
        Err(TapeError::Torn(1))
    });
    assert_eq!(tape.sum(own).await, Err(TapeError::Torn(1)));
}

async fn a_consumer_that_leaves_stops_the_producer(pair: &Pair) {
    let (reel, tape) = tape(pair);
    let mut numbers = tape.play().await.unwrap();
    assert_eq!(numbers.next().await.unwrap().unwrap(), 0);
    assert!(!reel.is_idle());
    drop(numbers);
    until(|| reel.is_idle()).await;
    // Nobody has looked at this one.
    drop(tape.play().await.unwrap());
    until(|| reel.is_idle()).await;
    // Nobody takes the answer of this one.
    let waiting = crate::pair::send(tape.play()).await;
    until(|| !reel.is_idle()).await;
    waiting.abort();
    drop(waiting);
    until(|| reel.is_idle()).await;
    tape.ping().await.unwrap();
}

async fn a_server_that_leaves_a_stream_stops_the_clients_producer(pair: &Pair) {
    let (_, tape) = tape(pair);
    let reel = Reel::default();
    assert_eq!(tape.first(reel.numbers()).await.unwrap(), Some(0));
    until(|| reel.is_idle()).await;
    tape.ignore(reel.numbers()).await.unwrap();
    until(|| reel.is_idle()).await;
}

async fn a_call_that_is_refused_ends_its_stream(pair: &Pair) {
    let (_, tape) = tape(pair);
    let reel = Reel::default();
    pair.server.disconnect("tape").unwrap();
    let error = tape.first(reel.numbers()).await.unwrap_err();
    assert!(error.is_no_such_object(), "{error:?}");
    until(|| reel.is_idle()).await;
    let nowhere: TapeProxy = pair.client.get(&pair.cell.dead_url("tape")).unwrap();
    let error = nowhere.first(reel.numbers()).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No);
    until(|| reel.is_idle()).await;
}

async fn a_constructor_takes_a_stream_and_ends_it_also_when_it_is_refused(pair: &Pair) {
    let reel = Reel::default();
    let tapes = TapeDispatcher::<Reel>::activated();
    pair.server.publish("tapes", tapes).unwrap();
    let tape = pair.client.activate::<TapeProxy>(&pair.url("tapes"));
    let first = Streaming::of(7..9);
    let made = tape.dub(first).await.unwrap();
    assert_eq!(made.stored().await.unwrap(), 7);
    let nowhere = pair.client.activate::<TapeProxy>(&pair.url("nowhere"));
    let error = nowhere.dub(reel.numbers()).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No, "{error:?}");
    until(|| reel.is_idle()).await;
}

async fn a_panic_in_a_producer_is_internal_for_its_consumer_alone(pair: &Pair) {
    let (_, tape) = tape(pair);
    let mut other = tape.play().await.unwrap();
    let mut burnt = tape.burnt(2).await.unwrap();
    assert_eq!(burnt.next().await.unwrap().unwrap(), 0);
    assert_eq!(burnt.next().await.unwrap().unwrap(), 1);
    let error = burnt.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    assert!(burnt.next().await.is_none());
    for number in 0..10_000 {
        assert_eq!(other.next().await.unwrap().unwrap(), number);
    }
}

async fn a_stream_ends_with_its_session(pair: &Pair) {
    let (reel, tape) = tape(pair);
    let client = pair.another_client().await;
    let theirs: TapeProxy = client.get(&pair.url("tape")).unwrap();
    let mut numbers = theirs.play().await.unwrap();
    assert_eq!(numbers.next().await.unwrap().unwrap(), 0);
    let own = Reel::default();
    let sum = crate::pair::send(theirs.sum(own.numbers())).await;
    drop(client);
    let last = loop {
        match numbers.next().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    let Some(Err(TapeError::Remoting(error))) = last else {
        panic!("{last:?}");
    };
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Disconnected | ErrorKind::SessionLost
        ),
        "{error:?}"
    );
    until(|| reel.is_idle() && own.is_idle()).await;
    assert!(sum.await.unwrap().is_err());
    tape.ping().await.unwrap();
}

async fn an_item_longer_than_a_frame_is_refused_at_its_sender(pair: &Pair) {
    let (reel, tape) = tape(pair);
    let longest = Limits::default().max_frame as u32;
    let mut pieces = tape.pieces(longest / 4).await.unwrap();
    assert_eq!(
        pieces.next().await.unwrap().unwrap().len(),
        longest as usize / 4
    );
    let mut pieces = tape.pieces(longest).await.unwrap();
    let error = pieces.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    assert!(error.message().contains("smaller pieces"), "{error}");
    drop(pieces);
    tape.ping().await.unwrap();
    until(|| reel.running.load(Ordering::SeqCst) <= 1).await;
}

async fn more_streams_than_the_peer_takes_are_refused(pair: &Pair) {
    let (reel, tape) = tape(pair);
    let most = Limits::default().streams_per_session;
    let mut open = Vec::new();
    for _ in 0..most {
        open.push(tape.hush().await.unwrap());
    }
    let error = tape.hush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    for numbers in &mut open {
        assert_eq!(numbers.next().await.unwrap().unwrap(), 0);
    }
    drop(open);
    until(|| reel.is_idle()).await;
    // The numbers of streams are used again.
    for _ in 0..2 * most {
        assert_eq!(tape.hush().await.unwrap().next().await.unwrap().unwrap(), 0);
    }
}

async fn a_stream_is_sent_once(pair: &Pair) {
    let (_, tape) = tape(pair);
    let mut numbers = Streaming::of(0..3);
    let _all = numbers.next().await;
    while numbers.next().await.is_some() {}
    let error = tape.first(numbers).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadArguments, "{error:?}");
    assert_eq!(error.executed(), Executed::No);
    assert!(error.message().contains("was sent before"), "{error}");
}

async fn a_stream_travels_on_to_a_third_party(pair: &Pair) {
    let (_, tape) = tape(pair);
    let other = pair.another_client().await;
    let theirs: TapeProxy = other.get(&pair.url("tape")).unwrap();
    // The server asks this client, and gives on what it streams.
    let reel = Reel::default();
    let own = TapeProxy::local(reel.clone());
    let mut numbers = tape.relay(own).await.unwrap();
    for number in 0..5000 {
        assert_eq!(numbers.next().await.unwrap().unwrap(), number);
    }
    // Who leaves stops all that work for it, however far away.
    drop(numbers);
    until(|| reel.is_idle()).await;
    // And one of the server's own, through this client.
    let numbers = theirs.count(100).await.unwrap();
    let doubled = tape.doubled(numbers).await.unwrap();
    let doubled: Vec<u64> = doubled.collect().await.unwrap();
    assert!(doubled.into_iter().eq((0..100).map(|number| 2 * number)));
}

async fn a_stream_of_a_call_that_is_never_polled_never_runs(pair: &Pair) {
    let (_, tape) = tape(pair);
    let reel = Reel::default();
    drop(tape.first(reel.numbers()));
    assert_eq!(reel.made(), 0);
    assert!(reel.is_idle());
}

async fn a_drained_channel_waits_for_its_streams(pair: &Pair) {
    let (_, tape) = tape(pair);
    let mut numbers = tape.count(30_000).await.unwrap();
    assert_eq!(numbers.next().await.unwrap().unwrap(), 0);
    for host in [&pair.client, &pair.server] {
        let streams = host
            .connections()
            .iter()
            .map(|one| one.streams)
            .sum::<usize>();
        assert_eq!(streams, 1, "{:?}", host.connections());
    }
    let channel = pair.channel();
    let stopped = tokio::spawn(async move { channel.stop_listening().await });
    let rest: Vec<u64> = numbers.collect().await.unwrap();
    assert!(rest.into_iter().eq(1..30_000));
    stopped.await.unwrap();
    until(|| pair.client.open_connections() == 0).await;
}

async fn a_deadline_ends_with_the_call_and_not_its_stream(pair: &Pair) {
    let (_, tape) = tape(pair);
    let second = std::time::Duration::from_secs(1);
    let slow = Streaming::produce(move |mut out| async move {
        for number in 0..10 {
            tokio::time::sleep(second).await;
            out.send(number).await?;
        }
        Ok(())
    });
    let doubled = tape.doubled(slow).deadline(second / 2).await.unwrap();
    let doubled: Vec<u64> = doubled.collect().await.unwrap();
    assert!(doubled.into_iter().eq((0..10).map(|number| 2 * number)));
}

async fn a_stream_keeps_the_object_that_has_returned_it(pair: &Pair) {
    use remoting::LeasePolicy;
    use std::time::Duration;
    let second = Duration::from_secs(1);
    let policy = LeasePolicy::classic().initial(second).renew_on_call(second);
    let publication = TapeDispatcher::<Reel>::activated().lease(policy);
    pair.server.publish("tapes", publication).unwrap();
    let tape = pair
        .client
        .activate::<TapeProxy>(&pair.url("tapes"))
        .insert()
        .await
        .unwrap();
    let mut numbers = tape.play().await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(second).await;
        assert!(numbers.next().await.unwrap().is_ok());
    }
    tape.ping().await.unwrap();
    drop(numbers);
    tokio::time::sleep(5 * second).await;
    assert!(tape.ping().await.unwrap_err().is_no_such_object());
}
