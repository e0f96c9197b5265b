//! What travels beside the arguments of a call: deadline, interface, callers, and the
//! caller's own headers, as both ends write and read it.

use std::fmt::Write as _;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use remoting_core::sink::TraceContext;
use remoting_core::wire::{LockToken, LockTokens, MAX_PAIR_BYTES, MAX_PAIRS};
use remoting_core::{CallMessage, InterfaceId};

/// How a caller says that it waits for no answer (RFC 7240).
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long the caller will wait, in milliseconds.
pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static("remoting-timeout-ms");
/// The number of the interface that the caller's proxy has, in 16 hexadecimal digits.
pub(crate) const INTERFACE: HeaderName = HeaderName::from_static("remoting-interface");
/// Whether the server's code ran: `yes`, `no` or `unknown`. In every answer to a call.
pub(crate) const EXECUTED: HeaderName = HeaderName::from_static("remoting-executed");
/// How long the lease of an object runs that a constructor has made, in seconds.
pub(crate) const LEASE: HeaderName = HeaderName::from_static("remoting-lease");
/// How many calls stand above this one.
const DEPTH: HeaderName = HeaderName::from_static("remoting-depth");
/// The locks that those hold: 16 hexadecimal digits each, with commas between them.
const LOCKS: HeaderName = HeaderName::from_static("remoting-locks");
/// The caller's own headers, written like a form: `name=value&other=value`.
const PAIRS: HeaderName = HeaderName::from_static("remoting-headers");
/// W3C Trace Context, which handlers find among the caller's own headers.
const TRACE: HeaderName = HeaderName::from_static(TraceContext::HEADER);
/// What the tracers on the way have noted there.
const TRACE_STATE: HeaderName = HeaderName::from_static(TraceContext::STATE_HEADER);

/// Stands for a request that may be sent again (the draft "The Idempotency-Key HTTP Header Field").
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was kept from an earlier request.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("remoting-replayed");

/// The event that a caller has got last of a stream that it wants to go on with (HTML, "Server-sent events").
pub(crate) const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// The headers that a page of another origin may send.
pub(crate) const SENT_BY_PAGES: &str = "authorization, content-type, remoting-timeout-ms, remoting-interface, \
    remoting-headers, traceparent, tracestate, idempotency-key, last-event-id";

/// The headers of answers that a page of another origin may read.
pub(crate) const READ_BY_PAGES: &str = "remoting-executed, retry-after, location, remoting-lease, \
    remoting-replayed, remoting-headers";

/// What a call says beside its arguments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CallHeaders {
    pub(crate) timeout: Option<Duration>,
    pub(crate) interface: Option<InterfaceId>,
    pub(crate) depth: u32,
    pub(crate) locks: LockTokens,
    pub(crate) pairs: Vec<(String, String)>,
    /// What the request is known by if it is sent again.
    pub(crate) key: Option<String>,
}

impl CallHeaders {
    /// Those of a call that leaves.
    pub(crate) fn of(call: &CallMessage) -> Self {
        Self {
            timeout: Some(call.deadline),
            interface: Some(call.interface),
            depth: call.depth,
            locks: call.locks.clone(),
            pairs: call.headers.clone(),
            key: None,
        }
    }

    /// Appends them to the headers of a request.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(timeout) = self.timeout {
            let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            headers.insert(TIMEOUT, HeaderValue::from(ms));
        }
        if let Some(InterfaceId(id)) = self.interface {
            put(headers, INTERFACE, &sixteen_digits(id));
        }
        if self.depth > 0 {
            headers.insert(DEPTH, HeaderValue::from(self.depth));
        }
        if !self.locks.is_empty() {
            put(headers, LOCKS, write_locks(&self.locks).as_bytes());
        }
        let place = TraceContext::of_headers(&self.pairs);
        if let Some(place) = &place {
            put(headers, TRACE, place.to_string().as_bytes());
            if let Some(state) = place.state() {
                put(headers, TRACE_STATE, state.as_bytes());
            }
        }
        let is_other = |(name, _): &&(String, String)| place.is_none() || !is_of_trace(name);
        let others: Vec<_> = self.pairs.iter().filter(is_other).collect();
        if !others.is_empty() {
            write_pairs(headers, others);
        }
    }

    /// Reads them from a request of anybody's.
    ///
    /// # Errors
    ///
    /// The name of a header that cannot be read, or is there twice.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, &'static str> {
        let mut known = Known::default();
        for (name, value) in headers {
            known.take(name, value)?;
        }
        let Known([timeout, interface, depth, locks, pairs, trace, key]) = known;
        let timeout = read(timeout, "Remoting-Timeout-Ms", digits)?;
        let interface = read(interface, "Remoting-Interface", hexadecimal)?;
        let depth = read(depth, "Remoting-Depth", |text| {
            u32::try_from(digits(text)?).ok()
        })?;
        let locks = read(locks, "Remoting-Locks", read_locks)?;
        let pairs = read(pairs, "Remoting-Headers", read_pairs)?;
        let mut pairs: Vec<(String, String)> = pairs.unwrap_or_default();
        let trace = read(trace, "traceparent", |text| Some(text.to_owned()))?;
        if let Some(trace) = trace {
            let state = TraceContext::parse(&trace).and_then(|place| state_of(place, headers));
            pairs.retain(|(name, _)| !is_of_trace(name));
            pairs.push((TraceContext::HEADER.to_owned(), trace));
            pairs.extend(state.map(|state| (TraceContext::STATE_HEADER.to_owned(), state)));
        }
        Ok(Self {
            timeout: timeout.map(Duration::from_millis),
            interface: interface.map(InterfaceId),
            depth: depth.unwrap_or(0),
            locks: locks.unwrap_or_default(),
            pairs,
            key: read(key, "Idempotency-Key", |text| Some(text.to_owned()))?,
        })
    }
}

