//! How many: calls, connections, objects, and things a second.

use remoting::{ErrorKind, Executed, Host, Limits, Streaming};
use remoting_core::wire::{
    CallId, HeaderBlock, MethodId, Slot, Target as Goal, Violation, kind, write_call,
};
use tokio::task::JoinSet;

use crate::objects::*;
use crate::raw::*;
use crate::support::*;

/// Our own callers wait for a place, and a peer that takes one more than there are is refused.
pub async fn calls_per_session() -> Host {
    let mut server = Server::with(|limits| limits.calls_per_session = 2).await;
    let mut raw = server.attacker().await;
    raw.send(&call(16, 0, "wait", &[])).await;
    let refused = Violation::CallIdOutOfRange.to_string();
    assert_eq!(raw.abort().await, Some((20, refused)));
    assert_eq!(counter(&server.host, "calls_per_session"), 1);
    let probe = server.probe();
    let mut waiting = JoinSet::new();
    for _ in 0..6 {
        waiting.spawn(probe.wait());
    }
    until(|| counter(server.client(), "calls_per_session") > 0).await;
    server.gate.door.add_permits(6);
    assert!(
        waiting
            .join_all()
            .await
            .into_iter()
            .all(|waited| waited.is_ok())
    );
    server.goes_on().await;
    server.client().clone()
}

pub async fn calls_per_host() -> Host {
    let mut server = Server::with(|limits| limits.calls_per_host = 1).await;
    let probe = server.probe();
    let first = tokio::spawn(probe.wait());
    take(&server.gate.entered, 1).await;
    let error = probe.wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::Overloaded, Executed::No)
    );
    server.gate.door.add_permits(1);
    first.await.unwrap().unwrap();
    server.goes_on().await;
    server.host
}

/// A peer that claims to stand below many calls.
pub async fn call_depth() -> Host {
    let mut server = Server::with(|limits| limits.call_depth = 3).await;
    let mut raw = server.attacker().await;
    let mut header = HeaderBlock::new();
    for (number, depth) in [(1, 3), (2, 4)] {
        header.set_depth(depth);
        let add = MethodId::of("add");
        let target = Goal::Slot(Slot(0));
        let mut frame = Vec::new();
        write_call(
            &mut frame,
            CallId(number),
            target,
            add,
            &header,
            &[0x92, 1, 2],
        )
        .unwrap();
        raw.send(&frame).await;
    }
    assert!(raw.answer().await.is_some());
    until(|| counter(&server.host, "call_depth") == 1).await;
    server.goes_on().await;
    server.host
}

pub async fn queued_per_object() -> Host {
    let server = Server::with(|limits| limits.queued_per_object = 2).await;
    let vault: VaultProxy = server.client().get(&server.url("vault")).unwrap();
    let mut inside = JoinSet::new();
    inside.spawn(vault.hold());
    take(&server.gate.entered, 1).await;
    for _ in 0..3 {
        inside.spawn(vault.hold());
    }
    let refused = inside.join_next().await.unwrap().unwrap();
    let error = refused.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::Overloaded, Executed::No)
    );
    server.gate.door.add_permits(3);
    assert!(inside.join_all().await.into_iter().all(|held| held.is_ok()));
    server.host
}

/// Connects until one is turned away; gives how many were let in.
async fn let_in(server: &Server) -> usize {
    let mut inside = Vec::new();
    loop {
        let mut raw = Raw::greeted(&server.address).await;
        if let Some(Seen::Abort { code, text }) = raw.frame().await {
            assert_eq!(code, 10);
            assert!(text.contains("connections"), "{text}");
            assert_eq!(raw.frame().await, None);
            return inside.len();
        }
        inside.push(raw);
    }
}

pub async fn connections() -> Host {
    let mut server = Server::with(|limits| limits.connections = 4).await;
    // The good client is inside.
    assert_eq!(let_in(&server).await, 3);
    // Who goes makes room, a moment after its connection has ended.
    while let_in(&server).await != 3 {
        until(|| server.host.open_connections() == 1).await;
    }
    server.goes_on().await;
    server.host
}

pub async fn connections_per_address() -> Host {
    let mut server = Server::with(|limits| limits.connections_per_address = 4).await;
    assert_eq!(let_in(&server).await, 3);
    server.goes_on().await;
    server.host
}

