//! The keys of the table `[limits]`, one for each field of [`Limits`], and those of `[channels.NAME.limits]`, one for
//! each field of [`ChannelLimits`].

use std::time::Duration;

use remoting_core::{ChannelLimits, Limits};

use super::schema::{Key, Kind, SOME_TIME, TIME, with_default};
use super::value::Value;

const KIB: u64 = 1024;

/// Sizes of frames: no less than the protocol asks for, and no more than a frame can hold.
const FRAME: Kind = Kind::Size {
    least: 16 * KIB,
    most: 0xff_ffff,
};

/// Sizes of all else.
const SIZE: Kind = Kind::Size {
    least: 16 * KIB,
    most: 64 * KIB * KIB * KIB,
};

/// How many there may be, at least one.
const SOME: Kind = Kind::Number {
    least: 1,
    most: 1_000_000_000,
};

/// How many there may be, if any.
const ANY: Kind = Kind::Number {
    least: 0,
    most: 1_000_000_000,
};

/// How deep something may go: each step takes room on the stack.
const DEPTH: Kind = Kind::Number {
    least: 1,
    most: 512,
};

/// No fewer than the protocol asks for.
const STREAMS: Kind = Kind::Number {
    least: 16,
    most: 1_000_000,
};

const THREADS: Kind = Kind::Number {
    least: 1,
    most: 10_000,
};

/// What a field of the limits can be set to.
trait FromValue: Sized {
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for usize {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::try_from(*number).ok(),
            Value::Size(size) => Self::try_from(*size).ok(),
            _ => None,
        }
    }
}

impl FromValue for u32 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::try_from(*number).ok(),
            _ => None,
        }
    }
}

impl FromValue for Duration {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Time(time) => *time,
            _ => None,
        }
    }
}

/// What a channel may have of its own.
mod own {
    use super::{FromValue, Value};

    pub(super) use super::super::schema::key;

    pub(super) fn set<T: FromValue>(limit: &mut Option<T>, value: &Value) {
        *limit = T::from_value(value);
    }
}

macro_rules! limits {
    ($($name:literal $field:ident $kind:ident $default:literal $doc:literal $(, $own:ident)?;)+) => {
        /// The keys of `[limits]`.
        pub(super) const LIMITS: &[Key] = &[
            $(with_default(concat!("limits.", $name), $kind, $default, $doc),)+
        ];

        /// The keys of `[channels.NAME.limits]`.
        pub(super) const LIMITS_OF_CHANNELS: &[Key] = &[
            $($($own::key(
                concat!("channels.*.limits.", $name),
                $kind,
                concat!($doc, " (without it, as [limits] has it)"),
            ),)?)+
        ];

        /// Sets one of the limits of the host, if there is such a one and the value fits.
        pub(super) fn set(limits: &mut Limits, name: &str, value: &Value) {
            match name {
                $($name => limits.$field = FromValue::from_value(value).unwrap_or(limits.$field),)+
                _ => {}
            }
        }

        /// The same for a channel.
        pub(super) fn set_of_channel(limits: &mut ChannelLimits, name: &str, value: &Value) {
            match name {
                $($($name => $own::set(&mut limits.$field, value),)?)+
                _ => {}
            }
        }
    };
}

limits! {
    "max-frame" max_frame FRAME "\"256 KiB\"" "the longest body of a frame", own;
    "max-message" max_message SIZE "\"4 MiB\"" "the longest message", own;
    "assembly" assembly SIZE "\"16 MiB\"" "what is kept in one session of messages that are not whole", own;
    "depth" depth DEPTH "64" "how deep values may nest", own;
    "elements" elements SOME "1000000" "how many values one message may hold", own;
    "calls-per-session" calls_per_session SOME "1024" "how many calls may be under way in one session", own;
    "calls-per-host" calls_per_host SOME "16384" "how many calls a host runs at once";
    "call-depth" call_depth DEPTH "16" "how many calls may stand above one";
    "queued-per-object" queued_per_object SOME "1024" "how many calls may wait for the lock of one object";
    "connections" connections SOME "10000" "how many connections are accepted at once", own;
    "connections-per-address" connections_per_address SOME "1024" "how many connections one address may have", own;
    "handshakes" handshakes SOME "512" "how many connections may be in their handshake", own;
    "handshake-time" handshake_time SOME_TIME "\"5s\"" "how long a new connection has for its first frame", own;
    "idle-time" idle_time SOME_TIME "\"2m\"" "how long an unused connection is kept at least", own;
    "ping-after" ping_after SOME_TIME "\"15s\"" "how long a peer may be silent until it is asked", own;
    "pong-within" pong_within SOME_TIME "\"10s\"" "how long a peer may take to answer that", own;
    "resume-window" resume_window TIME "\"1m\"" "how long a session that has lost its connection waits for another", own;
    "detached-sessions" detached_sessions ANY "10000" "how many accepted sessions wait so at once";
    "unsent" unsent SIZE "\"8 MiB\"" "how much may wait to be written until nothing more is read", own;
    "write-stall" write_stall SOME_TIME "\"10s\"" "how long writing may make no progress", own;
    "cancels-per-second" cancels_per_second SOME "200" "how many cancels a second a peer may send", own;
    "pings-per-second" pings_per_second SOME "2" "how many pings a second a peer may send", own;
    "bad-requests-per-second" bad_requests_per_second SOME "100" "how many bad requests a second a peer may send", own;
    "default-deadline" default_deadline SOME_TIME "\"30s\"" "how long a call may take unless its caller says otherwise", own;
    "max-deadline" max_deadline SOME_TIME "\"5m\"" "how long any call may run", own;
    "objects-per-session" objects_per_session SOME "10000" "how many objects clients may hold in one session", own;
    "objects-per-host" objects_per_host SOME "1000000" "how many objects a host keeps for its clients";
    "objects-per-principal" objects_per_principal SOME "100000" "how many objects one caller may have made for itself";
    "activations-per-second" activations_per_second SOME "1000" "how many objects a second one caller may have made";
    "streams-per-session" streams_per_session STREAMS "64" "how many streams may be open at once in one session, each way", own;
    "stream-items" stream_items SOME "16384" "how many items of a stream may come that nobody reads", own;
    "stream-bytes" stream_bytes SIZE "\"1 MiB\"" "how many bytes of such items", own;
    "lease-renewal" lease_renewal SOME_TIME "\"1h\"" "for how long a lease is renewed at once";
    "sponsors-per-object" sponsors_per_object ANY "4" "how many sponsors an object may have";
    "sponsor-calls" sponsor_calls SOME "64" "how many sponsors a host asks at once";
    "tickets" tickets ANY "65536" "how many objects a host keeps for those who hold a ticket";
    "kept-answers" kept_answers ANY "4096" "how many answers are kept for requests that may be sent again", own;
    "lingering-streams" lingering_streams ANY "1024" "how many streams wait for callers that have lost their connections", own;
    "tombstones" tombstones ANY "65536" "how many names of former publications a host remembers";
    "blocking-threads" blocking_threads THREADS "64" "how many threads methods may block at once";
}
