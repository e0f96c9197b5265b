//! The vectors that this crate can write, made by its own writers.

use remoting_core::wire::*;

/// The names of vectors and the bytes that the writers make for them.
pub(crate) fn written() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = calls();
    all.extend(answers());
    all.extend(resolves());
    all.extend(streams());
    all.extend(session());
    all.extend(aborts());
    all
}

fn made(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

const WITHDRAW: MethodId = MethodId::of("withdraw");

fn calls() -> Vec<(&'static str, Vec<u8>)> {
    let plain = HeaderBlock::new();
    let mut full = HeaderBlock::new();
    full.set_deadline_ms(250);
    full.set_codec(0);
    full.add_pair("tenant", "blue").expect("a small pair");
    let locks = LockTokens::EMPTY
        .with(LockToken([1, 2, 3, 4, 5, 6, 7, 8]))
        .expect("one token");
    full.set_locks(&locks);
    let mut traced = HeaderBlock::new();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    traced.add_header("traceparent", trace).expect("small");
    let mut noted = traced.clone();
    noted.add_header("tracestate", "rojo=00f").expect("small");
    let referring = HeaderBlock::new().with_references([
        Referred::Senders {
            slot: Slot(3),
            interface: InterfaceId::of("Counter"),
        },
        Referred::Receivers(Slot(0)),
    ]);
    let promised = HeaderBlock::new().with_references([Referred::Answer(CallId(0))]);
    let slot = Target::Slot(Slot(2));
    let answer = Target::Answer(CallId(0));
    let call = |target, header: &HeaderBlock, payload: &[u8]| {
        made(|out| write_call(out, CallId(1), target, WITHDRAW, header, payload).expect("small"))
    };
    vec![
        ("call", call(slot, &plain, &[0x91, 30])),
        ("call-with-header", call(slot, &full, b"[30]")),
        ("call-with-trace", call(slot, &traced, &[0x91, 30])),
        ("call-with-trace-state", call(slot, &noted, &[0x91, 30])),
        (
            "call-with-references",
            call(slot, &referring, &[0x92, 0, 1]),
        ),
        ("call-on-answer", call(answer, &plain, &[0x91, 30])),
        (
            "call-with-answer-as-argument",
            call(slot, &promised, &[0x91, 0]),
        ),
        (
            "call-kept",
            made(|out| {
                let payload = &[0x91, 30];
                write_kept_call(out, CallId(1), slot, WITHDRAW, &plain, payload).expect("small");
            }),
        ),
        (
            "post",
            made(|out| write_post(out, slot, WITHDRAW, &plain, &[0x91, 30]).expect("small")),
        ),
        ("cancel", made(|out| write_cancel(out, CallId(1)))),
    ]
}

fn answers() -> Vec<(&'static str, Vec<u8>)> {
    let plain = HeaderBlock::new();
    let error = |fault: &WireFault<'_>| {
        made(|out| write_error(out, CallId(1), &plain, fault).expect("small"))
    };
    let gone = WireFault {
        code: 4,
        executed: 0,
        retry_after_ms: 0,
        text: "the object was released",
        payload: &[3],
    };
    let app = WireFault {
        code: 16,
        executed: 1,
        retry_after_ms: 0,
        text: "",
        payload: &[0x05],
    };
    let overloaded = WireFault {
        code: 10,
        executed: 0,
        retry_after_ms: 200,
        text: "busy",
        payload: &[],
    };
    let mut answer = Payload::new();
    ResolveAnswer {
        slot: Slot(2),
        signature: 0x0123_4567_89ab_cdef,
    }
    .write(&mut answer);
    let answer = answer.as_slice();
    let mut costing = HeaderBlock::new();
    costing.add_pair("cost", "7").expect("small");
    let returned = |call, header: &HeaderBlock, payload: &[u8]| {
        made(|out| write_return(out, CallId(call), header, payload).expect("small"))
    };
    vec![
        ("return", returned(1, &plain, &[70])),
        ("resolve-answer", returned(0, &plain, answer)),
        ("resolve-answer-with-header", returned(0, &costing, answer)),
        ("error-object-gone", error(&gone)),
        ("error-app", error(&app)),
        ("return-with-header", returned(1, &costing, &[70])),
        (
            "error-with-header",
            made(|out| write_error(out, CallId(1), &costing, &app).expect("small")),
        ),
        ("error-overloaded", error(&overloaded)),
    ]
}

