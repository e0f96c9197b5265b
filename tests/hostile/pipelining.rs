//! Answers that are kept, and what a peer may not make of them.

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};
use remoting_core::wire::{
    CallId, HeaderBlock, Hello, InterfaceId, KEEPS_ANSWERS, PREFACE, Referred, Slot, Target,
    Violation, kind, write_hello, write_release, write_return,
};
use tokio::task::JoinHandle;

use crate::objects::ProbeProxy;
use crate::raw::*;
use crate::support::*;
use crate::trap::*;

#[remote]
pub trait Maker {
    async fn probe(&self) -> remoting::Result<ProbeProxy>;
}

/// The RETURN of a call that gives a probe, in this slot.
fn probe_at(id: u32, slot: u32) -> Vec<u8> {
    let referred = Referred::Senders {
        slot: Slot(slot),
        interface: InterfaceId::of("Probe"),
    };
    let header = HeaderBlock::new().with_references([referred]);
    let mut out = Vec::new();
    write_return(&mut out, CallId(id), &header, &packed(&0)).unwrap();
    out
}

/// A client's pipelined call to a server that has found its first object in slot 9, and the number of its first call.
async fn asked(trap: &Trap, features: u64) -> (Raw, u32, JoinHandle<remoting::Result<i64>>) {
    let maker: MakerProxy = trap.get("maker");
    let call = tokio::spawn(async move { maker.probe().pipelined().add(1, 2).await });
    let mut raw = trap.accept().await;
    let resolve = raw.answer().await;
    assert!(matches!(resolve, Some(Seen::Resolve { call: 0 })));
    raw.send(&greeting_with(|hello| hello.features = features))
        .await;
    raw.send(&resolved(0, 9)).await;
    let first = next_call(&mut raw).await;
    (raw, first, call)
}

async fn next_target(raw: &mut Raw) -> (u32, Target) {
    loop {
        match raw.answer().await {
            Some(Seen::Call { call, target }) => return (call, target),
            Some(_) => {}
            None => panic!("the client has gone"),
        }
    }
}

#[test]
fn a_server_that_keeps_no_answers_is_called_when_the_first_one_is_there() {
    within_patience(async {
        let trap = Trap::with(|_| {}).await;
        let (mut raw, first, call) = asked(&trap, 0).await;
        raw.send(&probe_at(first, 5)).await;
        let (id, target) = next_target(&mut raw).await;
        assert_eq!(target, Target::Slot(Slot(5)));
        raw.send(&returned(id, &packed(&3))).await;
        assert_eq!(call.await.unwrap().unwrap(), 3);
    });
}

#[test]
fn a_server_that_keeps_answers_is_called_at_once_whatever_it_answers_then() {
    within_patience(async {
        for good in [true, false] {
            let trap = Trap::with(|_| {}).await;
            let (mut raw, first, call) = asked(&trap, KEEPS_ANSWERS).await;
            let (id, target) = next_target(&mut raw).await;
            assert_eq!(target, on(first));
            // The answer may come in any order, and be no object at all.
            raw.send(&returned(id, &packed(&3))).await;
            match good {
                true => raw.send(&probe_at(first, 5)).await,
                false => raw.send(&returned(first, &packed(&"no probe"))).await,
            }
            assert_eq!(call.await.unwrap().unwrap(), 3);
            // It has read the answer, and is still there.
            raw.send(&frame(kind::PING, &[0; 9])).await;
            loop {
                match raw.answer().await {
                    Some(Seen::Pong(_)) => break,
                    Some(_) => {}
                    None => panic!("the client has gone"),
                }
            }
        }
        let trap = Trap::with(|_| {}).await;
        let (mut raw, _, call) = asked(&trap, KEEPS_ANSWERS).await;
        next_call(&mut raw).await;
        drop(raw);
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SessionLost);
        assert_eq!(error.executed(), Executed::Unknown);
    });
}

