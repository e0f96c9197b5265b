//! Each rule that a peer can break: the session ends, and the ABORT names the rule.

use remoting_core::wire::{
    CallId, HeaderBlock, MethodId, ResolveWhat, Slot, Violation, WireFault, kind, write_cancel,
    write_error, write_release,
};

use crate::raw::*;
use crate::support::*;

/// Rules that are broken elsewhere: by time, or by a server.
const ELSEWHERE: &[Violation] = &[
    // `limits::times`.
    Violation::HelloTooLate,
    // Over a socket the HELLO of this side is on its way before anything can come.
    Violation::TooMuchBeforeHello,
    // `mirror`.
    Violation::BadResolveAnswer,
    // `resume`.
    Violation::AckOfUnsent,
    Violation::FramesBehindPlea,
];

const HDR: u8 = 0x80;

/// What breaks each rule. The bytes follow a greeting and a RESOLVE with the id 0, whose
/// answer is slot 0.
fn breaches() -> Vec<(Violation, Vec<u8>)> {
    let mut all = numbers_and_frames();
    all.extend(headers());
    all.extend(messages());
    all.extend(sessions());
    all.extend(streams());
    all
}

fn numbers_and_frames() -> Vec<(Violation, Vec<u8>)> {
    let cancel = |body: &[u8]| frame(kind::CANCEL, body);
    let reason = |text: &[u8]| {
        let length = number(u64::try_from(text.len()).unwrap());
        frame(kind::GO_AWAY, &[&[0, 0], &length[..], text].concat())
    };
    vec![
        (Violation::NumberNotShortest, cancel(&[0x80, 0])),
        (Violation::NumberTooLarge, cancel(&[0xff; 11])),
        (Violation::NumberTooLarge, cancel(&number(1 << 32))),
        (Violation::IdTooLarge, cancel(&number(1 << 30))),
        (Violation::TextNotUtf8, reason(&[0xff, 0xfe])),
        (Violation::TextTooLong, reason(&[b'a'; 1025])),
        (Violation::FrameTooLong, vec![0xff, 0xff, 0xff, kind::CALL]),
        (Violation::FrameTooLong, vec![1, 0, 4, kind::CALL]),
        (Violation::FlagNotAllowed, frame(kind::CANCEL | HDR, &[0])),
        (Violation::FrameEndsEarly, frame(kind::PING, &[])),
        (Violation::TrailingBytes, cancel(&[1, 1])),
    ]
}

/// A CALL with these entries in its header.
fn with_entries(entries: &[u8]) -> Vec<u8> {
    let mut body = vec![1, 0];
    body.extend_from_slice(&MethodId::of("add").0.to_le_bytes());
    body.extend(number(u64::try_from(entries.len()).unwrap()));
    body.extend_from_slice(entries);
    frame(kind::CALL | HDR, &body)
}

fn headers() -> Vec<(Violation, Vec<u8>)> {
    let pair = [10, 2, 1, b'a'];
    vec![
        (Violation::HeaderKeyTwice, with_entries(&[2, 1, 9, 2, 1, 9])),
        (Violation::BadReferences, with_entries(&[3, 1, 9])),
        (Violation::BadTrace, with_entries(&[4, 1, 0])),
        (Violation::BadIdempotencyKey, with_entries(&[5, 0])),
        (Violation::TooManyPairs, with_entries(&pair.repeat(65))),
        (Violation::BadLockTokens, with_entries(&[12, 3, 1, 2, 3])),
    ]
}

fn messages() -> Vec<(Violation, Vec<u8>)> {
    let failure = |code, executed| {
        let mut out = Vec::new();
        let fault = WireFault {
            code,
            executed,
            retry_after_ms: 0,
            text: "",
            payload: &[],
        };
        write_error(&mut out, CallId(1), &HeaderBlock::new(), &fault).unwrap();
        out
    };
    let mut what = resolve(1, "probe");
    what[5] = 4;
    let path = [1, 1, 1, 0, 0, 0, 0];
    vec![
        (
            Violation::UnknownTarget,
            frame(kind::CALL, &[1, 2, 0, 0, 0, 0]),
        ),
        (Violation::AnswerPathNotEmpty, frame(kind::CALL, &path)),
        (Violation::ErrorWithoutCode, failure(0, 0)),
        (Violation::UnknownExecuted, failure(3, 3)),
        (
            Violation::ReleaseOfNothing,
            frame(kind::RELEASE, &[1, 0, 0, 0]),
        ),
        (Violation::UnknownContinuation, frame(kind::CONT, &[3])),
        (Violation::UnknownResolve, what),
        (Violation::BadResolveKey, resolve(1, &"a".repeat(257))),
        (
            Violation::BadResolveKey,
            resolve_as(1, ResolveWhat::Cast, "Probe", ""),
        ),
    ]
}

