//! Requests that cannot be met: each gets its own error, and the session goes on.

use remoting_core::wire::{
    CallId, HeaderBlock, MethodId, ResolveWhat, Slot, Target, kind, write_post, write_release,
};

use crate::raw::*;
use crate::support::*;

const NOT_FOUND: u8 = 3;
const OBJECT_GONE: u8 = 4;
const NO_SUCH_METHOD: u8 = 5;
const BAD_ARGUMENTS: u8 = 6;
const UNSUPPORTED: u8 = 18;
const WRONG_INTERFACE: u8 = 23;
const NOT_ACTIVATABLE: u8 = 24;

fn header(change: impl FnOnce(&mut HeaderBlock)) -> HeaderBlock {
    let mut header = HeaderBlock::new();
    change(&mut header);
    header
}

/// Requests with the number 1, and the code of the error that each gets.
fn requests() -> Vec<(u8, Vec<u8>)> {
    let slot = Target::Slot(Slot(0));
    let activate_name = ResolveWhat::Activate(MethodId::of("make"));
    let unknown_constructor = ResolveWhat::Activate(MethodId::of("steal"));
    let late = header(|header| header.set_deadline_ms(0));
    let codec = header(|header| header.set_codec(200));
    let arguments = packed(&(1, 2));
    vec![
        (NOT_FOUND, call(1, 1, "add", &arguments)),
        (NOT_FOUND, call(1, (1 << 30) - 1, "add", &arguments)),
        (NO_SUCH_METHOD, call(1, 0, "hold", &[])),
        (NO_SUCH_METHOD, call(1, 0, "make", &[])),
        (BAD_ARGUMENTS, call(1, 0, "add", &packed(&("one", "two")))),
        (BAD_ARGUMENTS, call(1, 0, "add", &packed(&(1, 2, 3)))),
        (BAD_ARGUMENTS, call(1, 0, "add", &[])),
        (BAD_ARGUMENTS, call(1, 0, "sum", &packed(&(vec![-1],)))),
        (
            BAD_ARGUMENTS,
            call_on(1, Target::Answer(CallId(9)), "add", &arguments),
        ),
        (
            BAD_ARGUMENTS,
            call_on(1, Target::Answer(CallId(1)), "add", &arguments),
        ),
        (UNSUPPORTED, call_with(1, slot, "add", &codec, &arguments)),
        (2, call_with(1, slot, "add", &late, &arguments)),
        (NOT_FOUND, resolve(1, "nothing")),
        (NOT_FOUND, resolve(1, "")),
        (NOT_FOUND, resolve(1, "../../etc/passwd\0\u{202e}")),
        (WRONG_INTERFACE, resolve(1, "vault")),
        (
            WRONG_INTERFACE,
            resolve_as(1, ResolveWhat::Name, "Vault", "probe"),
        ),
        (
            NOT_ACTIVATABLE,
            resolve_as(1, activate_name, "Probe", "probe"),
        ),
        (
            NO_SUCH_METHOD,
            resolve_as(1, unknown_constructor, "Probe", "makers"),
        ),
        (
            NOT_FOUND,
            resolve_as(1, ResolveWhat::Ticket, "Probe", "rt1.AAAA"),
        ),
        (
            WRONG_INTERFACE,
            resolve_as(1, ResolveWhat::Cast, "Vault", "\0"),
        ),
        (
            NOT_FOUND,
            resolve_as(1, ResolveWhat::Cast, "Vault", "\u{9}"),
        ),
    ]
}

#[test]
fn a_request_that_cannot_be_met_is_not_executed_and_its_session_goes_on() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        for (code, bytes) in requests() {
            raw.send(&bytes).await;
            let failure = raw.failure().await;
            let found = (failure.call, failure.code, failure.executed);
            assert_eq!(found, (1, code, 0), "{bytes:02x?}: {failure:?}");
            if bytes[3] == remoting_core::wire::kind::RESOLVE {
                let mut out = Vec::new();
                write_release(&mut out, &[], &[CallId(1)]).unwrap();
                raw.send(&out).await;
            }
        }
        server.goes_on().await;
    });
}