pub async fn handshakes() -> Host {
    let mut server = Server::with(|limits| limits.handshakes = 2).await;
    let before = server.host.open_connections();
    let mut silent = [
        Raw::connect(&server.address).await,
        Raw::connect(&server.address).await,
    ];
    until(|| server.host.open_connections() == before + 2).await;
    let refused = Raw::greeted(&server.address).await.abort().await;
    assert!(matches!(&refused, Some((10, text)) if text.contains("handshakes")));
    // A client learns that its call did not run.
    let late = client(Limits::default());
    let probe: ProbeProxy = late.get(&server.url("probe")).unwrap();
    let error = probe.add(1, 2).await.unwrap_err();
    let seen = (error.kind(), error.executed());
    assert_eq!(seen, (ErrorKind::Overloaded, Executed::No), "{error}");
    assert!(error.message().contains("handshakes"), "{error}");
    server.goes_on().await;
    silent[0].send(&greeting()).await;
    silent[0].send(&resolve(0, "probe")).await;
    assert!(silent[0].answer().await.is_some());
    assert!(Raw::greeted(&server.address).await.frame().await.is_some());
    server.host
}

/// A peer that does something too often is sent away.
async fn too_often(mut server: Server, bytes: &[u8], broken: Violation) -> Host {
    let mut raw = server.attacker().await;
    raw.send(&bytes.repeat(12)).await;
    assert_eq!(raw.abort().await, Some((20, broken.to_string())));
    server.goes_on().await;
    server.host
}

pub async fn cancels_per_second() -> Host {
    let server = Server::with(|limits| limits.cancels_per_second = 1).await;
    too_often(
        server,
        &frame(kind::CANCEL, &[9]),
        Violation::TooManyCancels,
    )
    .await
}

pub async fn pings_per_second() -> Host {
    let server = Server::with(|limits| limits.pings_per_second = 1).await;
    too_often(server, &frame(kind::PING, &[0; 9]), Violation::TooManyPings).await
}

pub async fn bad_requests_per_second() -> Host {
    let server = Server::with(|limits| limits.bad_requests_per_second = 1).await;
    let bytes = call(1, 99, "add", &[]);
    too_often(server, &bytes, Violation::TooManyBadRequests).await
}

pub async fn objects_per_session() -> Host {
    let mut server = Server::with(|limits| limits.objects_per_session = 2).await;
    let makers = server
        .client()
        .activate::<ProbeProxy>(&server.url("makers"));
    // The good client has one already.
    let second = makers.make().await.unwrap();
    let error = makers.make().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::ResourceExhausted, Executed::No)
    );
    drop(second);
    until(|| server.host.kept_objects() == 1).await;
    makers.make().await.unwrap();
    server.goes_on().await;
    server.host
}

pub async fn objects_per_host() -> Host {
    let mut server = Server::with(|limits| limits.objects_per_host = 2).await;
    let other = client(remoting::Limits::default());
    let makers = other.activate::<ProbeProxy>(&server.url("makers"));
    let _second = makers.make().await.unwrap();
    let error = makers.make().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::ResourceExhausted, Executed::No)
    );
    server.goes_on().await;
    server.host
}

/// Two connections of one principal have one quota; strangers have none.
pub async fn objects_per_principal() -> Host {
    let mut server = Server::with(|limits| limits.objects_per_principal = 2).await;
    let (one, other) = (known_client(), known_client());
    let url = server.url("makers");
    let first = one.activate::<ProbeProxy>(&url).make().await.unwrap();
    let _second = other.activate::<ProbeProxy>(&url).make().await.unwrap();
    let error = other.activate::<ProbeProxy>(&url).make().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::ResourceExhausted, Executed::No)
    );
    assert!(
        error.message().contains("`objects_per_principal`"),
        "{error}"
    );
    let stranger = client(remoting::Limits::default());
    let _third = stranger.activate::<ProbeProxy>(&url).make().await.unwrap();
    drop(first);
    until(|| server.host.kept_objects() == 3).await;
    let _second = one.activate::<ProbeProxy>(&url).make().await.unwrap();
    server.goes_on().await;
    server.host
}