/// A peer that keeps answers and has them kept, and knows slot 0 as the well-known probe; call 0 is in use.
async fn attacker(server: &Server) -> Raw {
    let mut raw = Raw::connect(&server.address).await;
    let mut hello = PREFACE.to_vec();
    let features = KEEPS_ANSWERS;
    write_hello(
        &mut hello,
        &Hello {
            features,
            ..Hello::default()
        },
    );
    hello.extend(resolve(0, "probe"));
    raw.send(&hello).await;
    assert!(matches!(raw.answer().await, Some(Seen::Return { .. })));
    raw
}

/// A CALL whose answer is to be kept.
fn kept(id: u32, target: Target, method: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = call_on(id, target, method, payload);
    bytes[3] |= 0x20;
    bytes
}

fn on(id: u32) -> Target {
    Target::Answer(CallId(id))
}

fn probe() -> Target {
    Target::Slot(Slot(0))
}

fn forget(ids: &[u32]) -> Vec<u8> {
    let calls: Vec<_> = ids.iter().copied().map(CallId).collect();
    let mut out = Vec::new();
    write_release(&mut out, &[], &calls).unwrap();
    out
}

async fn refused(raw: &mut Raw) -> (u32, u8, u8) {
    let failure = raw.failure().await;
    (failure.call, failure.code, failure.executed)
}

#[test]
fn who_forgets_no_answer_runs_out_of_numbers_and_nobody_else_does() {
    within_patience(async {
        let mut server = Server::with(|limits| limits.calls_per_session = 20).await;
        let mut raw = attacker(&server).await;
        for id in 1..20 {
            raw.send(&kept(id, probe(), "add", &packed(&(1, 2)))).await;
            assert!(matches!(raw.answer().await, Some(Seen::Return { .. })));
        }
        raw.send(&call(7, 0, "add", &packed(&(1, 2)))).await;
        let broken = Violation::CallIdInUse.to_string();
        assert_eq!(raw.abort().await, Some((20, broken)));
        let mut raw = attacker(&server).await;
        raw.send(&kept(20, probe(), "add", &packed(&(1, 2)))).await;
        let broken = Violation::CallIdOutOfRange.to_string();
        assert_eq!(raw.abort().await, Some((20, broken)));
        assert_eq!(counter(&server.host, "calls_per_session"), 1);
        server.goes_on().await;
    });
}

#[test]
fn an_answer_is_forgotten_once_and_not_called_afterwards() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = attacker(&server).await;
        raw.send(&kept(1, probe(), "add", &packed(&(1, 2)))).await;
        assert!(raw.answer().await.is_some());
        // A number is no object, a forgotten answer none, and neither is one that nobody asked for.
        raw.send(&call_on(2, on(1), "add", &packed(&(1, 2)))).await;
        assert_eq!(refused(&mut raw).await, (2, 6, 0));
        raw.send(&forget(&[1])).await;
        for gone in [1, 2, 900, 4] {
            raw.send(&call_on(4, on(gone), "add", &packed(&(1, 2))))
                .await;
            assert_eq!(refused(&mut raw).await, (4, 6, 0));
            let header = HeaderBlock::new().with_references([Referred::Answer(CallId(gone))]);
            raw.send(&call_with(4, probe(), "add", &header, &packed(&(1, 2))))
                .await;
            assert_eq!(refused(&mut raw).await, (4, 6, 0));
        }
        raw.send(&forget(&[1])).await;
        let broken = Violation::UnknownAnswerForgotten.to_string();
        assert_eq!(raw.abort().await, Some((20, broken)));
        server.goes_on().await;
    });
}

#[test]
fn who_goes_on_calling_what_is_not_there_is_sent_away() {
    within_patience(async {
        let mut server = Server::with(|limits| limits.bad_requests_per_second = 10).await;
        let mut raw = attacker(&server).await;
        for _ in 0..200 {
            raw.send(&call_on(1, on(5), "add", &packed(&(1, 2)))).await;
        }
        let broken = Violation::TooManyBadRequests.to_string();
        assert_eq!(raw.abort().await, Some((20, broken)));
        assert_eq!(counter(&server.host, "bad_requests_per_second"), 1);
        server.goes_on().await;
    });
}

