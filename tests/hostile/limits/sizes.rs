//! How much: bytes, depth, elements.

use remoting::Host;
use remoting_core::wire::{CallId, Target, Violation, kind};

use crate::objects::*;
use crate::raw::*;
use crate::support::*;

const RESOURCE_EXHAUSTED: u8 = 9;
const TOO_LARGE: u8 = 17;

pub async fn max_frame() -> Host {
    let mut server = Server::with(|limits| limits.max_frame = 16_384).await;
    let mut raw = server.attacker().await;
    raw.send(&frame(24, &[0; 16_384])).await;
    raw.is_served(1).await;
    raw.send(&frame(24, &[0; 16_385])[..4]).await;
    let refused = Violation::FrameTooLong.to_string();
    assert_eq!(raw.abort().await, Some((20, refused)));
    server.goes_on().await;
    server.host
}

/// Frames are no longer than messages may be, nor are messages of several frames.
pub async fn max_message() -> Host {
    let mut server = Server::with(|limits| limits.max_message = 20_000).await;
    let mut raw = Raw::greeted(&server.address).await;
    let Some(Seen::Hello(hello)) = raw.frame().await else {
        panic!("no HELLO came");
    };
    assert_eq!((hello.max_frame, hello.max_message), (20_000, 20_000));
    let more = 0x40;
    raw.send(&resolve(0, "probe")).await;
    assert!(raw.answer().await.is_some());
    let mut bytes = call(1, 0, "bytes", &[0; 10_000]);
    bytes[3] |= more;
    let goes_on = [&[4][..], &[0; 10_000]].concat();
    bytes.extend(frame(kind::CONT | more, &goes_on));
    raw.send(&bytes).await;
    let failure = raw.failure().await;
    let found = (failure.call, failure.code, failure.executed);
    assert_eq!(found, (1, TOO_LARGE, 0), "{failure:?}");
    // What still comes of it is skipped, and its number can be used again.
    raw.send(&frame(kind::CONT, &goes_on)).await;
    raw.is_served(1).await;
    server.goes_on().await;
    server.host
}

pub async fn assembly() -> Host {
    let mut server = Server::with(|limits| limits.assembly = 1000).await;
    let mut raw = Raw::greeted(&server.address).await;
    raw.send(&activate(1, "make_later")).await;
    for id in 2..5 {
        let numbers = packed(&(vec![1; 400],));
        raw.send(&call_on(id, Target::Answer(CallId(1)), "sum", &numbers))
            .await;
    }
    let failure = raw.failure().await;
    let found = (failure.call, failure.code, failure.executed);
    assert_eq!(found, (4, RESOURCE_EXHAUSTED, 0), "{failure:?}");
    server.gate.door.add_permits(1);
    let answers = raw.answers(3).await;
    assert!(
        answers
            .iter()
            .all(|seen| matches!(seen, Seen::Return { .. })),
        "{answers:?}"
    );
    server.goes_on().await;
    server.host
}

pub async fn depth() -> Host {
    let server = Server::with(|limits| limits.depth = 3).await;
    let shallow = Nest {
        inside: Some(Box::default()),
        ..Nest::default()
    };
    let probe = server.probe();
    let fits = probe.depth(shallow).await.unwrap();
    let deep = Nest {
        inside: Some(Box::new(Nest {
            inside: Some(Box::default()),
            ..Nest::default()
        })),
        ..Nest::default()
    };
    let error = probe.depth(deep).await.unwrap_err();
    assert_eq!((fits, error.kind()), (2, remoting::ErrorKind::BadArguments));
    server.host
}

pub async fn elements() -> Host {
    let server = Server::with(|limits| limits.elements = 100).await;
    let probe = server.probe();
    assert_eq!(probe.sum(vec![1; 98]).await.unwrap(), 98);
    let error = probe.sum(vec![1; 99]).await.unwrap_err();
    assert_eq!(error.kind(), remoting::ErrorKind::BadArguments);
    assert_eq!(error.executed(), remoting::Executed::No);
    server.host
}

/// A peer asks for much and takes nothing: it is not read from until it does.
pub async fn unsent() -> Host {
    const CALLS: u32 = 400;
    let mut server = Server::with(|limits| limits.unsent = 64 * 1024).await;
    let mut raw = server.attacker().await;
    let mut asked = Vec::new();
    for id in 1..=CALLS {
        asked.extend(call(id, 0, "bytes", &packed(&(100_000,))));
    }
    raw.send(&asked).await;
    until(|| counter(&server.host, "unsent") > 0).await;
    server.goes_on().await;
    let answers = raw.answers(usize::try_from(CALLS).unwrap()).await;
    assert!(
        answers
            .iter()
            .all(|seen| matches!(seen, Seen::Return { .. }))
    );
    server.goes_on().await;
    server.host
}
