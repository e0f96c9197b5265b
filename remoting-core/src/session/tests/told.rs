//! How each side learns how many of its frames have come.

use std::time::{Duration, Instant};

use super::support::{Pair, Side, result, sent};
use crate::limits::Limits;
use crate::session::{End, Identity, ResumeConfig};
use crate::wire::{MAX_BODY, Message, ResumeSecret, SessionId, Target, kind, split_frame};

/// Two sides whose session outlives its connection, and an object of the server's that the client holds.
fn pair() -> (Pair, Target) {
    let now = Instant::now();
    let window = Duration::from_secs(60);
    let identity = Identity {
        id: SessionId([1; 16]),
        secret: ResumeSecret([2; 16]),
    };
    let side = |identity| {
        let resume = ResumeConfig { window, identity };
        Side::resuming(resume, Limits::default(), now)
    };
    let (client, server) = (side(None), side(Some(identity)));
    let mut pair = Pair {
        client,
        server,
        now,
    };
    pair.pass();
    let slot = Target::Slot(pair.connect("object"));
    (pair, slot)
}

/// Sends something to the server that nobody answers.
fn post(pair: &mut Pair, slot: Target, payload: &[u8]) {
    assert!(pair.client.post(slot, payload, pair.now));
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    let (session, effects) = (&mut pair.client.session, &mut pair.client.effects);
    session.written(bytes.len(), pair.now, effects);
    pair.server.read(&bytes, pair.now).unwrap();
}

/// The kinds of all frames that wait to be written, which then are.
fn written(side: &mut Side, now: Instant) -> Vec<u8> {
    let bytes = side.session.take_output(Vec::new()).flat();
    side.session.written(bytes.len(), now, &mut side.effects);
    assert_eq!(side.session.unsent(), 0, "what was taken is written");
    let (mut rest, mut kinds) = (&bytes[..], Vec::new());
    while let Some((frame, length)) = split_frame(rest, MAX_BODY).unwrap() {
        assert!(Message::parse(frame).is_ok());
        kinds.push(frame.kind);
        rest = &rest[length..];
    }
    kinds
}

#[test]
fn an_answer_to_much_says_first_that_it_has_come() {
    let (mut pair, slot) = pair();
    let payload = vec![1; 32 * 1024];
    let call = sent(pair.client.call(slot, &payload, pair.now));
    pair.pass();
    assert!(pair.client.session.held() > payload.len(), "it is kept");
    assert!(!pair.server.session.has_only_to_tell());
    assert_eq!(
        pair.server.session.output_len(),
        0,
        "nothing is said by itself"
    );
    pair.server.answer_all(pair.now);
    let bytes = pair.server.session.take_output(Vec::new()).flat();
    let (ack, length) = split_frame(&bytes, MAX_BODY).unwrap().unwrap();
    assert_eq!(ack.kind, kind::ACK);
    pair.client.read(&bytes[..length], pair.now).unwrap();
    assert_eq!(pair.client.session.held(), 0, "it is let go");
    pair.client.read(&bytes[length..], pair.now).unwrap();
    assert_eq!(result(pair.client.poll(call)), payload);
}

#[test]
fn an_answer_to_little_says_nothing_of_it() {
    let (mut pair, slot) = pair();
    sent(pair.client.call(slot, b"1", pair.now));
    pair.pass();
    pair.server.answer_all(pair.now);
    assert_eq!(written(&mut pair.server, pair.now), [kind::RETURN]);
}

#[test]
fn what_nobody_answers_is_said_to_have_come_once_it_is_much() {
    let (mut pair, slot) = pair();
    // Two frames have come before: for the object, and for the answer that held it.
    for _ in 0..253 {
        post(&mut pair, slot, b"");
        assert_eq!(pair.server.session.output_len(), 0);
    }
    post(&mut pair, slot, b"");
    assert!(pair.server.session.has_only_to_tell());
    assert!(pair.server.session.output_len() > 0);
    assert_eq!(pair.server.session.unsent(), 0, "nobody has to hurry");
    assert_eq!(written(&mut pair.server, pair.now), [kind::ACK]);
    assert_eq!(pair.server.session.output_len(), 0);
    assert!(!pair.server.session.has_only_to_tell());
}

#[test]
fn who_says_goodbye_says_nothing_else_behind_it() {
    let (mut pair, slot) = pair();
    post(&mut pair, slot, &[1; 300_000]);
    assert!(pair.server.session.has_only_to_tell());
    pair.server.close(End::Bye);
    let kinds = written(&mut pair.server, pair.now);
    assert_eq!(kinds, [kind::GO_AWAY, kind::ABORT]);
    assert_eq!(pair.server.session.output_len(), 0);
}
