//! What a call does where there is no connection.

/// What calls do where there is no connection to their host, and none can be made at once.
///
/// It is said for a host ([`HostBuilder::connect_policy`](crate::HostBuilder::connect_policy)), for one of its channels
/// in the place of that ([`ChannelSettings::connect_policy`](crate::channel::ChannelSettings::connect_policy)), and for
/// single calls in the place of both ([`Call::connect_policy`](crate::Call::connect_policy),
/// [`CallOptions::connect_policy`](crate::CallOptions::connect_policy)). A session that has lost its connection
/// may get it back ([`Limits::resume_window`](crate::Limits::resume_window)), and most calls are better served by waiting for that;
/// only a call that was told so itself does not:
///
/// | | no connection | a session that waits for its connection |
/// |---|---|---|
/// | `FailFast` of the host or the channel, or nothing said | dials once; ends with the error | waits, as long as the session does |
/// | `FailFast` said for the call | dials once; ends with the error | ends at once: `Disconnected`, executed: no |
/// | `Wait` | dials until the deadline | waits; dials if the session ends |
///
/// "Once" is all addresses of the URL, one after the other. A call whose connection ends before it was taken goes out once more,
/// whatever the policy; a call that was sent is not sent again by any.
///
/// What holds for calls holds for [`Host::connect`](crate::Host::connect) and for constructors, too. Calls on a reference
/// that came in an answer go over the session that it came by, and dial nothing: with that session, the object is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ConnectPolicy {
    /// A call needs a connection now.
    #[default]
    FailFast,
    /// A call waits until its deadline for a server that cannot be reached, that is being started or that has no room
    /// (`ConnectFailed`, `Disconnected`, and `Overloaded` at the door), and ends with `DeadlineExceeded`, executed: no,
    /// and the last failure in its text. What does not pass by itself, `TlsRequired`, `Unauthenticated`, `InvalidUrl` or
    /// `VersionMismatch`, is told at once.
    ///
    /// All calls that wait for one server share its dialling and its pauses, which are drawn at random and grow from
    /// 50 ms to 5 s. Over HTTP without sessions each call is a request of its own, so what a server says that has no room
    /// is said of that call and not waited for, and a request that was under way at the deadline may have been executed.
    Wait,
}
