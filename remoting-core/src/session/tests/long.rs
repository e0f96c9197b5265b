//! Messages that are longer than a frame.

use std::task::{Poll, Waker};
use std::time::Duration;

use super::support::{Pair, failed, result, sent};
use crate::error::{ErrorKind, Executed, Fault};
use crate::id::{InterfaceId, MethodId};
use crate::limits::Limits;
use crate::payload::Content;
use crate::session::{End, ExportKey, Lent, Outgoing, Start};
use crate::wire::{HeaderBlock, Target, frame};

pub(super) fn small_frames() -> Limits {
    Limits {
        max_frame: 16_384,
        ..Limits::default()
    }
}

pub(super) fn pair() -> Pair {
    Pair::with(small_frames(), small_frames())
}

pub(super) fn long(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_long_call_and_its_long_answer_arrive_whole() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    for length in [16_370, 16_376, 16_384, 16_385, 50_000, 1_000_000] {
        let payload = long(length);
        let call = sent(pair.client.call(slot, &payload, pair.now));
        pair.pass();
        assert_eq!(pair.server.arrivals[0].payload, payload);
        pair.server.answer_all(pair.now);
        pair.pass();
        assert_eq!(result(pair.client.poll(call)), payload, "{length}");
    }
    assert_eq!(pair.client.session.unsent(), 0);
}

#[test]
fn small_calls_pass_a_long_one() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    let large = sent(pair.client.call(slot, &long(1_000_000), pair.now));
    let small = sent(pair.client.call(slot, b"small", pair.now));
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    assert!(bytes.len() < 200_000, "{}", bytes.len());
    pair.server.read(&bytes, pair.now).unwrap();
    assert_eq!(pair.server.arrivals.len(), 1, "the small one is there");
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(small)), b"small");
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(large)).len(), 1_000_000);
}

#[test]
fn what_is_not_whole_when_the_connection_is_lost_was_not_executed() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    let call = sent(pair.client.call(slot, &long(1_000_000), pair.now));
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    pair.client
        .session
        .written(bytes.len(), pair.now, &mut pair.client.effects);
    pair.server.read(&bytes, pair.now).unwrap();
    pair.server.effects.rare().dropped.clear();
    for side in [&mut pair.client, &mut pair.server] {
        side.close(End::Lost("cut".to_owned()));
        assert_eq!(side.session.unsent(), 0);
    }
    assert_eq!(pair.client.error(call).executed(), Executed::No);
    assert!(pair.server.arrivals.is_empty());
    // The object it went to, and the slot itself.
    assert_eq!(pair.server.effects.rare().dropped.len(), 2);
}

#[test]
fn what_was_written_whole_may_have_been_executed() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    let call = sent(pair.client.call(slot, &long(50_000), pair.now));
    while pair.client.session.output_len() > 0 {
        let bytes = pair.client.session.take_output(Vec::new()).flat();
        pair.client
            .session
            .written(bytes.len(), pair.now, &mut pair.client.effects);
    }
    pair.client.close(End::Lost("cut".to_owned()));
    assert_eq!(pair.client.error(call).executed(), Executed::Unknown);
}

#[test]
fn a_long_call_whose_deadline_passes_on_the_way_is_not_executed() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    let second = Duration::from_secs(1);
    let call = pair
        .client
        .call_within(slot, &long(1_000_000), second, pair.now);
    let call = sent(call);
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    pair.server.read(&bytes, pair.now).unwrap();
    pair.wait(second * 2);
    let error = pair.client.error(call);
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(error.executed(), Executed::No);
    assert!(pair.server.arrivals.is_empty());
    assert_eq!(pair.server.session.stats().incoming, 0);
    assert_eq!(pair.client.session.stats().outgoing, 0);
    // The number is free, and what is sent under it is not mixed up with the rest.
    let call = sent(pair.client.call(slot, &long(40_000), pair.now));
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(call)), long(40_000));
}

#[test]
fn a_long_call_that_is_given_up_is_sent_no_further() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    let call = sent(pair.client.call(slot, &long(1_000_000), pair.now));
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    pair.server.read(&bytes, pair.now).unwrap();
    pair.client
        .session
        .abandon(call, pair.now, &mut pair.client.effects);
    assert!(pair.client.session.unsent() < 100_000);
    pair.pass();
    assert!(pair.server.arrivals.is_empty());
    assert_eq!(pair.client.session.stats().outgoing, 0);
    assert_eq!(pair.server.session.stats().incoming, 0);
}

