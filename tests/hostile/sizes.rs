//! Much for little: lengths that are only announced, values that nest, lists without end.

use crate::objects::*;
use crate::raw::*;
use crate::support::*;

/// How much memory the process may write to, in KiB.
#[cfg(target_os = "linux")]
fn data_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmData:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_length_that_is_only_announced_takes_no_memory() {
    within_patience(async {
        let mut server = Server::with(|limits| {
            limits.max_frame = 16 << 20;
            limits.max_message = 16 << 20;
        })
        .await;
        let mut before = Vec::new();
        for _ in 0..200 {
            before.push(server.attacker().await);
        }
        let start = data_kib();
        for raw in &mut before {
            // Almost 16 MiB, of which ten bytes come.
            raw.send(&[
                0xf0, 0xff, 0xff, 1, 1, 0, 1, 2, 3, 4, 0xdd, 0xff, 0xff, 0xff,
            ])
            .await;
        }
        for _ in 0..20 {
            server.goes_on().await;
        }
        let grown = data_kib().saturating_sub(start);
        assert!(grown < 1 << 20, "{grown} KiB for 3 GiB that never came");
    });
}

#[test]
fn a_small_payload_that_announces_much_is_refused_at_once() {
    let announced: &[&[u8]] = &[
        // One argument: a list of 2^32 - 1 numbers, of which one comes.
        &[0x91, 0xdd, 0xff, 0xff, 0xff, 0xff, 1],
        // 2^32 - 1 arguments.
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        // A text of 4 GiB.
        &[0x91, 0xdb, 0xff, 0xff, 0xff, 0xff, b'a'],
        // A map of 2^32 - 1 pairs.
        &[0x91, 0xdf, 0xff, 0xff, 0xff, 0xff],
        // An extension type.
        &[0x91, 0xc9, 0xff, 0xff, 0xff, 0xff, 1],
        // Bytes behind the arguments.
        &[0x91, 0x90, 0xc0],
        &[0xc1],
    ];
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        for payload in announced {
            raw.send(&call(1, 0, "sum", payload)).await;
            let failure = raw.failure().await;
            assert_eq!((failure.code, failure.executed), (6, 0), "{failure:?}");
        }
        // A million values of nothing.
        let nils = [&[0x91, 0xdc, 0xff, 0xff][..], &[0xc0; 0xffff]].concat();
        raw.send(&call(1, 0, "sum", &nils)).await;
        assert_eq!(raw.failure().await.code, 6);
        server.goes_on().await;
    });
}

/// A nest of so many levels, as MessagePack.
fn nest(levels: usize) -> Vec<u8> {
    // [{"inside": {"inside": … nil}}], each with a name.
    let level = [&[0x82, 0xa4][..], b"name", &[0xa1, b'x', 0xa6], b"inside"].concat();
    let inner = [&[0x81, 0xa4][..], b"name", &[0xa0]].concat();
    [&[0x91][..], &level.repeat(levels - 1), &inner].concat()
}

/// A runtime whose threads have little stack.
fn on_small_stacks(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    within_patience_on(builder.thread_stack_size(512 * 1024), test);
}

#[test]
fn values_that_nest_are_read_to_a_depth_that_a_small_stack_bears() {
    on_small_stacks(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        // The list of arguments is one level too.
        raw.send(&call(1, 0, "depth", &nest(63))).await;
        let payload = packed(&63);
        assert_eq!(raw.answer().await, Some(Seen::Return { call: 1, payload }));
        for levels in [64, 65, 500, 1024, 10_000] {
            let deep = nest(levels);
            raw.send(&call(1, 0, "depth", &deep)).await;
            let failure = raw.failure().await;
            assert_eq!((failure.code, failure.executed), (6, 0), "{failure:?}");
            assert!(failure.text.contains("64 levels"), "{failure:?}");
        }
        server.goes_on().await;
    });
}

#[test]
fn what_nests_where_nobody_looks_is_refused_all_the_same() {
    on_small_stacks(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        let lists = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
        // In a field that the type does not have, in an argument too many, of no argument at all.
        let field = [&[0x91, 0x81, 0xa1, b'z'][..], &lists(100_000)].concat();
        let extra = [&[0x93, 1, 2][..], &lists(100_000)].concat();
        for (method, payload) in [("depth", field), ("add", extra), ("next", lists(100_000))] {
            raw.send(&call(1, 0, method, &payload)).await;
            let failure = raw.failure().await;
            assert_eq!((failure.code, failure.executed), (6, 0), "{failure:?}");
        }
        let json = [&b"["[..], &b"[".repeat(100_000), &b"]".repeat(100_001)].concat();
        let mut header = remoting_core::wire::HeaderBlock::new();
        header.set_codec(0);
        let slot = remoting_core::wire::Target::Slot(remoting_core::wire::Slot(0));
        raw.send(&call_with(1, slot, "depth", &header, &json)).await;
        assert_eq!(raw.failure().await.code, 6);
        server.goes_on().await;
    });
}

#[test]
fn nests_that_the_callers_own_types_make_too_deep_are_refused_with_a_reason() {
    on_small_stacks(async {
        let server = Server::new().await;
        let mut deep = Nest::default();
        for _ in 0..100 {
            deep = Nest {
                name: "x".to_owned(),
                inside: Some(Box::new(deep)),
            };
        }
        let error = server.probe().depth(deep).await.unwrap_err();
        assert!(error.message().contains("64"), "{error}");
    });
}
