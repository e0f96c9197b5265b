//! Every bound that a peer can run into, in one place, with a counter for each.
//!
//! A field of [`Limits`], the one of the same name in [`ChannelLimits`], if a channel can have it, and the
//! counter in [`Counters`] are written once, by the macro below, so that none can be forgotten.

use std::error::Error as _;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Fault;

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:expr $(, $of_channel:ident)?;)+) => {
        /// The bounds of a host. All are on by default and all may be changed; some of them for one channel alone, by
        /// [`ChannelLimits`].
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $name: $kind,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// The bounds that a channel may have of its own. Without one, that of its host's [`Limits`] holds.
        ///
        /// They hold for all that goes through the channel: for the connections that it accepts and for those that it
        /// dials, for requests over HTTP and for calls that leave through it. An own bound stands in the place of the
        /// host's, and may be wider. How many connections there are is counted for the channel and for the host:
        /// the host's bound holds besides, for all its channels together.
        ///
        /// Requests over HTTP have no session, and so nothing of what is a session's; WebSockets have one. Where a channel
        /// is mounted in a server of somebody else's, the connections are that server's, and so are their bounds.
        /// `depth` and `elements` are those of calls that come in: answers have the ones of `Limits::default()`.
        ///
        /// What counts for the host as a whole is no channel's: calls and objects of a host, quotas of a
        /// principal, blocking threads, tickets, tombstones. Nor is what belongs to an object, whatever channel it is
        /// reached by: the queue at its lock, its sponsors and its lease. Nor is how many calls stand above one, which
        /// may have come through several channels.
        ///
        /// Where a bound of a channel is reached, the host's [`Counters`] count it.
        ///
        /// ```
        /// # use remoting_core::{ChannelLimits, channel::InProcessChannel};
        /// let mut limits = ChannelLimits::default();
        /// limits.connections = Some(100);
        /// limits.max_message = Some(64 * 1024);
        /// let narrow = InProcessChannel::listen("narrow").limits(limits);
        /// ```
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct ChannelLimits {
            $($(
                #[doc = concat!("[`Limits::", stringify!($name), "`] of the channel, ", how!($of_channel), ".")]
                pub $name: Option<$kind>,
            )?)+
        }

        impl ChannelLimits {
            /// The bounds that hold for a channel of a host.
            pub(crate) fn on(&self, host: &Limits) -> Limits {
                let mut limits = host.clone();
                $($($of_channel(&mut limits.$name, self.$name);)?)+
                limits
            }
        }

        /// How often each bound of [`Limits`], or of a channel's [`ChannelLimits`], was reached.
        #[derive(Debug, Default)]
        #[non_exhaustive]
        pub struct Counters {
            $(
                #[doc = concat!("How often [`Limits::", stringify!($name), "`] was reached.")]
                pub $name: Counter,
            )+
        }

        impl Counters {
            /// The name of each bound, with how often it was reached.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)+]
            }
        }
    };
}

/// A bound of a channel that holds in the place of its host's.
fn instead<T>(limit: &mut T, own: Option<T>) {
    if let Some(own) = own {
        *limit = own;
    }
}

/// A bound of a channel that holds besides its host's, so that the narrower one decides.
fn besides<T: Ord>(limit: &mut T, own: Option<T>) {
    if let Some(own) = own.filter(|own| own < limit) {
        *limit = own;
    }
}

/// What [`instead`] and [`besides`] mean, for the docs.
macro_rules! how {
    (instead) => {
        "in the place of the host's"
    };
    (besides) => {
        "besides the host's, which holds for all its channels together"
    };
}

