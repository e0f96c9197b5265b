//! Large payloads, which are shared rather than copied.

use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;

use super::long::{long, pair};
use super::support::{Pair, sent};
use crate::id::{CallId, MethodId};
use crate::limits::Limits;
use crate::payload::{Content, LARGE, Payload};
use crate::session::Outgoing;
use crate::wire::{HeaderBlock, Target};

/// Sends a call whose payload is shared.
fn send_shared(pair: &mut Pair, target: Target, payload: &Payload) -> CallId {
    let header = HeaderBlock::new();
    let outgoing = Outgoing::Call {
        target,
        method: MethodId(7),
        keep: false,
        header: &header,
        payload: Content::from(payload),
    };
    let (now, later) = (pair.now, pair.now + Duration::from_secs(30));
    let client = &mut pair.client;
    let effects = &mut client.effects;
    let start = client
        .session
        .start(outgoing, &[], Waker::noop(), later, now, effects);
    sent(start)
}

#[test]
fn shared_payloads_arrive_as_copied_ones_do_whatever_the_frames() {
    for max_frame in [16_384, 20_000, 40_000, 256 * 1024] {
        let limits = || Limits {
            max_frame,
            ..Limits::default()
        };
        let mut pair = Pair::with(limits(), limits());
        let target = Target::Slot(pair.connect("object"));
        for length in [LARGE, 19_990, 20_010, 50_000, 256 * 1024 - 20, 1_000_000] {
            let mut shared = Payload::from(long(length));
            shared.share();
            let joined = Payload::joined(long(5), long(length));
            for payload in [shared, joined] {
                send_shared(&mut pair, target, &payload);
                sent(pair.client.call(target, b"small", pair.now));
                pair.pass();
                let mut arrivals: Vec<_> = pair.server.arrivals.drain(..).collect();
                arrivals.sort_by_key(|arrival| arrival.payload.len());
                assert!(arrivals[0].payload == b"small");
                assert!(arrivals[1].payload == payload.as_slice(), "{length}");
                for arrival in arrivals {
                    pair.server.reply(arrival.key, Ok(b""), pair.now);
                }
                pair.pass();
            }
        }
        assert_eq!((&pair.client.end, &pair.server.end), (&None, &None));
    }
}

#[test]
fn a_shared_payload_is_let_go_when_its_call_is_given_up() {
    let mut pair = pair();
    let target = Target::Slot(pair.connect("object"));
    let bytes = Bytes::from(long(1_000_000));
    let payload = Payload::from(bytes.clone());
    let call = send_shared(&mut pair, target, &payload);
    drop(payload);
    assert!(!bytes.is_unique());
    let effects = &mut pair.client.effects;
    pair.client.session.abandon(call, pair.now, effects);
    assert!(bytes.is_unique(), "its first piece waits on its own");
}
