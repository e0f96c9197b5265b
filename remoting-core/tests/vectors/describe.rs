//! What a message says, in the words of the vector file: the kind and then its
//! fields; what is absent, empty or not set is left out.

use std::fmt::Write;

use remoting_core::wire::{
    Call, ContOf, Header, Hello, Message, Ping, Referred, Release, Resolve, ResolveWhat,
    ResumeSecret, SessionId, Target, WireFault,
};

/// Puts a message into one line.
pub(crate) fn describe(message: &Message<'_>) -> String {
    match message {
        Message::Hello(hello) => describe_hello(hello),
        Message::Call(call) => describe_call(call),
        Message::Return(reply) => {
            let parts = payload_parts(reply.more, &reply.header, reply.payload);
            format!("RETURN call={}{parts}", reply.call.0)
        }
        Message::Error(error) => {
            let outcome = fault(&error.fault);
            format!(
                "ERROR call={}{}{outcome}",
                error.call.0,
                header(&error.header)
            )
        }
        Message::Cancel(call) => format!("CANCEL call={}", call.0),
        Message::Release(release) => describe_release(release),
        Message::Ping(ping) => format!("PING {}", describe_ping(ping)),
        Message::Pong(pong) => format!("PONG {}", describe_ping(pong)),
        Message::Resolve(resolve) => describe_resolve(resolve),
        Message::GoAway(away) => {
            let reason = away.reason;
            format!(
                "GOAWAY accepted={} drain_ms={} reason={reason:?}",
                away.accepted, away.drain_ms
            )
        }
        Message::Post(post) => {
            let parts = payload_parts(false, &post.header, post.payload);
            format!(
                "POST {} method={:08x}{parts}",
                target(post.target),
                post.method.0
            )
        }
        Message::Abort(abort) => format!("ABORT code={} text={:?}", abort.code, abort.text),
        Message::Ignored(kind) => format!("skipped kind={kind}"),
        later => describe_later(later),
    }
}

/// The kinds that are read but not in use yet.
fn describe_later(message: &Message<'_>) -> String {
    match message {
        Message::Renew(renew) => {
            let wanted = renew.wanted_ms;
            format!(
                "RENEW call={} slot={} wanted_ms={wanted}",
                renew.call.0, renew.slot.0
            )
        }
        Message::Item(item) => {
            let parts = payload_parts(item.more, &item.header, item.payload);
            format!("ITEM stream={}{parts}", item.stream.0)
        }
        Message::Credit(credit) => {
            let stream = format!("stream={}{}", credit.stream.0, flag("yours", credit.yours));
            format!(
                "CREDIT {stream} items={} bytes={}",
                credit.items, credit.bytes
            )
        }
        Message::End(end) => {
            let stream = format!("stream={}{}", end.stream.0, flag("yours", end.yours));
            let outcome = end.fault.as_ref().map_or(" complete".to_owned(), fault);
            format!("END {stream}{}{outcome}", header(&end.header))
        }
        Message::Cont(cont) => {
            let of = match cont.of {
                ContOf::Call(call) => format!("call={}", call.0),
                ContOf::Return(call) => format!("return={}", call.0),
                ContOf::Item(stream) => format!("stream={}", stream.0),
            };
            format!(
                "CONT {of}{}{}",
                flag("more", cont.more),
                bytes("payload", cont.payload)
            )
        }
        Message::Ack(rx_count) => format!("ACK rx_count={rx_count}"),
        other => format!("{other:?}"),
    }
}

fn describe_call(call: &Call<'_>) -> String {
    let parts = payload_parts(call.more, &call.header, call.payload);
    let keep = flag("keep", call.keep);
    let (target, method) = (target(call.target), call.method.0);
    format!(
        "CALL call={} {target} method={method:08x}{keep}{parts}",
        call.call.0
    )
}

fn describe_ping(ping: &Ping) -> String {
    format!("rx_count={} opaque={:016x}", ping.rx_count, ping.opaque)
}

fn describe_release(release: &Release<'_>) -> String {
    let slots = release
        .slots
        .iter()
        .map(|(slot, count)| format!(" slot={}x{count}", slot.0));
    let calls = release.calls.iter().map(|call| format!(" call={}", call.0));
    format!("RELEASE{}", slots.chain(calls).collect::<String>())
}

