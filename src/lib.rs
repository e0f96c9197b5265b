#![doc = include_str!("../README.md")]
//!
//! # Layout
//!
//! This crate is a face: it re-exports `remoting-core`, and by feature the attribute
//! [`macro@remote`] and the channels.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "config")]
pub mod config;
pub mod guide;
mod process;
#[cfg(any(feature = "tcp", feature = "http"))]
mod signal;
pub mod testing;

#[cfg(all(
    feature = "http",
    not(feature = "tcp"),
    any(feature = "tls", feature = "tls-aws-lc")
))]
pub use remoting_http::{ClientTls, Cryptography, Pem, ServerTls};
#[cfg(feature = "http")]
pub use remoting_http::{HttpChannel, HttpService};
#[cfg(feature = "tcp")]
pub use remoting_tcp::TcpChannel;
#[cfg(all(feature = "tcp", any(feature = "tls", feature = "tls-aws-lc")))]
pub use remoting_tcp::{ClientTls, Cryptography, Pem, ServerTls};

pub use process::{connect, host};
pub use remoting_core::channel::{self, InProcessChannel};
#[cfg(feature = "json")]
pub use remoting_core::formatter::Json;
#[cfg(feature = "msgpack")]
pub use remoting_core::formatter::MessagePack;
pub use remoting_core::{
    Activatable, Adopts, Call, CallContext, CallMessage, CallOptions, ChannelHandle, ChannelLimits,
    ConnectPolicy, Counters, Dispatcher, Drained, Error, ErrorKind, Executed, Flow, GoneReason,
    Host, HostBuilder, Limits, ObjectName, ObjectRef, ObjectUrl, Proxy, Publication, ReplyHeaders,
    ReplyMessage, Result, RunUntil,
};
pub use remoting_core::{
    Admitted, Authenticator, Credentials, Denied, ErrorDetail, Principals, Secret, Token,
};
pub use remoting_core::{
    AlsoOffers, Certificate, Description, Lease, LeaseInfo, LeasePolicy, LeaseReport, LeaseState,
    MethodDescription, Peer, Principal, Producer, Removed, Sponsor, SponsorDispatcher,
    SponsorProxy, Streaming, SubscriberId, Subscribers, Tracked, TrackingEvent, TrackingEvents,
    WhenFull, sponsor_fn,
};
pub use remoting_core::{
    ConnectionChange, ConnectionEvent, ConnectionEvents, ConnectionInfo, ConnectionState, Direction,
};
#[cfg(feature = "json")]
pub use remoting_core::{DynamicError, ObjectHandle};
pub use remoting_core::{formatter, sink};
#[cfg(feature = "macros")]
pub use remoting_macros::remote_facade as remote;
#[cfg(any(feature = "tcp", feature = "http"))]
pub use signal::shutdown_signal;

/// What a program needs to declare, offer and call objects, and to stop in good order.
///
/// `Serialize` and `Deserialize` are not among it: their derives need the crate `serde`
/// in the user's own `Cargo.toml`.
pub mod prelude {
    #[cfg(feature = "http")]
    pub use crate::HttpChannel;
    #[cfg(feature = "tcp")]
    pub use crate::TcpChannel;
    #[cfg(feature = "config")]
    pub use crate::config::FromConfig;
    #[cfg(feature = "macros")]
    pub use crate::remote;
    #[cfg(any(feature = "tcp", feature = "http"))]
    pub use crate::shutdown_signal;
    pub use crate::{
        CallContext, CallOptions, ConnectPolicy, Host, InProcessChannel, Proxy, Streaming,
    };
}

#[doc(hidden)]
pub use remoting_core::__private;