#[test]
fn what_waits_for_an_answer_is_bounded() {
    within_patience(async {
        let mut server = Server::with(|limits| limits.assembly = 100_000).await;
        let mut raw = attacker(&server).await;
        raw.send(&kept(1, probe(), "wait", &packed(&[0_u8; 0])))
            .await;
        let large = vec![0; 30_000];
        for id in 2..5 {
            raw.send(&call_on(id, on(1), "bytes", &large)).await;
        }
        let header = HeaderBlock::new().with_references([Referred::Answer(CallId(1))]);
        raw.send(&call_with(5, probe(), "bytes", &header, &large))
            .await;
        assert_eq!(refused(&mut raw).await, (5, 9, 0));
        raw.send(&kept(6, on(1), "bytes", &large)).await;
        assert_eq!(refused(&mut raw).await, (6, 9, 0));
        // The refusal is kept too, for calls on it.
        raw.send(&call_on(7, on(6), "bytes", &[])).await;
        assert_eq!(refused(&mut raw).await, (7, 14, 0));
        assert_eq!(counter(&server.host, "assembly"), 2);
        // Those that wait end with what they wait for, which is no object.
        server.gate.door.add_permits(1);
        assert!(matches!(
            raw.answer().await,
            Some(Seen::Return { call: 1, .. })
        ));
        for id in 2..5 {
            assert_eq!(refused(&mut raw).await, (id, 6, 0));
        }
        server.goes_on().await;
    });
}

#[test]
fn a_long_chain_ends_with_its_first_call_and_in_no_stack() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = attacker(&server).await;
        let nothing = packed(&[0_u8; 0]);
        let mut chain = kept(1, probe(), "wait", &nothing);
        for id in 2..1000 {
            chain.extend(kept(id, on(id - 1), "wait", &nothing));
        }
        raw.send(&chain).await;
        let mut cancel = Vec::new();
        remoting_core::wire::write_cancel(&mut cancel, CallId(1));
        raw.send(&cancel).await;
        for id in 1..1000 {
            let failure = raw.failure().await;
            let code = if id == 1 { 1 } else { 14 };
            assert_eq!((failure.call, failure.code), (id, code));
            assert!(id == 1 || failure.executed == 0);
        }
        raw.send(&forget(&(1..1000).collect::<Vec<_>>())).await;
        raw.is_served(1).await;
        server.goes_on().await;
    });
}

#[test]
fn what_waits_goes_with_the_connection_of_its_caller() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = attacker(&server).await;
        let nothing = packed(&[0_u8; 0]);
        let mut chain = kept(1, probe(), "wait", &nothing);
        for id in 2..100 {
            chain.extend(kept(id, on(id - 1), "wait", &nothing));
        }
        raw.send(&chain).await;
        crate::objects::take(&server.gate.entered, 1).await;
        drop(raw);
        crate::objects::take(&server.gate.cut, 1).await;
        server.goes_on().await;
        assert_eq!(server.gate.entered.available_permits(), 0, "no other began");
    });
}

#[test]
fn only_calls_may_refer_to_answers() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = attacker(&server).await;
        raw.send(&kept(1, probe(), "wait", &packed(&[0_u8; 0])))
            .await;
        // The making of an object: its header stands between the fields and the arguments.
        let header = HeaderBlock::new().with_references([Referred::Answer(CallId(1))]);
        let mut block = Vec::new();
        header.write(&mut block);
        let plain = activate(2, "make");
        let body = [&plain[4..], &block, &packed(&[0_u8; 0])].concat();
        raw.send(&frame(plain[3] | 0x80, &body)).await;
        let broken = Violation::BadReferences.to_string();
        assert_eq!(raw.abort().await, Some((20, broken)));
        server.goes_on().await;
    });
}
