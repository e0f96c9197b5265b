//! Objects that go along with payloads: counted exactly, whatever becomes of the payload.

use std::time::Duration;

use super::support::{Object, Pair, Side, result, sent};
use crate::error::{ErrorKind, Fault};
use crate::id::{InterfaceId, MethodId, Slot};
use crate::limits::Limits;
use crate::session::{ExportKey, Lent, Start};
use crate::wire::{HeaderBlock, Referred, Target, write_post};

fn own(name: &str, number: usize) -> Lent<Object> {
    let interface = InterfaceId(9);
    Lent::Own {
        object: name.into(),
        key: ExportKey {
            object: number,
            interface,
        },
    }
}

/// How many objects a side has lent, and how many it holds.
fn counts(side: &Side) -> (usize, usize) {
    let stats = side.session.stats();
    (stats.exports, stats.imports)
}

fn release_all(side: &mut Side) {
    for slot in side.borrowed.drain(..) {
        side.session.release(slot, 1);
    }
}

#[test]
fn an_object_that_is_lent_twice_is_held_twice_under_one_slot() {
    let mut pair = Pair::new();
    let slot = pair.connect("factory");
    pair.client.lending = vec![own("a", 1), own("b", 2), own("a", 1)];
    let call = sent(pair.client.call(Target::Slot(slot), b"x", pair.now));
    pair.pass();
    assert_eq!(pair.server.borrowed, [Slot(0), Slot(1), Slot(0)]);
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(call)), b"x");
    assert_eq!(counts(&pair.client), (2, 1));
    pair.server.session.release(Slot(0), 1);
    pair.pass();
    assert_eq!(counts(&pair.client), (2, 1), "held once more");
    pair.server.session.release(Slot(0), 1);
    pair.server.session.release(Slot(1), 1);
    pair.pass();
    assert_eq!(counts(&pair.client), (0, 1));
}

#[test]
fn an_object_that_comes_home_is_the_one_that_left() {
    let mut pair = Pair::new();
    let slot = pair.connect("factory");
    pair.server.lending = vec![own("made", 7)];
    let call = sent(pair.client.call(Target::Slot(slot), b"make", pair.now));
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    result(pair.client.poll(call));
    let made = pair.client.borrowed[0];
    pair.client.lending = vec![Lent::Home(made)];
    sent(pair.client.call(Target::Slot(made), b"self", pair.now));
    pair.pass();
    assert_eq!(pair.server.arrivals[0].target.as_deref(), Some("made"));
    assert!(pair.server.borrowed.is_empty(), "it is no stranger there");
}

#[test]
fn what_cannot_be_sent_is_not_lent() {
    let small = Limits {
        max_message: 20_000,
        objects_per_session: 1,
        ..Limits::default()
    };
    let mut pair = Pair::with(small.clone(), small);
    let slot = Target::Slot(pair.connect("x"));
    pair.client.lending = vec![own("a", 1)];
    let large = pair.client.call(slot, &[0; 20_000], pair.now);
    let Start::Refused(error) = large else {
        panic!("{large:?}")
    };
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    pair.client.lending.push(own("b", 2));
    let many = pair.client.call(slot, b"", pair.now);
    let Start::Refused(error) = many else {
        panic!("{many:?}")
    };
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    assert_eq!(counts(&pair.client), (0, 1));
}

#[test]
fn a_call_that_nobody_looks_into_gives_back_what_it_brought() {
    let mut pair = Pair::new();
    let slot = Target::Slot(pair.connect("x"));
    pair.client.lending = vec![own("a", 1)];
    // To nobody, too late, and after the server has said that it takes no more.
    sent(pair.client.call(Target::Slot(Slot(99)), b"", pair.now));
    sent(pair.client.call_within(slot, b"", Duration::ZERO, pair.now));
    pair.pass();
    pair.server.session.go_away(Duration::from_secs(9), "over");
    sent(pair.client.call(slot, b"", pair.now));
    pair.pass();
    assert!(pair.server.arrivals.is_empty());
    assert_eq!(counts(&pair.client).0, 0);
    assert_eq!(counts(&pair.server).1, 0);
}

#[test]
fn an_answer_that_nobody_wants_gives_back_what_it_brought() {
    let mut pair = Pair::new();
    let slot = Target::Slot(pair.connect("x"));
    pair.server.lending = vec![own("a", 1)];
    for good in [true, false] {
        let call = sent(pair.client.call(slot, b"", pair.now));
        pair.pass();
        let effects = &mut pair.client.effects;
        pair.client.session.abandon(call, pair.now, effects);
        let arrival = pair.server.arrivals.pop().expect("it has arrived");
        let fault = Fault::App(b"bad".as_slice().into());
        let result = if good { Ok(&b"good"[..]) } else { Err(&fault) };
        pair.server.reply(arrival.key, result, pair.now);
        pair.pass();
        assert_eq!(counts(&pair.server), (1, 0), "only what was resolved");
    }
}

#[test]
fn calls_that_wait_for_their_object_keep_what_they_brought_until_it_is_there() {
    let mut pair = Pair::new();
    pair.client.lending = vec![own("a", 1)];
    let resolve = sent(pair.client.resolve("x", pair.now));
    let first = sent(pair.client.call(Target::Answer(resolve), b"1", pair.now));
    let second = sent(pair.client.call(Target::Answer(resolve), b"2", pair.now));
    pair.pass();
    assert_eq!(counts(&pair.client).0, 1);
    let effects = &mut pair.client.effects;
    pair.client.session.abandon(second, pair.now, effects);
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(first)), b"1");
    assert_eq!(pair.server.borrowed.len(), 1, "the other was given back");
    release_all(&mut pair.server);
    pair.pass();
    assert_eq!(counts(&pair.client).0, 0);
}

#[test]
fn what_comes_along_with_a_call_that_waits_counts_as_what_is_kept_for_it() {
    let limits = Limits {
        assembly: 20_000,
        ..Limits::default()
    };
    let mut pair = Pair::with(Limits::default(), limits);
    let resolve = sent(pair.client.resolve("factory", pair.now));
    pair.client.lending = (0..400).map(|number| own("it", number)).collect();
    let call = sent(pair.client.call(Target::Answer(resolve), b"x", pair.now));
    pair.pass();
    let error = pair.client.error(call);
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    assert!(error.message().contains("`assembly`"), "{error}");
    pair.pass();
    assert_eq!(
        pair.client.session.stats().exports,
        0,
        "all were given back"
    );
    assert_eq!(pair.server.counters.assembly.get(), 1);
}

#[test]
fn releases_that_the_peer_does_not_take_count_as_what_waits_to_be_written() {
    const EACH: u32 = 1000;
    let limits = Limits {
        unsent: 16 * 1024,
        ..Limits::default()
    };
    let mut pair = Pair::with(Limits::default(), limits);
    let slot = pair.connect("object");
    let server = &mut pair.server;
    for round in 0..3 {
        assert!(!server.session.is_behind(), "{round}");
        let table = (0..EACH).map(|number| Referred::Senders {
            slot: Slot(round * EACH + number),
            interface: InterfaceId(1),
        });
        let header = HeaderBlock::new().with_references(table);
        let mut post = Vec::new();
        write_post(&mut post, Target::Slot(slot), MethodId(7), &header, b"").unwrap();
        server.read(&post, pair.now).unwrap();
        for slot in std::mem::take(&mut server.borrowed) {
            server.session.release(slot, 1);
        }
    }
    assert!(server.session.is_behind());
}