fn resolves() -> Vec<(&'static str, Vec<u8>)> {
    let plain = HeaderBlock::new();
    let resolve = |what, key: &[u8], payload: &[u8]| {
        let interface = InterfaceId::of("Counter");
        let request = ResolveRequest {
            what,
            interface,
            signature: 0x0123_4567_89ab_cdef,
            key,
        };
        made(|out| write_resolve(out, CallId(0), &request, &plain, payload).expect("small"))
    };
    let activate = ResolveWhat::Activate(MethodId::of("add"));
    vec![
        ("resolve-name", resolve(ResolveWhat::Name, b"counter", &[])),
        (
            "resolve-activate",
            resolve(activate, b"counter", &[0x91, 41]),
        ),
        (
            "resolve-ticket",
            resolve(ResolveWhat::Ticket, b"rt1.AAAAAAAAAAAAAAAAAAAAAA", &[]),
        ),
        ("resolve-cast", resolve(ResolveWhat::Cast, &[2], &[])),
    ]
}

fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let plain = HeaderBlock::new();
    let streaming = HeaderBlock::new().with_references([Referred::Stream(StreamId(5))]);
    let slot = Target::Slot(Slot(2));
    let stream = StreamId(5);
    let credit = Credit {
        stream,
        yours: true,
        items: 16,
        bytes: 65_536,
    };
    let fault = |code, text| WireFault {
        code,
        executed: 1,
        retry_after_ms: 0,
        text,
        payload: &[],
    };
    let end = |yours, fault: Option<WireFault<'_>>| {
        made(|out| write_end(out, stream, yours, &plain, fault.as_ref()).expect("small"))
    };
    vec![
        (
            "call-with-stream",
            made(|out| {
                write_call(out, CallId(1), slot, WITHDRAW, &streaming, &[0x91, 0]).expect("small");
            }),
        ),
        (
            "item",
            made(|out| write_item(out, stream, &plain, &[0x2a]).expect("small")),
        ),
        ("credit", made(|out| write_credit(out, credit))),
        ("end-complete", end(false, None)),
        ("end-failed", end(false, Some(fault(15, "failed")))),
        ("end-seen", end(true, None)),
        ("end-left", end(true, Some(fault(1, "enough")))),
    ]
}

fn session() -> Vec<(&'static str, Vec<u8>)> {
    let hello = Hello {
        agent: "example/1.0".to_owned(),
        codecs: vec![1, 0],
        ..Hello::default()
    };
    let token = Hello {
        token: Some(remoting_core::Secret::new("open sesame")),
        ..Hello::default()
    };
    let window = Hello {
        window: Some(Window {
            streams: 128,
            items: 4096,
            bytes: 262_144,
        }),
        ..Hello::default()
    };
    let resumed = Hello {
        features: RESUMES,
        session: Some(SessionId([0xa5; 16])),
        secret: Some(ResumeSecret([0x5a; 16])),
        rx_count: 300,
        resume_ms: 60_000,
        ..Hello::default()
    };
    let ping = Ping {
        rx_count: 0,
        opaque: 7,
    };
    let release = |out: &mut Vec<u8>| {
        write_release(out, &[(Slot(2), 1), (Slot(300), 4)], &[CallId(0)]).expect("small");
    };
    let go_away = GoAway {
        accepted: 12,
        drain_ms: 10_000,
        reason: "shutting down",
    };
    vec![
        ("hello", made(|out| write_hello(out, &hello))),
        ("hello-of-a-session", made(|out| write_hello(out, &resumed))),
        ("hello-with-token", made(|out| write_hello(out, &token))),
        ("hello-with-window", made(|out| write_hello(out, &window))),
        ("release", made(release)),
        ("ping", made(|out| write_ping(out, ping))),
        ("pong", made(|out| write_pong(out, ping))),
        ("goaway", made(|out| write_go_away(out, &go_away))),
    ]
}

fn aborts() -> Vec<(&'static str, Vec<u8>)> {
    let abort = |code, text| made(|out| write_abort(out, &Abort { code, text }));
    vec![
        ("abort-bye", abort(BYE, "")),
        ("abort-protocol", abort(20, "rule F2")),
        ("abort-unauthenticated", abort(7, "who are you")),
    ]
}
