//! How each side learns how many of its frames have come.

use std::time::{Duration, Instant};

use super::support::{Pair, Side, result, sent};
use crate::id::CallId;
use crate::limits::Limits;
use crate::session::{End, Identity, ResumeConfig};
use crate::wire::{
    MAX_BODY, Message, ResumeSecret, SessionId, Target, kind, split_frame, write_cancel,
};

/// A client and a server whose session may outlive its connection, and that have said nothing yet.
fn sides(limits: Limits, now: Instant) -> (Side, Side) {
    let window = Duration::from_secs(60);
    let identity = Identity {
        id: SessionId([1; 16]),
        secret: ResumeSecret([2; 16]),
    };
    let side = |identity| {
        let resume = ResumeConfig { window, identity };
        Side::resuming(resume, limits.clone(), now)
    };
    (side(None), side(Some(identity)))
}

/// The same when they have greeted each other, and an object of the server's that the client holds.
fn pair() -> (Pair, Target) {
    let now = Instant::now();
    let (client, server) = sides(Limits::default(), now);
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

#[test]
fn a_peer_that_does_not_take_what_it_is_told_is_given_up() {
    let (mut pair, slot) = pair();
    post(&mut pair, slot, &[1; 300_000]);
    let server = &mut pair.server;
    let bytes = server.session.take_output(Vec::new());
    assert!(!bytes.is_empty(), "and none of it is taken");
    let due = server.session.poll_timeout().unwrap();
    assert_eq!(due - pair.now, Limits::default().write_stall);
    let end = server.session.handle_timeout(due, &mut server.effects);
    assert_eq!(end, Err(End::WriteStalled));
}

#[test]
fn hello_is_the_first_of_all() {
    let now = Instant::now();
    let (mut client, mut server) = sides(Limits::default(), now);
    let mut bytes = client.session.take_output(Vec::new()).flat();
    (0..128).for_each(|call| write_cancel(&mut bytes, CallId(call)));
    server.read(&bytes, now).unwrap();
    assert_eq!(written(&mut server, now), [kind::HELLO]);
}

#[test]
fn a_peer_cannot_take_what_it_was_not_given() {
    let limits = Limits {
        write_stall: Duration::from_secs(1),
        ..Limits::default()
    };
    let now = Instant::now();
    let (mut client, mut server) = sides(limits, now);
    let bytes = client.session.take_output(Vec::new()).flat();
    server.read(&bytes, now).unwrap();
    // It is looked at who that is, and it is answered when that is known.
    let later = now + Duration::from_secs(3);
    let looked = server.session.handle_timeout(later, &mut server.effects);
    assert_eq!(looked, Ok(()));
}
