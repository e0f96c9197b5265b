//! What a peer can do wrong.
//!
//! One variant for each way to break a rule of `PROTOCOL.md`. A violation ends
//! the session; what only concerns one call is an error of that call instead and
//! is not found here.

use std::fmt;

macro_rules! violations {
    ($($name:ident = $rule:literal, $text:literal;)*) => {
        /// A rule of `PROTOCOL.md` that a peer has broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Violation {
            $(#[doc = concat!("Rule ", $rule, ": ", $text, ".")] $name,)*
        }

        impl Violation {
            /// All violations there are, in the order of the rules.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Names the broken rule as `PROTOCOL.md` does, "F2" for example.
            pub const fn rule(&self) -> &'static str {
                match self {
                    $(Self::$name => $rule,)*
                }
            }

            const fn text(&self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

violations! {
    NumberNotShortest = "N1", "a number is not in its shortest form";
    NumberTooLarge = "N2", "a number is larger than its field allows";
    IdTooLarge = "N3", "an id is not below 2^30";
    TextNotUtf8 = "N5", "a text is not UTF-8";
    TextTooLong = "N6", "a text is longer than its field allows";
    FrameTooLong = "F2", "a frame is longer than the announced limit";
    FlagNotAllowed = "F3", "a flag is set that its kind of frame does not have";
    UnknownCriticalKind = "F4", "a frame is of an unknown critical kind";
    FrameEndsEarly = "F6", "a frame ends in the middle of a field";
    TrailingBytes = "F7", "bytes are left over behind the last field";
    HeaderKeyTwice = "H2", "a header key occurs twice";
    BadReferences = "K3", "a reference table is empty, too long or has an entry of a kind that may not stand there";
    BadTrace = "K4", "a trace context is not 25 bytes long";
    BadIdempotencyKey = "K5", "an idempotency key is empty or longer than 64 bytes";
    TooManyPairs = "K10", "user pairs exceed 64 in number or 8 KiB in all";
    BadLockTokens = "K12", "a list of lock tokens is empty, too long or not of whole tokens";
    UnknownHelloKey = "L1", "a HELLO has an unknown critical key";
    BadCodecs = "L6", "a HELLO announces no codec or more than 32";
    BadMaxFrame = "L8", "a HELLO announces a frame limit outside its range";
    BadMaxMessage = "L10", "a HELLO announces a message limit that is too small";
    BadSessionKey = "L14", "a HELLO names a session, or proves it, by other than 16 bytes";
    BadWindow = "L26", "a HELLO announces less room for streams than it must";
    UnknownTarget = "M1", "a call has a target of an unknown kind";
    AnswerPathNotEmpty = "M1", "a call reaches into an answer, which is not defined yet";
    ErrorWithoutCode = "M3", "an error has the code 0";
    UnknownExecuted = "M3", "an error does not tell whether the call was executed";
    ReleaseOfNothing = "M5", "a slot is released zero times";
    UnknownContinuation = "M12", "a continuation is of an unknown kind";
    UnknownResolve = "M13", "a RESOLVE asks for something unknown";
    BadResolveKey = "M13", "the key of a RESOLVE is malformed or too long";
    BadResolveAnswer = "M13", "the answer of a RESOLVE is malformed";
    FrameBeforeHello = "S1", "a frame came before HELLO";
    SecondHello = "S1", "a second HELLO came";
    HelloTooLate = "S2", "no HELLO came in time";
    TooMuchBeforeHello = "S3", "too many calls or bytes came before the peer had our HELLO";
    CallIdOutOfRange = "S4", "a call id is not below the announced number of calls";
    CallIdInUse = "S5", "a call id is used again before its call was answered and forgotten";
    UnknownCallAnswered = "S6", "an answer came for a call that is not open";
    ReleaseOfMoreThanHeld = "S9", "more references are released than were given";
    UnknownAnswerForgotten = "S10", "an answer is forgotten that is not kept";
    AcceptedTooMuch = "S13", "a GOAWAY accepts more frames than were sent";
    TooManyPings = "S15", "too many pings";
    TooManyCancels = "S16", "too many cancels";
    TooManyBadRequests = "S17", "too many bad requests";
    StreamIdOutOfRange = "S28", "the id of a stream is not below the announced number of streams";
    StreamIdInUse = "S28", "the id of a stream is used again before both sides have ended it";
    UnknownStream = "S28", "an item or an end came for a stream that is not open";
    ItemInParts = "S29", "an item goes on in a CONT, which is not defined yet";
    MoreThanCredit = "S30", "more items came of a stream than there was credit for";
    TooMuchCredit = "S30", "a stream was given more credit than can be counted";
    AckOfUnsent = "S34", "more frames are confirmed than were sent";
    FramesBehindPlea = "S35", "frames came behind the HELLO of a session that is resumed";
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (rule {})", self.text(), self.rule())
    }
}

impl std::error::Error for Violation {}