limits! {
    /// The longest body of a frame, in bytes.
    max_frame: usize = 256 * 1024, instead;
    /// The longest message, in bytes, in as many frames as it needs; no frame is longer. Longer ones are neither
    /// taken nor sent.
    max_message: usize = 4 * 1024 * 1024, instead;
    /// How many bytes are kept in one session of messages that are not whole yet, of calls that wait
    /// for the answers of others, and of answers longer than a frame that the peer has
    /// not taken.
    assembly: usize = 16 * 1024 * 1024, instead;
    /// How deep values may nest.
    depth: usize = 64, instead;
    /// How many values one message may hold.
    elements: usize = 1_000_000, instead;
    /// How many calls may be under way in one session, in each direction; answers that are kept for calls
    /// on them count too.
    calls_per_session: usize = 1024, instead;
    /// How many calls of all sessions together a host runs at once.
    calls_per_host: usize = 16_384;
    /// How many calls may stand above one, each made by the handler of the one before it.
    call_depth: usize = 16;
    /// How many calls may wait for the lock of one object.
    queued_per_object: usize = 1024;
    /// How many connections a host accepts at once.
    connections: usize = 10_000, besides;
    /// How many connections one address may have. IPv6 addresses that begin with the same 64 bits count as one.
    connections_per_address: usize = 1024, besides;
    /// How many accepted connections may be in their handshake.
    handshakes: usize = 512, besides;
    /// How long a new connection has until its first frame has come, or the head of its first request.
    handshake_time: Duration = Duration::from_secs(5), instead;
    /// How long a connection without calls and without held objects is kept at least. It is gone
    /// after twice that time.
    idle_time: Duration = Duration::from_secs(120), instead;
    /// How long a peer may be silent until it is asked whether it is there.
    ping_after: Duration = Duration::from_secs(15), instead;
    /// How long a peer may take to answer that.
    pong_within: Duration = Duration::from_secs(10), instead;
    /// How long a session that has lost its connection waits for another one; zero for not at all. The shorter time of
    /// the two sides holds.
    resume_window: Duration = Duration::from_secs(60), instead;
    /// How many accepted sessions of a host may wait so, with 16 KiB kept for each on the average. One more ends when it loses
    /// its connection, and so does one that comes to keep more than there is room for. One address may have as many of them as connections, and a quarter of the bytes.
    detached_sessions: usize = 10_000;
    /// How many bytes may wait to be written to one connection until nothing more is read from
    /// it; at the side that has dialled, eight times as many, or eight frames, or both could wait for each other. Answers of calls that run already still come on top: at most one frame of
    /// [`max_frame`](Self::max_frame) for each, and [`assembly`](Self::assembly) for those that are
    /// longer. So a peer which takes nothing is kept at most `calls_per_session` times `max_frame`
    /// and that more, for at most [`write_stall`](Self::write_stall). What is counted is the bytes
    /// that wait; the room that they are in may be up to twice as much. Of long calls of this side as many come on top as begin
    /// together within this number, or one of [`max_message`](Self::max_message).
    unsent: usize = 8 * 1024 * 1024, instead;
    /// How long writing may make no progress until the connection is given up.
    write_stall: Duration = Duration::from_secs(10), instead;
    /// How many cancels a second a peer may send, after a burst of five times as many.
    cancels_per_second: u32 = 200, instead;
    /// How many pings a second a peer may send, after a burst of five times as many.
    pings_per_second: u32 = 2, instead;
    /// How many bad requests a second a peer may send: unknown objects, unreadable arguments.
    bad_requests_per_second: u32 = 100, instead;
    /// How long a call may take unless its caller says otherwise.
    default_deadline: Duration = Duration::from_secs(30), instead;
    /// How long any call may run at a server, whatever its caller says.
    max_deadline: Duration = Duration::from_secs(300), instead;
    /// How many objects clients may hold in one session.
    objects_per_session: usize = 10_000, instead;
    /// How many objects a host keeps for its clients.
    objects_per_host: usize = 1_000_000;
    /// How many objects a host keeps that one principal has activated, or was given tickets for.
    objects_per_principal: usize = 100_000;
    /// How many objects a second one principal may activate, after a burst of five times as many.
    activations_per_second: u32 = 1000;
    /// How many streams may be open at once in one session, in each direction.
    streams_per_session: usize = 64, instead;
    /// How many items of a stream may be on their way to a consumer that does not read. A peer that sends more breaks
    /// the protocol. One that refers to objects or streams counts as sixteen, and no more than half of these.
    stream_items: usize = 16 * 1024, instead;
    /// How many bytes of such items. One item counts no more than half of these.
    stream_bytes: usize = 1024 * 1024, instead;
    /// For how long a lease is renewed at once.
    lease_renewal: Duration = Duration::from_secs(3600);
    /// How many sponsors an object may have.
    sponsors_per_object: usize = 4;
    /// How many sponsors a host asks at once.
    sponsor_calls: usize = 64;
    /// How many objects a host keeps for those who hold a ticket and have no session.
    tickets: usize = 65_536;
    /// How many answers a channel without sessions keeps for requests that may be sent again, of callers that the host knows,
    /// and as many of all others.
    kept_answers: usize = 4096, instead;
    /// How many streams of a channel without sessions wait for callers that have lost their connections, or might have: of
    /// callers that the host knows, and as many of all others.
    lingering_streams: usize = 1024, instead;
    /// How many names of former publications a host remembers, and how many tickets that are over.
    tombstones: usize = 65_536;
    /// How many threads methods may block at once: `#[blocking]` ones, and on a runtime with several worker threads others that
    /// are called for the first time or have held their thread before. Those that find none wait. Of the latter one call of
    /// each method goes on besides. It has to be well below the `max_blocking_threads` of the runtime, 512 by default.
    ///
    /// A method that holds its thread for 100 ms without being marked is named in the log (`remoting::call`, at `WARN`) while it
    /// does, and once a minute at most, however often it does so.
    blocking_threads: usize = 64;
}

