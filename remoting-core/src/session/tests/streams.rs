//! Streams: in order, within their credit, ended by both sides, and broken by none.

mod broken;
mod random;
mod support;
mod together;

use std::sync::Arc;
use std::task::{Poll, Waker};

use self::support::{River, Spring, begun, narrow, open, read, send};
use super::support::{Pair, Side, sent};
use crate::error::{ErrorKind, Executed, Fault};
use crate::id::{InterfaceId, Slot};
use crate::limits::Limits;
use crate::payload::Content;
use crate::session::{End, ExportKey, Lent};
use crate::wire::Target;

#[test]
fn items_come_in_order_and_then_the_end() {
    let mut river = River::new();
    for item in 0..100 {
        river.send(item).unwrap();
    }
    river.pair.pass();
    let (items, ended) = river.read();
    assert_eq!(items, (0..100).collect::<Vec<_>>());
    assert!(ended.is_none());
    river.send(100).unwrap();
    river.end(None);
    river.pair.pass();
    let (items, ended) = river.read();
    assert!(items == [100] && matches!(ended, Some(None)), "{ended:?}");
}

#[test]
fn nothing_is_sent_beyond_the_credit() {
    let mut river = River::with(narrow());
    river.send(1).unwrap();
    river.send(2).unwrap();
    assert!(!river.has_room());
    let error = river.send(3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "a mistake of ours");
    river.pair.pass();
    assert!(!river.has_room(), "reading alone gives no credit");
    assert_eq!(river.read().0, [1, 2]);
    let now = river.pair.now;
    river.pair.server.session.grant(river.key, 1, 1, now);
    river.pair.pass();
    river.send(3).unwrap();
    assert!(!river.has_room());
    river.pair.pass();
    assert_eq!(river.read().0, [3]);
}

#[test]
fn an_item_counts_no_more_than_half_of_the_window_so_that_the_next_one_always_fits() {
    let window = 16 * 1024;
    let mut river = River::with(Limits {
        stream_bytes: window,
        ..Limits::default()
    });
    let (stream, long) = (river.stream, vec![1; 20_000]);
    send(&mut river.pair.client, stream, &long).unwrap();
    send(&mut river.pair.client, stream, &long).unwrap();
    assert!(!river.has_room());
    river.pair.pass();
    assert_eq!(river.read().0.len(), 40_000);
    let now = river.pair.now;
    let half = window as u64 / 2;
    river.pair.server.session.grant(river.key, 2, 2 * half, now);
    river.pair.pass();
    // Just less than half is used, for which a consumer gives no credit yet.
    send(&mut river.pair.client, stream, &vec![1; window / 2 - 1]).unwrap();
    assert!(send(&mut river.pair.client, stream, &long).is_ok());
}

#[test]
fn a_number_is_used_again_when_its_stream_has_been_read_to_its_end() {
    let mut river = River::new();
    river.send(7).unwrap();
    river.end(None);
    river.pair.pass();
    // What nobody has read is kept, and so is the number: there are only so many.
    let (other, _) = open(&mut river.pair, river.slot);
    assert_ne!(other, river.stream);
    let (items, ended) = river.read();
    assert!(items == [7] && matches!(ended, Some(None)));
    river.pair.pass();
    assert_eq!(river.pair.client.session.stats().streams, 1);
    let (again, key) = open(&mut river.pair, river.slot);
    assert_eq!(again, river.stream);
    send(&mut river.pair.client, again, &[8]).unwrap();
    river.pair.pass();
    assert_eq!(read(&mut river.pair.server, key).0, [8]);
}

#[test]
fn streams_in_items_of_streams_that_nobody_reads_are_left_however_deep_they_nest() {
    let limits = || Limits {
        streams_per_session: 200_000,
        ..Limits::default()
    };
    let mut pair = Pair::with(limits(), limits());
    let slot = pair.connect("river");
    let (mut stream, outermost) = open(&mut pair, slot);
    let now = pair.now;
    for _ in 0..150_000 {
        let spring = Arc::new(Spring::default());
        let lent = [Lent::Stream(Arc::clone(&spring) as _)];
        let client = &mut pair.client;
        let effects = &mut client.effects;
        let item = Content::from(b"0".as_slice());
        let sent = client.session.send_item(stream, item, &lent, now, effects);
        sent.unwrap();
        stream = begun(client, &spring);
        pair.pass();
    }
    let server = &mut pair.server;
    server.session.leave_stream(outermost, &mut server.effects);
    pair.pass();
    assert!(pair.server.end.is_none());
    let room = pair.client.session.poll_room(stream, Waker::noop());
    assert!(
        matches!(room, Poll::Ready(Err(_))),
        "the innermost is left too"
    );
}

#[test]
fn what_an_error_that_nobody_reads_refers_to_is_given_back() {
    let mut river = River::new();
    let object = Lent::Own {
        object: "it".into(),
        key: ExportKey {
            object: 1,
            interface: InterfaceId(9),
        },
    };
    let fault = Fault::App(crate::payload::Payload::from(b"0".as_slice()));
    for leaves_first in [false, true] {
        let (stream, key) = open(&mut river.pair, river.slot);
        if leaves_first {
            let server = &mut river.pair.server;
            server.session.leave_stream(key, &mut server.effects);
        }
        let (now, client) = (river.pair.now, &mut river.pair.client);
        let lent = [object.clone()];
        let effects = &mut client.effects;
        client
            .session
            .end_stream(stream, Some(&fault), &lent, now, effects);
        assert_eq!(client.session.stats().exports, 1);
        river.pair.pass();
        let server = &mut river.pair.server;
        server.session.leave_stream(key, &mut server.effects);
        river.pair.pass();
        assert_eq!(river.pair.client.session.stats().exports, 0);
    }
}

