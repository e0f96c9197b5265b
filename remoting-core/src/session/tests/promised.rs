//! Answers in the arguments of calls, and how much may be kept and may wait.

use super::kept::{asked, assert_settled, first_arrival, forget, kinds, payloads, targets};
use super::support::{Object, Pair, failed, result, sent};
use crate::error::{ErrorKind, Executed};
use crate::id::InterfaceId;
use crate::limits::Limits;
use crate::session::{End, ExportKey, Lent, Start};
use crate::wire::{Target, Violation};

#[test]
fn an_answer_that_is_no_object_cannot_be_called() {
    let (mut pair, slot, first) = asked();
    let on = sent(pair.client.call(Target::Answer(first), b"1", pair.now));
    pair.client.lending = vec![Lent::Answer(first)];
    let with = sent(pair.client.call(slot, b"2", pair.now));
    pair.client.lending.clear();
    pair.pass();
    let arrival = first_arrival(&mut pair.server);
    pair.server.answer_with(&arrival, None, pair.now);
    let late = sent(pair.client.call(Target::Answer(first), b"3", pair.now));
    pair.pass();
    assert!(pair.server.arrivals.is_empty());
    for call in [on, with, late] {
        let error = pair.client.error(call);
        let expected = (ErrorKind::BadArguments, Executed::No, None);
        assert_eq!(kinds(&error), expected);
    }
    assert_eq!(result(pair.client.poll(first)), b"made");
    let now = pair.now;
    forget(&mut pair.client, first, now);
    assert_settled(&mut pair);
}

#[test]
fn an_answer_stands_in_arguments_for_the_object_that_it_holds() {
    let (mut pair, slot, first) = asked();
    pair.client.lending = vec![Lent::Answer(first)];
    let early = sent(pair.client.call(slot, b"1", pair.now));
    pair.client.lending.clear();
    let other = sent(pair.client.call(slot, b"2", pair.now));
    pair.pass();
    assert_eq!(
        payloads(&pair.server),
        [&b"made"[..], b"2"],
        "the first of them waits"
    );
    let arrival = first_arrival(&mut pair.server);
    pair.server.answer(&arrival, pair.now);
    assert_eq!(payloads(&pair.server), [b"2", b"1"]);
    pair.client.lending = vec![Lent::Answer(first)];
    let late = sent(pair.client.call(slot, b"3", pair.now));
    pair.client.lending.clear();
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    for (call, expected) in [(early, b"1"), (other, b"2"), (late, b"3")] {
        assert_eq!(result(pair.client.poll(call)), expected);
    }
    assert_eq!(result(pair.client.poll(first)), b"made");
    let now = pair.now;
    forget(&mut pair.client, first, now);
    assert_settled(&mut pair);
}

#[test]
fn only_calls_refer_to_answers() {
    let (mut pair, _, first) = asked();
    pair.pass();
    let key = first_arrival(&mut pair.server).key;
    pair.server.lending = vec![Lent::Answer(first)];
    pair.server.reply(key, Ok(b""), pair.now);
    pair.pass();
    let end = pair.client.end;
    assert_eq!(end, Some(End::Violation(Violation::BadReferences)));
}

#[test]
fn a_kept_answer_keeps_its_object_until_it_is_forgotten() {
    let (mut pair, _, first) = asked();
    let made = Lent::Own {
        object: Object::from("made"),
        key: ExportKey {
            object: 5,
            interface: InterfaceId(9),
        },
    };
    pair.server.lending = vec![made];
    pair.pass();
    let arrival = first_arrival(&mut pair.server);
    pair.server.answer(&arrival, pair.now);
    pair.server.lending.clear();
    pair.pass();
    result(pair.client.poll(first));
    let slot = pair.client.borrowed.remove(0);
    pair.client.session.release(slot, 1);
    pair.pass();
    pair.server.effects.rare().dropped.clear();
    let call = sent(pair.client.call(Target::Answer(first), b"1", pair.now));
    pair.pass();
    assert_eq!(targets(&pair.server), [Some("made")]);
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(call)), b"1");
    assert!(pair.server.effects.rare().dropped.is_empty());
    let now = pair.now;
    forget(&mut pair.client, first, now);
    pair.pass();
    assert_eq!(pair.server.effects.rare().dropped.len(), 1);
    assert_settled(&mut pair);
}

#[test]
fn kept_answers_take_the_places_of_calls() {
    let limits = Limits {
        calls_per_session: 3,
        ..Limits::default()
    };
    let mut pair = Pair::with(limits, Limits::default());
    let slot = Target::Slot(pair.connect("root"));
    let kept = [b"1", b"2", b"3"].map(|n| sent(pair.client.call_kept(slot, n, pair.now)));
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    for call in kept {
        result(pair.client.poll(call));
    }
    assert_eq!(pair.client.call(slot, b"4", pair.now), Start::Full);
    assert_eq!(pair.client.counters.calls_per_session.get(), 1);
    assert_eq!(pair.server.session.stats().answers, 3);
    let now = pair.now;
    forget(&mut pair.client, kept[1], now);
    sent(pair.client.call(slot, b"5", pair.now));
}

#[test]
fn what_waits_for_an_answer_is_bounded_in_bytes() {
    let limits = Limits {
        assembly: 1000,
        ..Limits::default()
    };
    let mut pair = Pair::with(Limits::default(), limits);
    let slot = Target::Slot(pair.connect("root"));
    let first = sent(pair.client.call_kept(slot, b"1", pair.now));
    let on = Target::Answer(first);
    let waits = sent(pair.client.call(on, &[0; 600], pair.now));
    let refused = sent(pair.client.call_kept(on, &[0; 600], pair.now));
    let behind = sent(pair.client.call(Target::Answer(refused), b"3", pair.now));
    pair.pass();
    let error = pair.client.error(refused);
    let expected = (ErrorKind::ResourceExhausted, Executed::No, None);
    assert_eq!(kinds(&error), expected);
    assert_eq!(pair.server.counters.assembly.get(), 1);
    let error = pair.client.error(behind);
    let cause = Some(ErrorKind::ResourceExhausted);
    assert_eq!(
        kinds(&error),
        (ErrorKind::UpstreamFailed, Executed::No, cause)
    );
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(waits)).len(), 600);
}

#[test]
fn long_calls_wait_for_answers_too() {
    for fails in [false, true] {
        let (mut pair, slot, first) = asked();
        let long = vec![7; 600_000];
        let on = sent(pair.client.call(Target::Answer(first), &long, pair.now));
        pair.client.lending = vec![Lent::Answer(first)];
        let with = sent(pair.client.call(slot, &long, pair.now));
        pair.client.lending.clear();
        pair.pass();
        assert_eq!(payloads(&pair.server), [b"made"]);
        let arrival = first_arrival(&mut pair.server);
        match fails {
            false => pair.server.answer(&arrival, pair.now),
            true => pair.server.reply(arrival.key, Err(&failed("no")), pair.now),
        }
        pair.server.answer_all(pair.now);
        pair.pass();
        for call in [on, with] {
            match fails {
                false => assert_eq!(result(pair.client.poll(call)).len(), long.len()),
                true => assert_eq!(pair.client.error(call).kind(), ErrorKind::UpstreamFailed),
            }
        }
    }
}