#[test]
fn a_long_answer_that_nobody_waits_for_is_thrown_away_and_its_number_free() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    pair.server.lending = vec![own("lent", 1)];
    let call = sent(pair.client.call(slot, b"", pair.now));
    pair.pass();
    let key = pair.server.arrivals.remove(0).key;
    pair.server.reply(key, Ok(&long(1_000_000)), pair.now);
    let bytes = pair.server.session.take_output(Vec::new()).flat();
    pair.client.read(&bytes, pair.now).unwrap();
    pair.client
        .session
        .abandon(call, pair.now, &mut pair.client.effects);
    assert_eq!(pair.client.session.stats().outgoing, 1, "more of it comes");
    pair.pass();
    assert_eq!(pair.client.session.stats().outgoing, 0);
    pair.pass();
    let exports = pair.server.session.stats().exports;
    assert_eq!(exports, 1, "what it brought was given back");
    assert_eq!(pair.client.end, None);
}

fn own(name: &str, object: usize) -> Lent<super::support::Object> {
    Lent::Own {
        object: name.into(),
        key: ExportKey {
            object,
            interface: InterfaceId(9),
        },
    }
}

#[test]
fn a_long_call_holds_what_it_names_from_its_first_frame_on() {
    let mut pair = pair();
    let slot = pair.connect("object");
    let payload = long(1_000_000);
    let call = sent(pair.client.call(Target::Slot(slot), &payload, pair.now));
    // The RELEASE overtakes the rest of the call.
    pair.client.session.release(slot, 1);
    pair.pass();
    assert_eq!(pair.server.session.stats().exports, 0);
    assert_eq!(pair.server.arrivals[0].target.as_deref(), Some("object"));
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(result(pair.client.poll(call)).len(), payload.len());
}

#[test]
fn a_long_call_may_name_an_answer_that_has_not_come() {
    for answered_first in [true, false] {
        let mut pair = pair();
        let resolve = sent(pair.client.resolve("object", pair.now));
        let target = Target::Answer(resolve);
        let call = sent(pair.client.call(target, &long(300_000), pair.now));
        if answered_first {
            let bytes = pair.client.session.take_output(Vec::new()).flat();
            pair.server.read(&bytes, pair.now).unwrap();
            pair.server.answer_all(pair.now);
        }
        pair.pass();
        pair.server.answer_all(pair.now);
        pair.pass();
        assert_eq!(result(pair.client.poll(call)), long(300_000));
        pair.client.slot(resolve);
    }
}

#[test]
fn a_long_call_ends_with_the_answer_that_it_names() {
    let mut pair = pair();
    let resolve = sent(pair.client.resolve("object", pair.now));
    let target = Target::Answer(resolve);
    let call = sent(pair.client.call(target, &long(300_000), pair.now));
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    pair.server.read(&bytes, pair.now).unwrap();
    let key = pair.server.arrivals.remove(0).key;
    let fault = Err(&failed("no such luck"));
    let effects = &mut pair.server.effects;
    let session = &mut pair.server.session;
    session.answer_resolve(key, fault, pair.now, effects);
    pair.pass();
    let error = pair.client.error(call);
    assert_eq!(error.message(), "no such luck");
    assert_eq!(error.executed(), Executed::No);
    assert_eq!(pair.server.session.stats().incoming, 0);
}

#[test]
fn a_long_post_is_a_call_whose_answer_nobody_wants() {
    let mut pair = pair();
    let slot = Target::Slot(pair.connect("object"));
    assert!(pair.client.post(slot, &long(40_000), pair.now));
    pair.pass();
    assert_eq!(pair.server.arrivals[0].payload, long(40_000));
    pair.server.answer_all(pair.now);
    pair.pass();
    assert_eq!(pair.client.session.stats().outgoing, 0);
}

#[test]
fn what_is_kept_of_messages_that_are_not_whole_is_bounded() {
    let server = Limits {
        assembly: 100_000,
        ..small_frames()
    };
    let mut pair = Pair::with(small_frames(), server);
    let slot = Target::Slot(pair.connect("object"));
    let calls = [(); 3].map(|()| sent(pair.client.call(slot, &long(60_000), pair.now)));
    pair.pass();
    pair.server.answer_all(pair.now);
    pair.pass();
    let ended = calls.map(|call| match pair.client.poll(call) {
        Poll::Ready(Ok(reply)) => reply.payload.len(),
        Poll::Ready(Err(Fault::Error(error))) => {
            assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
            assert_eq!(error.executed(), Executed::No);
            0
        }
        other => panic!("{other:?}"),
    });
    assert!(ended.contains(&60_000) && ended.contains(&0), "{ended:?}");
    assert!(pair.server.counters.assembly.get() > 0);
    assert_eq!(pair.server.session.stats().incoming, 0);
}

