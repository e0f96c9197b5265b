//! The place of a call in a trace, as W3C Trace Context has it.

use std::fmt;
use std::sync::Arc;

use crate::id::random_bytes;
use crate::payload::header_of;

/// How many bytes a place in a trace has on the wire: trace id, span id, flags.
pub(crate) const TRACE_BYTES: usize = 25;

/// How many bytes a state has at most.
pub(crate) const MAX_STATE: usize = 512;

/// How many tracers have something in a state, at most.
const MAX_MEMBERS: usize = 32;

/// How long their names are, and what they have there, at most.
const MAX_MEMBER: usize = 256;

/// The one flag that has a meaning.
const SAMPLED: u8 = 1;

/// The place of a call in a trace: which trace, which span of it, whether somebody records it, and what the tracers on
/// the way have noted there.
///
/// Displayed, it is the value of a `traceparent` header, of version 00.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// The name of the header that carries it: `traceparent`.
    pub const HEADER: &str = "traceparent";

    /// The name of the header that carries its state: `tracestate`.
    pub const STATE_HEADER: &str = "tracestate";

    /// A place in a trace, without a state; none if an id is all zeros, which stands for no id.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) -> Option<Self> {
        let is_there = trace_id != [0; 16] && span_id != [0; 8];
        is_there.then_some(Self {
            trace_id,
            span_id,
            sampled,
            state: None,
        })
    }

    /// The first span of a new trace, sampled, with random ids.
    pub fn begin() -> Self {
        Self {
            trace_id: random_id(),
            span_id: random_id(),
            sampled: true,
            state: None,
        }
    }

    /// A new span below this one, with the same state.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: random_id(),
            ..self.clone()
        }
    }

    /// The same place with another state.
    ///
    /// - `state`: the value of a `tracestate` header: names and values of at most 32 tracers, of at most 512 bytes in all. What is
    ///   none leaves the place without a state.
    #[must_use]
    pub fn with_state(self, state: &str) -> Self {
        let state = is_state(state).then(|| state.into());
        Self { state, ..self }
    }

    /// The same place, with the state of what it continues if it has none of its own.
    pub(crate) fn or_state_of(self, above: &Self) -> Self {
        let is_without = self.state.is_none() && self.trace_id == above.trace_id;
        match is_without {
            true => Self {
                state: above.state.clone(),
                ..self
            },
            false => self,
        }
    }

    /// Where headers place a call: by the first `traceparent`, and the first `tracestate`. Nowhere without a `traceparent`.
    pub fn of_headers(headers: &[(String, String)]) -> Option<Self> {
        let place = Self::parse(header_of(headers, Self::HEADER)?)?;
        Some(match header_of(headers, Self::STATE_HEADER) {
            Some(state) => place.with_state(state),
            None => place,
        })
    }

    /// The headers that place a call there.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (String, String)> {
        let own = (Self::HEADER.to_owned(), self.to_string());
        let state = self.state.as_deref();
        let state = state.map(|state| (Self::STATE_HEADER.to_owned(), state.to_owned()));
        std::iter::once(own).chain(state)
    }

    /// Reads the value of a `traceparent` header, of version 00 or a later one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let [version] = digits(parts.next()?)?;
        let trace_id = digits(parts.next()?)?;
        let span_id = digits(parts.next()?)?;
        let [flags] = digits(parts.next()?)?;
        // Later versions may go on after this, and 255 is none.
        let goes_on = parts.next().is_some();
        if version == 0xff || (version == 0 && goes_on) {
            return None;
        }
        Self::new(trace_id, span_id, flags & SAMPLED != 0)
    }

    /// Which trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// Which span of it.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Whether the span may be recorded where it was made.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// What the tracers on the way have noted: the value of a `tracestate` header.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Its form on the wire, without its state.
    pub(crate) fn to_bytes(&self) -> [u8; TRACE_BYTES] {
        let mut bytes = [0; TRACE_BYTES];
        let all = self.trace_id.into_iter().chain(self.span_id);
        let all = all.chain([u8::from(self.sampled)]);
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads its form on the wire.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (span_id, rest) = rest.split_first_chunk()?;
        let [flags] = rest else { return None };
        Self::new(*trace_id, *span_id, flags & SAMPLED != 0)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, span_id) = (Hex(&self.trace_id), Hex(&self.span_id));
        write!(f, "00-{trace_id}-{span_id}-{:02x}", u8::from(self.sampled))
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({self})")
    }
}

/// Whether a text can be a state: a list of names and values, with commas between them and perhaps blanks around.
pub(crate) fn is_state(text: &str) -> bool {
    let parts = text.split(',').map(|part| part.trim_matches([' ', '\t']));
    let mut members = parts.filter(|part| !part.is_empty());
    text.len() <= MAX_STATE
        && (1..=MAX_MEMBERS).contains(&members.clone().count())
        && members.all(is_member)
}