fn release(slots: &[(Slot, u32)], calls: &[CallId]) -> Vec<u8> {
    let mut out = Vec::new();
    write_release(&mut out, slots, calls).unwrap();
    out
}

fn sessions() -> Vec<(Violation, Vec<u8>)> {
    let cancel = {
        let mut out = Vec::new();
        write_cancel(&mut out, CallId(9));
        out
    };
    let ping = frame(kind::PING, &[0; 9]);
    let twice = [call(1, 0, "wait", &[]), call(1, 0, "add", &[])].concat();
    vec![
        (Violation::SecondHello, frame(kind::HELLO, &[])),
        (Violation::CallIdOutOfRange, call(1024, 0, "wait", &[])),
        (Violation::CallIdOutOfRange, resolve((1 << 30) - 1, "probe")),
        (Violation::CallIdInUse, twice),
        (Violation::CallIdInUse, resolve(0, "probe")),
        (Violation::UnknownCallAnswered, returned(0, &[])),
        (
            Violation::ReleaseOfMoreThanHeld,
            release(&[(Slot(0), 2)], &[]),
        ),
        (
            Violation::ReleaseOfMoreThanHeld,
            release(&[(Slot(77), 1)], &[]),
        ),
        (
            Violation::ReleaseOfMoreThanHeld,
            release(&[(Slot(0), 1), (Slot(0), 1)], &[]),
        ),
        (
            Violation::UnknownAnswerForgotten,
            release(&[], &[CallId(5)]),
        ),
        (
            Violation::UnknownAnswerForgotten,
            release(&[], &[CallId(0), CallId(0)]),
        ),
        (Violation::AcceptedTooMuch, frame(kind::GO_AWAY, &[1, 0, 0])),
        (Violation::TooManyPings, ping.repeat(20)),
        (Violation::TooManyCancels, cancel.repeat(1500)),
        (
            Violation::TooManyBadRequests,
            many(|id| call(id, 99, "add", &[])),
        ),
        (
            Violation::TooManyBadRequests,
            many(|id| call(id, 0, "no", &[])),
        ),
        (
            Violation::TooManyBadRequests,
            many(|id| call(id, 0, "add", &[0xc0])),
        ),
        (Violation::TooManyBadRequests, many(with_a_key)),
    ]
}

/// Broken rules of streams.
fn streams() -> Vec<(Violation, Vec<u8>)> {
    let begin = |stream: u8| with_entries(&[3, 2, 4, stream]);
    let item = |payload: &[u8]| frame(kind::ITEM, &[&[7], payload].concat());
    let long = item(&[1; 100_000]);
    let credit = [&[0][..], &number(u64::from(u32::MAX)), &[1]].concat();
    let credit = frame(kind::CREDIT | 0x20, &credit);
    vec![
        (
            Violation::StreamIdOutOfRange,
            with_entries(&[3, 3, 4, 128, 1]),
        ),
        (Violation::StreamIdInUse, [begin(7), begin(7)].concat()),
        (Violation::UnknownStream, item(&[1])),
        (Violation::UnknownStream, frame(kind::END, &[7, 0])),
        (Violation::UnknownStream, frame(kind::END | 0x20, &[7, 0])),
        (Violation::UnknownStream, frame(kind::CREDIT, &[7, 1, 1])),
        (
            Violation::ItemInParts,
            [begin(7), frame(kind::ITEM | 0x40, &[7, 1])].concat(),
        ),
        (Violation::ItemInParts, frame(kind::CONT, &[30, 1])),
        (
            Violation::MoreThanCredit,
            [begin(7), item(&[1]).repeat(16_385)].concat(),
        ),
        (
            Violation::MoreThanCredit,
            [begin(7), long.repeat(11)].concat(),
        ),
        (
            Violation::TooMuchCredit,
            // Twice: what was given by the HELLO may have been used up.
            [call(1, 0, "zeros", &[]), credit.clone(), credit].concat(),
        ),
    ]
}

/// A request under many numbers.
fn many(request: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (1..700).flat_map(request).collect()
}

/// A call with a header that has to be understood and cannot be.
fn with_a_key(_: u32) -> Vec<u8> {
    // It is refused at once, and its number free again.
    with_entries(&[101, 0])
}