fn describe_resolve(resolve: &Resolve<'_>) -> String {
    let request = &resolve.request;
    let what = match request.what {
        ResolveWhat::Name => "name".to_owned(),
        ResolveWhat::Activate(constructor) => format!("activate={:08x}", constructor.0),
        ResolveWhat::Ticket => "ticket".to_owned(),
        ResolveWhat::Cast => "cast".to_owned(),
    };
    let hashes = (request.interface.0, request.signature);
    let interface = format!("interface={:016x} signature={:016x}", hashes.0, hashes.1);
    let parts = payload_parts(resolve.more, &resolve.header, resolve.payload);
    format!(
        "RESOLVE call={} {what} {interface}{}{parts}",
        resolve.call.0,
        bytes("key", request.key)
    )
}

fn payload_parts(more: bool, block: &Header<'_>, payload: &[u8]) -> String {
    format!(
        "{}{}{}",
        flag("more", more),
        header(block),
        bytes("payload", payload)
    )
}

fn describe_hello(hello: &Hello) -> String {
    let sizes = format!(
        "max_frame={} max_message={}",
        hello.max_frame, hello.max_message
    );
    let window = hello.window.map_or_else(String::new, |window| {
        format!(
            " window={},{},{}",
            window.streams, window.items, window.bytes
        )
    });
    let resumed = match (hello.session, hello.secret) {
        (Some(SessionId(id)), Some(ResumeSecret(secret))) => format!(
            "{}{} resume_ms={}",
            bytes("session", &id),
            bytes("secret", &secret),
            hello.resume_ms
        ),
        _ => String::new(),
    };
    format!(
        "HELLO agent={:?} features={}{} {sizes} max_calls={} rx_count={} heartbeat_ms={}{window}{resumed}{}",
        hello.agent,
        hello.features,
        bytes("codecs", &hello.codecs),
        hello.max_calls,
        hello.rx_count,
        hello.heartbeat_ms,
        hello.token.as_ref().map_or_else(String::new, |token| {
            format!(" token={:?}", token.expose())
        }),
    )
}

fn target(target: Target) -> String {
    match target {
        Target::Slot(slot) => format!("slot={}", slot.0),
        Target::Answer(call) => format!("answer={}", call.0),
    }
}

fn fault(fault: &WireFault<'_>) -> String {
    let executed = ["no", "yes", "unknown"][usize::from(fault.executed)];
    let payload = bytes("payload", fault.payload);
    format!(
        " code={} executed={executed} retry_after_ms={} text={:?}{payload}",
        fault.code, fault.retry_after_ms, fault.text,
    )
}

fn header(header: &Header<'_>) -> String {
    let mut text = String::new();
    let mut add = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a string takes all");
    if let Some(left) = header.deadline_ms {
        add(format_args!(" deadline_ms={left}"));
    }
    for referred in header.references.iter() {
        match referred {
            Referred::Senders { slot, interface } => {
                add(format_args!(
                    " reference=senders:{}:{:016x}",
                    slot.0, interface.0
                ));
            }
            Referred::Receivers(slot) => add(format_args!(" reference=receivers:{}", slot.0)),
            Referred::Answer(call) => add(format_args!(" reference=answer:{}", call.0)),
            Referred::Stream(stream) => add(format_args!(" reference=stream:{}", stream.0)),
        }
    }
    if let Some(trace) = header.trace {
        add(format_args!("{}", bytes("trace", trace)));
    }
    if let Some(state) = header.trace_state {
        add(format_args!("{}", bytes("trace_state", state)));
    }
    if let Some(key) = header.idempotency_key {
        add(format_args!("{}", bytes("idempotency_key", key)));
    }
    for (name, value) in header.user.iter() {
        add(format_args!(" pair={name:?}:{value:?}"));
    }
    if let Some(codec) = header.codec {
        add(format_args!(" codec={codec}"));
    }
    if header.depth > 0 {
        add(format_args!(" depth={}", header.depth));
    }
    for token in header.locks.as_slice() {
        add(format_args!("{}", bytes("lock", &token.0)));
    }
    if let Some(key) = header.unknown_critical {
        add(format_args!(" unknown_critical={key}"));
    }
    text
}

fn flag(name: &str, set: bool) -> String {
    if set {
        format!(" {name}")
    } else {
        String::new()
    }
}

fn bytes(name: &str, bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(" {name}={hex}")
}