/// The headers of a call, as they are named and shown. All are found in one pass, since most calls
/// have few of them.
static NAMES: [(HeaderName, &str); 7] = [
    (TIMEOUT, "Remoting-Timeout-Ms"),
    (INTERFACE, "Remoting-Interface"),
    (DEPTH, "Remoting-Depth"),
    (LOCKS, "Remoting-Locks"),
    (PAIRS, "Remoting-Headers"),
    (TRACE, "traceparent"),
    (KEY, "Idempotency-Key"),
];

/// Their values, in the order of [`NAMES`].
#[derive(Default)]
struct Known<'a>([Option<&'a HeaderValue>; NAMES.len()]);

impl<'a> Known<'a> {
    fn take(&mut self, name: &HeaderName, value: &'a HeaderValue) -> Result<(), &'static str> {
        for (place, (known, shown)) in self.0.iter_mut().zip(&NAMES) {
            if known == name && place.replace(value).is_some() {
                return Err(shown);
            }
        }
        Ok(())
    }
}

/// Appends headers of the user's own to those of a request or an answer.
pub(crate) fn write_pairs<'a>(
    headers: &mut HeaderMap,
    pairs: impl IntoIterator<Item = &'a (String, String)>,
) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    put(headers, PAIRS, form.finish().as_bytes());
}

/// The headers of the user's own in an answer; none if they cannot be read.
pub(crate) fn pairs_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let value = headers.get(PAIRS).and_then(|value| value.to_str().ok());
    value.and_then(read_pairs).unwrap_or_default()
}