/// HELLOs that break a rule, or come too late.
fn greetings() -> Vec<(Violation, Vec<u8>)> {
    let hello = |entries: &[u8]| {
        let length = number(u64::try_from(entries.len()).unwrap());
        frame(kind::HELLO | HDR, &[&length[..], entries].concat())
    };
    let codecs = [&[6, 33][..], &[1; 33]].concat();
    let agent = [&[2][..], &number(129), &[b'a'; 129]].concat();
    vec![
        (Violation::UnknownHelloKey, hello(&[31, 0])),
        (Violation::BadCodecs, hello(&[6, 0])),
        (Violation::BadCodecs, hello(&codecs)),
        (Violation::BadMaxFrame, hello(&[8, 1, 0])),
        (Violation::BadMaxMessage, hello(&[10, 1, 9])),
        (Violation::BadSessionKey, hello(&[14, 1, 1])),
        (Violation::BadSessionKey, hello(&[16, 0])),
        (Violation::BadWindow, hello(&[26, 4, 16, 1, 255, 127])),
        (Violation::BadWindow, hello(&[26, 5, 15, 1, 128, 128, 1])),
        (Violation::TextTooLong, hello(&agent)),
        (Violation::TextNotUtf8, hello(&[2, 1, 0xff])),
        (Violation::HeaderKeyTwice, hello(&[12, 1, 1, 12, 1, 1])),
        (Violation::FrameBeforeHello, resolve(0, "probe")),
        (Violation::FrameBeforeHello, frame(kind::PING, &[0; 9])),
        (Violation::FrameBeforeHello, frame(24, &[])),
        (Violation::UnknownCriticalKind, frame(18, &[])),
        (Violation::FrameTooLong, vec![0xff, 0xff, 0xff, kind::HELLO]),
    ]
}

async fn ends_with(mut raw: Raw, broken: Violation, bytes: &[u8]) {
    raw.send(bytes).await;
    let end = raw.abort().await;
    assert_eq!(
        end,
        Some((20, broken.to_string())),
        "{:02x?}",
        &bytes[..bytes.len().min(40)]
    );
    assert!(
        broken
            .to_string()
            .contains(&format!("(rule {})", broken.rule()))
    );
}

#[test]
fn each_rule_that_is_broken_ends_the_session_and_is_named() {
    within_patience(async {
        let mut server = Server::new().await;
        for (broken, bytes) in breaches() {
            ends_with(server.attacker().await, broken, &bytes).await;
            server.goes_on().await;
        }
    });
}

#[test]
fn each_rule_of_greetings_that_is_broken_ends_the_session_and_is_named() {
    within_patience(async {
        let mut server = Server::new().await;
        for (broken, bytes) in greetings() {
            let mut raw = Raw::connect(&server.address).await;
            raw.send(&remoting_core::wire::PREFACE).await;
            ends_with(raw, broken, &bytes).await;
            server.goes_on().await;
        }
    });
}

#[test]
fn no_rule_is_left_out() {
    let mut broken: Vec<_> = breaches()
        .into_iter()
        .chain(greetings())
        .map(first)
        .collect();
    broken.extend(ELSEWHERE);
    for violation in Violation::ALL {
        assert!(broken.contains(violation), "{violation:?}");
    }
}

fn first((violation, _): (Violation, Vec<u8>)) -> Violation {
    violation
}

#[test]
fn unknown_kinds_are_refused_or_skipped_by_their_number() {
    within_patience(async {
        let mut server = Server::new().await;
        for critical in 18..24 {
            let raw = server.attacker().await;
            ends_with(
                raw,
                Violation::UnknownCriticalKind,
                &frame(critical, b"new"),
            )
            .await;
        }
        let mut raw = server.attacker().await;
        for ignorable in 24..32 {
            for flags in 0..8 {
                raw.send(&frame(ignorable | flags << 5, b"new")).await;
            }
        }
        raw.is_served(1).await;
        server.goes_on().await;
    });
}

#[test]
fn what_is_not_in_use_is_refused_or_ignored_and_the_session_goes_on() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        let (keep, more) = (0x20, 0x40);
        for flag in [keep, keep | more] {
            let mut bytes = call(1, 0, "add", &packed(&(1, 2)));
            bytes[3] |= flag;
            raw.send(&bytes).await;
            let failure = raw.failure().await;
            assert_eq!((failure.code, failure.executed), (18, 0), "{failure:?}");
        }
        raw.send(&frame(kind::RENEW, &[1, 0, 9])).await;
        assert_eq!(raw.failure().await.code, 18);
        let ignored = [
            frame(kind::CONT, &[4, 1]),
            frame(kind::CREDIT | 0x20, &[5, 1, 1]),
            frame(kind::ACK, &[9]),
            frame(kind::PONG, &[0; 9]),
            frame(kind::CANCEL, &[9]),
        ];
        raw.send(&ignored.concat()).await;
        raw.is_served(1).await;
        server.goes_on().await;
    });
}