#[test]
fn what_was_given_back_is_gone_and_the_objects_of_others_are_out_of_reach() {
    within_patience(async {
        let mut server = Server::new().await;
        // The good client's own object has the slot 0 too: in its session.
        let mut raw = server.attacker().await;
        for slot in 1..300 {
            raw.send(&call(1, slot, "next", &[])).await;
            assert_eq!(raw.failure().await.code, NOT_FOUND);
        }
        let mut out = Vec::new();
        write_release(&mut out, &[(Slot(0), 1)], &[]).unwrap();
        raw.send(&out).await;
        raw.send(&call(1, 0, "next", &[])).await;
        assert_eq!(raw.failure().await.code, OBJECT_GONE);
        let on_answer = call_on(1, Target::Answer(CallId(0)), "next", &[]);
        raw.send(&on_answer).await;
        assert_eq!(raw.failure().await.code, OBJECT_GONE);
        server.goes_on().await;
    });
}

#[test]
fn calls_on_an_object_that_cannot_be_made_end_as_its_making_does() {
    within_patience(async {
        let server = Server::new().await;
        let mut raw = Raw::greeted(&server.address).await;
        let on_answer = call_on(6, Target::Answer(CallId(5)), "next", &[]);
        raw.send(&[resolve(5, "nothing"), on_answer].concat()).await;
        for call in [5, 6] {
            let failure = raw.failure().await;
            assert_eq!((failure.call, failure.code, failure.executed), (call, 3, 0));
        }
    });
}

#[test]
fn posts_that_cannot_be_taken_are_dropped_without_a_word() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        let mut posts = Vec::new();
        for (slot, method) in [(77, "tell"), (0, "no"), (0, "sum")] {
            let target = Target::Slot(Slot(slot));
            let method = MethodId::of(method);
            write_post(&mut posts, target, method, &HeaderBlock::new(), b"\xc1").unwrap();
        }
        raw.send(&posts).await;
        raw.is_served(1).await;
        server.goes_on().await;
    });
}

#[test]
fn a_call_that_is_cancelled_is_answered_once() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        let mut cancel = Vec::new();
        remoting_core::wire::write_cancel(&mut cancel, CallId(1));
        raw.send(&[&call(1, 0, "wait", &[])[..], &cancel.repeat(3)].concat())
            .await;
        let failure = raw.failure().await;
        assert_eq!((failure.call, failure.code), (1, 1));
        raw.is_served(1).await;
        server.goes_on().await;
    });
}

/// A call that goes on keeps its number, whoever has given it up.
#[test]
fn the_number_of_a_cancelled_call_is_free_when_its_code_has_ended_and_not_before() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        let mut cancel = Vec::new();
        remoting_core::wire::write_cancel(&mut cancel, CallId(1));
        raw.send(&[call(1, 0, "stay", &[]), cancel, call(1, 0, "next", &[])].concat())
            .await;
        let refused = remoting_core::wire::Violation::CallIdInUse.to_string();
        assert_eq!(raw.abort().await, Some((20, refused)));
        server.gate.door.add_permits(1);
        server.goes_on().await;
    });
}

#[test]
fn a_trace_state_of_nonsense_is_skipped_and_its_call_served() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        for state in [
            &b""[..],
            b"a=\r\nb",
            b"a=\xff",
            b"=",
            &[b','; 512],
            &[b'a'; 100_000],
        ] {
            let place = [&[4, 25][..], &[7; 25]].concat();
            let entry = [&[18][..], &number(state.len() as u64), state].concat();
            let block = [place, entry].concat();
            let header = [&number(block.len() as u64)[..], &block].concat();
            let method = MethodId::of("add").0.to_le_bytes();
            let body = [&[1, 0][..], &method, &header, &packed(&(1, 2))].concat();
            raw.send(&frame(kind::CALL | 0x80, &body)).await;
            let payload = packed(&3);
            assert_eq!(raw.answer().await, Some(Seen::Return { call: 1, payload }));
        }
        server.goes_on().await;
    });
}