/// Whether a name is that of a header of W3C Trace Context.
fn is_of_trace(name: &str) -> bool {
    let names = [TraceContext::HEADER, TraceContext::STATE_HEADER];
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The state of a place in a trace: several headers are one list (RFC 9110, section 5.3).
fn state_of(place: TraceContext, headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(TRACE_STATE).iter().map(HeaderValue::to_str);
    let lines: Vec<&str> = lines.collect::<Result<_, _>>().ok()?;
    let place = place.with_state(&lines.join(","));
    place.state().map(str::to_owned)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}

fn read<T>(
    value: Option<&HeaderValue>,
    name: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, &'static str> {
    let Some(value) = value else {
        return Ok(None);
    };
    let parsed = value.to_str().ok().and_then(parse);
    parsed.map(Some).ok_or(name)
}

/// A number without a sign.
fn digits(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// As many pairs, and as long, as a session carries (PROTOCOL.md, section 5).
fn read_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut room = MAX_PAIR_BYTES;
    let mut pairs = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        room = room.checked_sub(name.len().checked_add(value.len())?)?;
        if pairs.len() == MAX_PAIRS {
            return None;
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    Some(pairs)
}

fn sixteen_digits(number: u64) -> [u8; 16] {
    let digit = |place: usize| {
        let nibble = number >> (60 - 4 * place) & 0xF;
        b"0123456789abcdef"[nibble as usize]
    };
    std::array::from_fn(digit)
}

/// Sixteen digits, in either case, and nothing else.
fn hexadecimal(text: &str) -> Option<u64> {
    let mut digits = text.bytes();
    let number = digits.try_fold(0_u64, |number, digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(number << 4 | u64::from(digit))
    });
    number.filter(|_| text.len() == 16)
}

fn write_locks(locks: &LockTokens) -> String {
    let mut text = String::new();
    for LockToken(bytes) in locks.as_slice() {
        let comma = if text.is_empty() { "" } else { "," };
        let _infallible = write!(text, "{comma}{:016x}", u64::from_be_bytes(*bytes));
    }
    text
}

fn read_locks(text: &str) -> Option<LockTokens> {
    text.split(',').try_fold(LockTokens::EMPTY, |locks, token| {
        locks.with(LockToken(hexadecimal(token.trim())?.to_be_bytes()))
    })
}

/// Whether a caller says that it waits for no answer.
pub(crate) fn prefers_no_answer(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter();
    let mut words = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"respond-async"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(headers: &CallHeaders) -> HeaderMap {
        let mut map = HeaderMap::new();
        headers.write(&mut map);
        map
    }

    #[test]
    fn what_one_side_writes_the_other_reads() {
        let locks = LockTokens::EMPTY.with(LockToken([1; 8])).unwrap();
        let headers = CallHeaders {
            timeout: Some(Duration::from_millis(1500)),
            interface: Some(InterfaceId(0xAB)),
            depth: 3,
            locks: locks.with(LockToken([0xFE; 8])).unwrap(),
            pairs: vec![("a b".to_owned(), "ä=&\n".to_owned()); 2],
            key: None,
        };
        assert_eq!(CallHeaders::read(&written(&headers)), Ok(headers));
        let nothing = CallHeaders::default();
        assert!(written(&nothing).is_empty());
        assert_eq!(CallHeaders::read(&HeaderMap::new()), Ok(nothing));
    }

    #[test]
    fn the_context_of_a_trace_is_one_of_the_callers_headers() {
        let mut map = HeaderMap::new();
        map.insert("traceparent", HeaderValue::from_static("00-ab-cd-01"));
        let read = CallHeaders::read(&map).unwrap();
        let pair = ("traceparent".to_owned(), "00-ab-cd-01".to_owned());
        assert_eq!(read.pairs, [pair]);
    }

    #[test]
    fn the_context_of_a_trace_has_a_header_of_its_own_and_what_is_none_has_not() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let pair = |value: &str| ("traceparent".to_owned(), value.to_owned());
        let headers = CallHeaders {
            pairs: vec![pair(text)],
            ..CallHeaders::default()
        };
        let map = written(&headers);
        assert_eq!(map["traceparent"], text);
        assert!(!map.contains_key("remoting-headers"));
        assert_eq!(CallHeaders::read(&map), Ok(headers));
        let none = CallHeaders {
            pairs: vec![pair("none")],
            ..CallHeaders::default()
        };
        let map = written(&none);
        assert!(!map.contains_key("traceparent"));
        assert_eq!(CallHeaders::read(&map), Ok(none));
    }

    #[test]
    fn the_state_of_a_trace_has_a_header_of_its_own_and_several_are_one_list() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = CallHeaders {
            pairs: vec![pair("traceparent", text), pair("tracestate", "a=1,b=2")],
            ..CallHeaders::default()
        };
        let mut map = written(&headers);
        assert_eq!(map["tracestate"], "a=1,b=2");
        assert!(!map.contains_key("remoting-headers"));
        assert_eq!(CallHeaders::read(&map), Ok(headers));
        map.append("tracestate", HeaderValue::from_static("c=3"));
        let read = CallHeaders::read(&map).unwrap();
        assert_eq!(read.pairs[1], pair("tracestate", "a=1,b=2,c=3"));
    }

    #[test]
    fn a_state_that_is_malformed_or_too_long_or_without_a_trace_is_dropped() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let long = format!("a=1,b={}", "x".repeat(507));
        let odd: [&[u8]; 5] = [b"", b"a", b"a=\x80", b"a=\tb=1", long.as_bytes()];
        let odd = odd.map(|state| (text, state));
        for (trace, state) in odd
            .into_iter()
            .chain([("00-ab-cd-01", &b"a=1"[..]), ("", b"a=1")])
        {
            let mut map = HeaderMap::new();
            put(&mut map, TRACE_STATE, state);
            if !trace.is_empty() {
                put(&mut map, TRACE, trace.as_bytes());
            }
            let pairs = CallHeaders::read(&map).unwrap().pairs;
            assert!(
                pairs.iter().all(|(name, _)| name == "traceparent"),
                "{pairs:?}"
            );
            assert_eq!(pairs.len(), usize::from(!trace.is_empty()));
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let many = vec!["0123456789abcdef"; 17];
        let different: Vec<_> = (0..17).map(|number| format!("{number:016x}")).collect();
        for (name, value) in [
            ("Remoting-Timeout-Ms", "soon"),
            ("Remoting-Timeout-Ms", "-1"),
            ("Remoting-Timeout-Ms", "+1"),
            ("Remoting-Headers", &"a=1&".repeat(65)),
            ("Remoting-Headers", &format!("a={}", "x".repeat(8192))),
            ("Remoting-Interface", "ab"),
            ("Remoting-Interface", "+123456789abcdef"),
            ("Remoting-Depth", "4294967296"),
            ("Remoting-Locks", ""),
            ("Remoting-Locks", &different.join(",")),
        ] {
            let mut map = HeaderMap::new();
            let key: HeaderName = name.parse().unwrap();
            map.insert(key.clone(), HeaderValue::from_str(value).unwrap());
            assert_eq!(CallHeaders::read(&map), Err(name), "{value}");
            map.append(key, HeaderValue::from_static("0"));
            assert_eq!(CallHeaders::read(&map), Err(name), "twice");
        }
        // The same token again is one token.
        assert!(read_locks(&many.join(",")).is_some());
    }
}
