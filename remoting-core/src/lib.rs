//! The core of `remoting`: everything but the transports.
//!
//! Most programs use the crate `remoting`, which re-exports this one together with
//! its channels. Those who write a channel, a formatter or a contract crate with
//! few dependencies use it directly.
//!
//! # Layout
//!
//! A module uses only those above it:
//!
//! - plain values: [`error`](Error), `url`, `id`, `descriptor`, `payload`, `limits`, `budget`, `text`, `peer`, `secret`, `authentication`,
//!   `signed`
//! - `wire`: bytes to messages and back; [`formatter`]: values to bytes and back
//! - `session`: the protocol, as a machine without clock and sockets
//! - `lifetime`: how long objects live
//! - `object`, `proxy`, `sink`: the two ends of a call
//! - [`channel`]: what a transport has to offer
//! - `connection`: a link with its session, and the task that drives both
//! - `host`: a process's place in the world of objects

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(unreachable_pub)]

extern crate self as remoting_core;

mod authentication;
mod budget;
mod clock;
mod descriptor;
mod error;
mod id;
mod jitter;
mod limits;
mod log;
mod payload;
mod peer;
#[cfg(test)]
mod planted;
mod secret;
#[cfg(feature = "signed-tokens")]
mod signed;
mod text;
mod trace;
mod url;

pub mod formatter;
#[doc(hidden)]
pub mod wire;

#[doc(hidden)]
pub mod session;

mod lifetime;

mod object;
mod proxy;
pub mod sink;
mod stream;

pub mod channel;
mod connection;
mod host;
pub mod testing;

pub use crate::authentication::{Admitted, Authenticator, Credentials, Denied, Principals, Token};
pub use crate::connection::{
    ConnectionChange, ConnectionEvent, ConnectionEvents, ConnectionInfo, ConnectionState, Direction,
};
pub use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
pub use crate::error::{Error, ErrorDetail, ErrorKind, Executed, Fault, GoneReason, Result};
pub use crate::host::{
    ChannelHandle, Drained, Host, HostBuilder, LeaseReport, ObjectName, ObjectRef, RunUntil,
};
pub use crate::id::{InterfaceId, MethodId};
pub use crate::lifetime::{LeaseInfo, LeasePolicy, LeaseState};
pub use crate::limits::{ChannelLimits, Counter, Counters, Limits};
pub use crate::object::{
    AlsoOffers, CallContext, Description, Dispatcher, Flow, Lease, MethodDescription, Publication,
    Sponsor, SponsorDispatcher, SponsorProxy, Tracked, TrackingEvent, TrackingEvents, sponsor_fn,
};
pub use crate::peer::{Certificate, Peer, Principal};
pub use crate::proxy::{
    Activatable, Adopts, Call, CallOptions, ConnectPolicy, Proxy, Removed, ReplyHeaders,
    SubscriberId, Subscribers, WhenFull,
};
#[cfg(feature = "json")]
pub use crate::proxy::{DynamicError, ObjectHandle};
pub use crate::secret::Secret;
pub use crate::sink::{CallMessage, ReplyMessage, Ticket};
pub use crate::stream::{Producer, Streaming};
pub use crate::url::ObjectUrl;
#[cfg(feature = "macros")]
pub use remoting_macros::remote;

/// What a program needs to declare, offer and call objects.
pub mod prelude {
    pub use crate::formatter::FormatterRef;
    #[cfg(feature = "macros")]
    pub use crate::remote;
    pub use crate::{CallContext, CallOptions, Host, Proxy, Streaming};
}

/// What generated code uses. Nothing here is promised to anybody else.
#[doc(hidden)]
pub mod __private {
    pub use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
    pub use crate::error::{Error, Fault};
    pub use crate::formatter::{Blob, ByteVec, Defaulted, Text};
    pub use crate::host::activate_registered;
    pub use crate::object::{
        ArgumentBytes, Construct, ConstructWith, ConstructorCall, Dispatch, Dispatched,
        IncomingCall, Made, Shared, bytes, not_activatable,
    };
    pub use crate::proxy::{
        Activatable, Activator, Call, Outcome, Read, Reference, Stub, Value, Written, alight, board,
    };
    pub use serde::{Deserialize, Deserializer as Reader, Serialize, Serializer as Writer};
}
