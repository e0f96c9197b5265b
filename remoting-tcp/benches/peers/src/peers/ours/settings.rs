//! How the hosts of both sides are set.

use std::time::Duration;

use remoting::sink::{MessageSink, MethodCall, MethodReply, Next};
use remoting::{HostBuilder, Limits};

/// What contestants of this library differ in.
pub(crate) trait Setting: 'static {
    const ABOUT: &'static str;

    /// How many sinks calls pass at the client, and at the server.
    const SINKS: [usize; 2] = [0, 0];
    /// Whether futures send the items of streams, rather than iterators give them.
    const PRODUCES: bool = false;

    /// Those by default, but for what the largest row needs.
    fn limits() -> Limits {
        let mut limits = Limits::default();
        limits.max_message = 5 * 1024 * 1024;
        limits
    }
}

/// The client's host, before it has a channel.
pub(super) fn client<S: Setting>(builder: HostBuilder) -> HostBuilder {
    let builder = builder.limits(S::limits());
    (0..S::SINKS[0]).fold(builder, |builder, _| builder.client_sink(PassOn))
}

/// The server's.
pub(super) fn server<S: Setting>(builder: HostBuilder) -> HostBuilder {
    let builder = builder.limits(S::limits());
    (0..S::SINKS[1]).fold(builder, |builder, _| builder.server_sink(PassOn))
}

/// A sink that does nothing.
struct PassOn;

impl MessageSink for PassOn {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        next.run(call).await
    }
}

pub(crate) struct AsUsual;

impl Setting for AsUsual {
    const ABOUT: &'static str = "as by default, but Limits::max_message, raised on both sides from \
        4 MiB to 5 MiB: a call that carries 4 MiB is a little longer than that";
}

/// As high as growing needs them.
pub(crate) struct AsHighAsNeeded;

impl Setting for AsHighAsNeeded {
    const ABOUT: &'static str = "Limits raised on both sides: calls_per_session from 1,024 to \
        8,192; connections from 10,000 and connections_per_address from 1,024, both to 20,000; \
        objects_per_session from 10,000 and objects_per_host from 1,000,000, both to 1,100,000; \
        max_message from 4 to 65 MiB; assembly from 16 to 160 MiB";

    fn limits() -> Limits {
        let mut limits = Limits::default();
        limits.calls_per_session = 8192;
        limits.connections = 20_000;
        limits.connections_per_address = 20_000;
        limits.objects_per_session = 1_100_000;
        limits.objects_per_host = 1_100_000;
        limits.max_message = 65 * 1024 * 1024;
        limits.assembly = 160 * 1024 * 1024;
        limits
    }
}

/// What sessions cost that may outlive their connections.
pub(crate) struct NeverResumed;

impl Setting for NeverResumed {
    const ABOUT: &'static str = "the same, but sessions end with their connections: \
        Limits::resume_window of both sides is 0";

    fn limits() -> Limits {
        let mut limits = <AsUsual as Setting>::limits();
        limits.resume_window = Duration::ZERO;
        limits
    }
}

pub(crate) struct Producing;

impl Setting for Producing {
    const ABOUT: &'static str = "the same, but a future sends the items (Streaming::produce); \
        otherwise an iterator gives them (Streaming::of)";
    const PRODUCES: bool = true;
}

pub(crate) struct ClientSinks;

impl Setting for ClientSinks {
    const ABOUT: &'static str = "three sinks at the client, HostBuilder::client_sink, that only \
        pass calls on";
    const SINKS: [usize; 2] = [3, 0];
}

pub(crate) struct ServerSinks;

impl Setting for ServerSinks {
    const ABOUT: &'static str = "three sinks at the server, HostBuilder::server_sink, that only \
        pass calls on";
    const SINKS: [usize; 2] = [0, 3];
}
