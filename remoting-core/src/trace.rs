//! The place of a call in a trace, as W3C Trace Context has it.

use std::fmt;

use crate::id::random_bytes;

/// How many bytes a place in a trace has on the wire: trace id, span id, flags.
pub(crate) const TRACE_BYTES: usize = 25;

/// The one flag that has a meaning.
const SAMPLED: u8 = 1;

/// The place of a call in a trace: which trace, which span of it, and whether somebody records it.
///
/// Displayed, it is the value of a `traceparent` header, of version 00.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

impl TraceContext {
    /// The name of the header that carries it: `traceparent`.
    pub const HEADER: &str = "traceparent";

    /// A place in a trace; none if an id is all zeros, which stands for no id.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) -> Option<Self> {
        let is_there = trace_id != [0; 16] && span_id != [0; 8];
        is_there.then_some(Self {
            trace_id,
            span_id,
            sampled,
        })
    }

    /// The first span of a new trace, sampled, with random ids.
    pub fn begin() -> Self {
        Self {
            trace_id: random_id(),
            span_id: random_id(),
            sampled: true,
        }
    }

    /// A new span below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: random_id(),
            ..*self
        }
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

    /// Its form on the wire.
    pub(crate) fn to_bytes(self) -> [u8; TRACE_BYTES] {
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