pub async fn activations_per_second() -> Host {
    let mut server = Server::with(|limits| limits.activations_per_second = 1).await;
    let known = known_client();
    let makers = known.activate::<ProbeProxy>(&server.url("makers"));
    let mut refused = 0;
    for _ in 0..20 {
        match makers.make().await {
            Ok(made) => drop(made),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    server.goes_on().await;
    server.host
}

/// A name that was withdrawn long ago is like one that never was.
pub async fn tombstones() -> Host {
    let server = Server::with(|limits| limits.tombstones = 1).await;
    let gate = Gate::new();
    for name in ["first", "second"] {
        let gate = std::sync::Arc::clone(&gate);
        let probe = ProbeDispatcher::singleton(move || Target::new(&gate));
        server.host.publish(name, probe).unwrap();
        assert!(server.host.unpublish(name));
    }
    let mut kinds = Vec::new();
    for name in ["first", "second"] {
        let probe: ProbeProxy = server.client().get(&server.url(name)).unwrap();
        kinds.push(probe.next().await.unwrap_err().kind());
    }
    let gone = ErrorKind::ObjectGone(remoting::GoneReason::Disconnected);
    assert_eq!(kinds, [ErrorKind::NotFound, gone]);
    server.host
}

pub async fn blocking_threads() -> Host {
    let mut server = Server::with(|limits| limits.blocking_threads = 1).await;
    let probe = server.probe();
    let mut blocking = JoinSet::new();
    for _ in 0..3 {
        blocking.spawn(probe.block());
    }
    until(|| counter(&server.host, "blocking_threads") == 2).await;
    server.goes_on().await;
    take(&server.gate.entered, 1).await;
    assert_eq!(server.gate.entered.available_permits(), 0);
    server.gate.door.add_permits(3);
    assert!(
        blocking
            .join_all()
            .await
            .into_iter()
            .all(|done| done.is_ok())
    );
    server.host
}

/// One stream too many is refused where it would begin, and a peer that begins it all the same is cut off.
pub async fn streams_per_session() -> Host {
    let mut server = Server::with(|limits| limits.streams_per_session = 16).await;
    let probe = server.probe();
    // They never bring anything.
    let quiet = || Streaming::produce(|_out| std::future::pending());
    let mut taken: Vec<_> = (0..16).map(|_| tokio::spawn(probe.take(quiet()))).collect();
    take(&server.gate.entered, 16).await;
    let error = probe.take(quiet()).await.unwrap_err();
    let told = (error.kind(), error.executed());
    assert_eq!(told, (ErrorKind::ResourceExhausted, Executed::No));
    taken.drain(..).for_each(|call| call.abort());
    let mut raw = server.attacker().await;
    raw.send(&streaming(1, 16)).await;
    let refused = Violation::StreamIdOutOfRange.to_string();
    assert_eq!(raw.abort().await, Some((20, refused)));
    server.goes_on().await;
    server.host
}

pub async fn stream_items() -> Host {
    let mut server = Server::with(|limits| limits.stream_items = 3).await;
    let mut raw = server.attacker().await;
    raw.send(&streaming(1, 5)).await;
    take(&server.gate.entered, 1).await;
    let item = frame(kind::ITEM, &[5, 1]);
    raw.send(&item.repeat(3)).await;
    raw.is_served(2).await;
    raw.send(&item).await;
    let refused = Violation::MoreThanCredit.to_string();
    assert_eq!(raw.abort().await, Some((20, refused)));
    server.goes_on().await;
    server.host
}

pub async fn stream_bytes() -> Host {
    let mut server = Server::with(|limits| limits.stream_bytes = 20_000).await;
    let mut raw = server.attacker().await;
    raw.send(&streaming(1, 5)).await;
    take(&server.gate.entered, 1).await;
    // One that is longer counts no more than half of it.
    let long = frame(kind::ITEM, &[&[5][..], &[1; 30_000]].concat());
    raw.send(&long.repeat(2)).await;
    raw.is_served(2).await;
    raw.send(&frame(kind::ITEM, &[5, 1])).await;
    let refused = Violation::MoreThanCredit.to_string();
    assert_eq!(raw.abort().await, Some((20, refused)));
    server.goes_on().await;
    server.host
}