#[test]
fn what_is_kept_of_answers_that_nobody_reads_is_bounded() {
    let server = Limits {
        assembly: 100_000,
        max_message: 70_000,
        ..small_frames()
    };
    let mut pair = Pair::with(small_frames(), server);
    let slot = Target::Slot(pair.connect("object"));
    let calls = [(); 3].map(|()| sent(pair.client.call(slot, b"", pair.now)));
    pair.pass();
    for arrival in std::mem::take(&mut pair.server.arrivals) {
        pair.server.reply(arrival.key, Ok(&long(60_000)), pair.now);
    }
    pair.pass();
    assert_eq!(result(pair.client.poll(calls[0])), long(60_000));
    for call in &calls[1..] {
        let error = pair.client.error(*call);
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
        assert_eq!(error.executed(), Executed::Yes);
    }
    assert_eq!(pair.server.counters.assembly.get(), 2);
}

#[test]
fn answers_that_have_only_begun_are_bounded_together() {
    let client = Limits {
        assembly: 30_000,
        ..small_frames()
    };
    let mut pair = Pair::with(client, small_frames());
    let slot = Target::Slot(pair.connect("object"));
    let calls = [(); 3].map(|()| sent(pair.client.call(slot, b"", pair.now)));
    for call in calls {
        let body = [&[call.0 as u8][..], &[0; 13_000]].concat();
        let [low, middle, ..] = body.len().to_le_bytes();
        let head = [low, middle, 0, 0x40 | frame::kind::RETURN];
        pair.client
            .read(&[&head[..], &body].concat(), pair.now)
            .unwrap();
    }
    assert_eq!(pair.client.counters.assembly.get(), 1, "two fit");
    assert!(pair.client.session.held() < 30_000);
    // The end of the one that is not kept.
    let end = [2, 0, 0, frame::kind::CONT, calls[2].0 as u8 * 4 + 1, 0];
    pair.client.read(&end, pair.now).unwrap();
    let error = pair.client.error(calls[2]);
    let expected = (ErrorKind::ResourceExhausted, Executed::Yes);
    assert_eq!((error.kind(), error.executed()), expected);
}

#[test]
fn an_answer_that_is_longer_than_was_announced_fails_its_call() {
    let mut pair = Pair::with(
        Limits {
            max_message: 20_000,
            ..small_frames()
        },
        small_frames(),
    );
    let slot = Target::Slot(pair.connect("object"));
    let call = sent(pair.client.call(slot, b"", pair.now));
    // RETURN with MORE, and CONTs without an end.
    let number = call.0 as u8;
    let begin = [&[number][..], &[0; 10_000]].concat();
    let goes_on = [&[number * 4 + 1][..], &[0; 10_000]].concat();
    let head = |body: &[u8], last| {
        let [low, middle, ..] = body.len().to_le_bytes();
        [&[low, middle, 0, last], body].concat()
    };
    let bytes = [
        head(&begin, 0x40 | frame::kind::RETURN),
        head(&goes_on, 0x40 | frame::kind::CONT),
        head(&goes_on, frame::kind::CONT),
    ];
    pair.client.read(&bytes.concat(), pair.now).unwrap();
    let error = pair.client.error(call);
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.executed(), Executed::Yes);
    assert_eq!(pair.client.counters.max_message.get(), 1);
}

#[test]
fn a_call_whose_header_fills_a_frame_is_refused_and_the_session_lives() {
    let mut pair = pair();
    let target = Target::Slot(pair.connect("object"));
    let lent: Vec<_> = (0..1024).map(|object| own("lent", object)).collect();
    let mut header = HeaderBlock::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        header.add_pair(name, &"x".repeat(1000)).unwrap();
    }
    let outgoing = Outgoing::Call {
        target,
        method: MethodId(7),
        keep: false,
        header: &header,
        payload: Content::from(b"arguments".as_slice()),
    };
    let (client, later) = (&mut pair.client, pair.now + Duration::from_secs(30));
    let effects = &mut client.effects;
    let start = client
        .session
        .start(outgoing, &lent, Waker::noop(), later, pair.now, effects);
    assert!(matches!(start, Start::Refused(error) if error.kind() == ErrorKind::TooLarge));
    pair.pass();
    assert_eq!((&pair.client.end, &pair.server.end), (&None, &None));
    assert_eq!(pair.client.session.stats().exports, 0, "nothing was lent");
}