fn is_member(member: &str) -> bool {
    let Some((name, value)) = member.split_once('=') else {
        return false;
    };
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_named = |byte: u8| is_letter(byte) || b"_-*/@".contains(&byte);
    let is_shown = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    (1..=MAX_MEMBER).contains(&name.len())
        && (1..=MAX_MEMBER).contains(&value.len())
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(is_named)
        && value.bytes().all(is_shown)
}

/// Bytes as hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An id that nobody else has, and that is not all zeros.
fn random_id<const N: usize>() -> [u8; N] {
    loop {
        let id = random_bytes();
        if id != [0; N] {
            return id;
        }
    }
}

/// Reads exactly so many bytes, in hexadecimal digits of lower case.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let mut value = 0;
        for digit in pair {
            let is_lower = matches!(digit, b'0'..=b'9' | b'a'..=b'f');
            let digit = char::from(*digit).to_digit(16).filter(|_| is_lower)?;
            value = value << 4 | u8::try_from(digit).ok()?;
        }
        *byte = value;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_header_is_read_and_written() {
        let context = TraceContext::parse(TEXT).unwrap();
        assert_eq!(context.to_string(), TEXT);
        assert!(context.is_sampled());
        assert_eq!(context.span_id(), *b"\xb7\xad\x6b\x71\x69\x20\x33\x31");
        assert_eq!(TraceContext::from_bytes(&context.to_bytes()), Some(context));
        let quiet = TraceContext::parse(&TEXT.replace("-01", "-00")).unwrap();
        assert!(!quiet.is_sampled());
        assert!(!quiet.child().is_sampled());
    }

    #[test]
    fn a_state_is_kept_by_new_spans_and_stands_in_a_header_of_its_own() {
        let longest = format!("a={},b={}", "x".repeat(256), "y".repeat(251));
        assert_eq!(longest.len(), MAX_STATE);
        let most = "a=1,".repeat(MAX_MEMBERS);
        for state in [
            "rojo=00f067aa0ba902b7",
            "1a-_*/@b=~ !, ,\tc=d ",
            &longest,
            &most,
        ] {
            let place = TraceContext::parse(TEXT).unwrap().with_state(state);
            assert_eq!(place.state(), Some(state));
            assert_eq!(place.child().state(), Some(state));
            let headers: Vec<_> = place.headers().collect();
            assert_eq!(headers[1], ("tracestate".to_owned(), state.to_owned()));
            assert_eq!(TraceContext::of_headers(&headers), Some(place));
            assert_eq!(TraceContext::of_headers(&headers[1..]), None);
        }
    }

    #[test]
    fn a_state_that_is_malformed_or_too_long_is_dropped() {
        let long = format!("a={},b={}", "x".repeat(256), "y".repeat(252));
        let long_value = format!("a={}", "x".repeat(257));
        let long_name = format!("{}=1", "a".repeat(257));
        let many = "a=1,".repeat(MAX_MEMBERS + 1);
        let place = || TraceContext::parse(TEXT).unwrap().with_state("a=1");
        for state in [
            "",
            " , ",
            "a",
            "=1",
            "a=",
            "A=1",
            "_a=1",
            "a b=1",
            "a=1=2",
            "a=1,b",
            "a=\u{1}",
            "a=1\r\nx: y",
            "a=\u{7f}",
            "a=1\0",
            "a=ä",
            "ä=1",
            &long,
            &long_value,
            &long_name,
            &many,
        ] {
            assert_eq!(place().with_state(state).state(), None, "{state:?}");
        }
    }

    #[test]
    fn a_later_version_may_say_more_and_is_answered_with_this_one() {
        let later = format!("cc{}-and-more", &TEXT[2..]);
        let context = TraceContext::parse(&later).unwrap();
        assert_eq!(context.to_string(), TEXT);
    }

    #[test]
    fn what_is_malformed_is_none() {
        let zeros = TEXT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        let no_span = TEXT.replace("b7ad6b7169203331", &"0".repeat(16));
        let upper = TEXT.to_uppercase();
        let more = format!("{TEXT}-00");
        let none = TEXT.replacen("00", "ff", 1);
        let odd = [
            "",
            "00",
            "00-aa-bb-01",
            "00-é-b7ad6b7169203331-01",
            &TEXT[..54],
        ];
        for text in odd
            .into_iter()
            .chain([&*zeros, &*no_span, &*upper, &*more, &*none])
        {
            assert_eq!(TraceContext::parse(text), None, "{text:?}");
        }
        assert_eq!(TraceContext::from_bytes(&[0; 25]), None);
        assert_eq!(TraceContext::from_bytes(&[1; 24]), None);
    }

    #[test]
    fn new_ids_are_of_their_own_and_never_zero() {
        let (first, second) = (TraceContext::begin(), TraceContext::begin());
        assert_ne!(first.trace_id(), second.trace_id());
        let child = first.child();
        assert_eq!(child.trace_id(), first.trace_id());
        assert_ne!(child.span_id(), first.span_id());
        let own = TraceContext::new(child.trace_id(), child.span_id(), true);
        assert_eq!(own, Some(child));
    }
}