/// A bound that was reached where nobody could count it: the source of the error that says
/// so, counted when that error leaves the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    Depth,
    Elements,
    QueuedPerObject,
    MaxDeadline,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "the limit `depth` was reached",
            Self::Elements => "the limit `elements` was reached",
            Self::QueuedPerObject => "the limit `queued_per_object` was reached",
            Self::MaxDeadline => "the limit `max_deadline` was reached",
        })
    }
}

impl std::error::Error for Reached {}

impl Counters {
    /// Counts the bound that a fault comes from, if it comes from one.
    pub(crate) fn count(&self, fault: &Fault) {
        let Fault::Error(error) = fault else { return };
        let reached = error.source().and_then(|source| source.downcast_ref());
        match reached {
            Some(Reached::Depth) => self.depth.add(),
            Some(Reached::Elements) => self.elements.add(),
            Some(Reached::QueuedPerObject) => self.queued_per_object.add(),
            Some(Reached::MaxDeadline) => self.max_deadline.add(),
            None => {}
        }
    }
}

/// How often something happened.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more. For channels, which see bounds reached that nobody else sees.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_a_counter_and_none_is_without_bound() {
        let counters = Counters::default();
        counters.max_frame.add();
        assert_eq!(counters.all().len(), 40);
        assert_eq!(counters.all().first(), Some(&("max_frame", 1)));
        let text = format!("{:?}", Limits::default());
        assert!(!text.contains(&usize::MAX.to_string()), "{text}");
    }

    #[test]
    fn a_channel_has_the_bounds_of_its_host_but_for_its_own() {
        let host = Limits::default();
        let mut own = ChannelLimits::default();
        let unchanged = format!("{:?}", own.on(&host));
        assert_eq!(unchanged, format!("{host:?}"));
        own.depth = Some(500);
        own.connections = Some(3);
        own.handshakes = Some(host.handshakes + 1);
        let limits = own.on(&host);
        assert_eq!((limits.depth, limits.elements), (500, host.elements));
        assert_eq!(
            (limits.connections, limits.handshakes),
            (3, host.handshakes)
        );
    }
}