#[test]
fn a_consumer_that_leaves_stops_the_producer_and_skips_what_was_on_its_way() {
    let mut river = River::new();
    river.send(1).unwrap();
    river.leave();
    river.send(2).unwrap();
    river.pair.pass();
    assert!(river.is_stopped());
    assert_eq!(river.send(3).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(
        river.pair.server.session.stats().streams,
        1,
        "until the END"
    );
    river.end(None);
    river.pair.pass();
    for side in [&river.pair.client, &river.pair.server] {
        assert_eq!(side.session.stats().streams, 0);
        assert!(side.end.is_none());
    }
}

#[test]
fn ends_that_cross_are_one_end() {
    let mut river = River::new();
    river.leave();
    river.end(None);
    river.pair.pass();
    for side in [&river.pair.client, &river.pair.server] {
        assert_eq!(side.session.stats().streams, 0);
        assert!(side.end.is_none());
    }
    let (again, _) = open(&mut river.pair, river.slot);
    assert_eq!(again, river.stream);
}

#[test]
fn a_failure_comes_behind_the_items() {
    let mut river = River::new();
    river.send(1).unwrap();
    let fault = Fault::executed(ErrorKind::Internal, "broken");
    river.end(Some(&fault));
    river.pair.pass();
    let (items, ended) = river.read();
    assert_eq!(items, [1]);
    let Some(Some(Fault::Error(error))) = ended else {
        panic!("{ended:?}")
    };
    let told = (error.kind(), error.executed(), error.message());
    assert_eq!(told, (ErrorKind::Internal, Executed::Yes, "broken"));
}

#[test]
fn the_end_of_the_session_comes_behind_the_items_and_stops_producers() {
    let mut river = River::new();
    river.send(1).unwrap();
    river.pair.pass();
    river.pair.server.close(End::PeerClosed);
    river.pair.client.close(End::PeerClosed);
    let (items, ended) = river.read();
    assert_eq!(items, [1]);
    assert!(matches!(ended, Some(Some(Fault::Error(_)))), "{ended:?}");
    assert!(river.is_stopped());
    river.leave();
    assert_eq!(river.pair.server.session.stats().streams, 0);
}

#[test]
fn a_stream_of_a_call_that_is_refused_is_left() {
    let mut river = River::new();
    let spring = Arc::new(Spring::default());
    river.pair.client.lending = vec![Lent::Stream(Arc::clone(&spring) as _)];
    let nowhere = Target::Slot(Slot(77));
    let call = sent(river.pair.client.call(nowhere, b"x", river.pair.now));
    let stream = begun(&mut river.pair.client, &spring);
    river.pair.pass();
    assert_eq!(river.pair.client.error(call).executed(), Executed::No);
    let room = river.pair.client.session.poll_room(stream, Waker::noop());
    assert!(matches!(room, Poll::Ready(Err(_))));
}

#[test]
fn a_peer_that_takes_no_streams_is_sent_none() {
    let now = std::time::Instant::now();
    let mut side = Side::greeted(Limits::default(), 16, now);
    side.lending = vec![Lent::Stream(Arc::new(Spring::default()))];
    let started = side.call(Target::Slot(Slot(0)), b"x", now);
    let crate::session::Start::Refused(error) = started else {
        panic!("{started:?}")
    };
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.executed(), Executed::No);
}

#[test]
fn a_stream_that_begins_before_the_peers_hello_waits_for_its_credit() {
    let mut pair = Pair::silent(Limits::default(), Limits::default());
    let spring = Arc::new(Spring::default());
    pair.client.lending = vec![Lent::Stream(Arc::clone(&spring) as _)];
    let resolve = sent(pair.client.resolve("river", pair.now));
    sent(pair.client.call(Target::Answer(resolve), b"x", pair.now));
    let stream = begun(&mut pair.client, &spring);
    let room = pair.client.session.poll_room(stream, Waker::noop());
    assert!(room.is_pending());
    pair.pass();
    let room = pair.client.session.poll_room(stream, Waker::noop());
    assert!(matches!(room, Poll::Ready(Ok(_))));
}

#[test]
fn producers_wait_while_much_is_unsent() {
    let mut river = River::new();
    let limits = Limits {
        unsent: 10,
        ..Limits::default()
    };
    let mut pair = Pair::with(limits, Limits::default());
    let slot = pair.connect("river");
    let (stream, key) = open(&mut pair, slot);
    (river.pair, river.stream, river.key) = (pair, stream, key);
    river.pair.pass();
    assert!(river.has_room());
    river.send(1).unwrap();
    assert!(!river.has_room());
    river.pair.client.effects.wakers.clear();
    river.pair.pass();
    assert!(!river.pair.client.effects.wakers.is_empty(), "it is woken");
    assert!(river.has_room());
}

#[test]
fn a_peer_that_takes_any_number_of_streams_gets_as_many_as_this_side_may_have() {
    let limits = Limits {
        streams_per_session: 20,
        ..Limits::default()
    };
    let mut pair = Pair::with(limits, Limits::default());
    let slot = pair.connect("river");
    // They are ended here, and the server never says that it has seen it.
    for _ in 0..20 {
        let (stream, _) = open(&mut pair, slot);
        let (now, client) = (pair.now, &mut pair.client);
        let effects = &mut client.effects;
        client.session.end_stream(stream, None, &[], now, effects);
        client.session.take_output(Vec::new());
    }
    pair.client.lending = vec![Lent::Stream(Arc::new(Spring::default()))];
    let started = pair.client.call(Target::Slot(slot), b"x", pair.now);
    let crate::session::Start::Refused(error) = started else {
        panic!("{started:?}")
    };
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    assert_eq!(pair.client.counters.streams_per_session.get(), 1);
}
